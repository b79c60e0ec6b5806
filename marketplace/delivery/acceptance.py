"""Acceptance: what a site must show before its cards count as delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from marketplace.delivery.models import Delivery
from marketplace.errors import DomainError, InvalidInput

FIELDS: Mapping[str, tuple[type, ...]] = {
    "cards_visible": (int,),
    "model": (str,),
    "memory_gb": (int, float, str),
    "passed": (bool,),
}


class AcceptanceFailed(DomainError):
    code = "acceptance_failed"
    title = "The cards do not pass acceptance"


def check_acceptance(delivery: Delivery, report: Mapping[str, Any]) -> dict[str, Any]:
    """The acceptance in an agent's report.

    Raises ``InvalidInput`` where it is incomplete, ``AcceptanceFailed`` where it shows less than what
    was sold. The delivery stays where it is: the agent tries again, or reports that it failed.
    """
    shown = report.get("acceptance")
    if not isinstance(shown, dict):
        problem = {"report.acceptance": "Report what the test showed."}
        raise InvalidInput("The acceptance is missing.", problem)
    problems = dict(_malformed(shown))
    if problems:
        raise InvalidInput("The acceptance is incomplete.", problems)
    shortcomings = list(_shortcomings(delivery, shown))
    if shortcomings:
        raise AcceptanceFailed(f"{delivery}: {' '.join(shortcomings)} Repeat the test, or report “failed”.")
    return {name: shown[name] for name in FIELDS}


def _malformed(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, types in FIELDS.items():
        value = shown.get(name)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield f"report.acceptance.{name}", f"Give it as {' or '.join(one.__name__ for one in types)}."
        elif name == "memory_gb" and _decimal(value) is None:
            yield f"report.acceptance.{name}", "Give the memory of one card in GB."


def _shortcomings(delivery: Delivery, shown: Mapping[str, Any]) -> Iterator[str]:
    sold, model = delivery.agreement.cards, delivery.agreement.allocation.offer.fleet.model
    memory = _decimal(shown["memory_gb"])
    if not shown["passed"]:
        yield "The test did not pass."
    if shown["cards_visible"] < sold:
        yield f"{shown['cards_visible']} cards are visible, {sold} are sold."
    if shown["model"] != model.slug:
        yield f"The cards are {shown['model']}, sold are {model.slug}."
    if memory is None or (model.memory_gb is not None and memory < model.memory_gb):
        yield f"A card shows {memory} GB, sold are {model.memory_gb} GB."


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
