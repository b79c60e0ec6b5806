"""A request asked again with one change: what a remedy names is put into a copy of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from marketplace.clock import HOUR
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.errors import InvalidInput

NAMES = ("accelerator_models", "stacks", "jurisdictions")
PLAIN = [each.name for each in fields(AlternativeInput) if each.name not in {*NAMES, "near"}]


def input_of(request: ComputeRequest, *, start: datetime) -> RequestInput:
    """The request as it was entered. Windows that have passed begin at ``start`` and keep their length."""
    return RequestInput(
        title=request.title,
        currency=request.currency,
        alternatives=[_ahead(_input_of(each), start) for each in request.alternatives.all()],
        least_share=request.least_share,
        shared_budget=request.shared_budget_id,
        choice=request.choice_id,
        under=request.under_id,
    )


def _input_of(alternative: Alternative) -> AlternativeInput:
    return AlternativeInput(
        **{name: getattr(alternative, name) for name in PLAIN},
        near=alternative.near.slug if alternative.near else "",
        accelerator_models=tuple(model.slug for model in alternative.accelerator_models.all()),
        stacks=tuple(stack.slug for stack in alternative.stacks.all()),
        jurisdictions=tuple(alternative.jurisdictions),
    )


def _ahead(wanted: AlternativeInput, start: datetime) -> AlternativeInput:
    if wanted.earliest_start >= start:
        return wanted
    fits = wanted.deadline >= start + wanted.hours * HOUR
    deadline = wanted.deadline if fits else start + (wanted.deadline - wanted.earliest_start)
    return replace(wanted, earliest_start=start, deadline=deadline)


def with_change(asked: RequestInput, place: int, change: Mapping[str, str]) -> RequestInput:
    """With fields of one alternative changed. Lists take one more name, or become empty; what is empty
    elsewhere is no constraint any more. Raises ``InvalidInput`` for what is no change of a request.
    """
    unknown = sorted(set(change) - set(READ) - set(NAMES))
    if unknown or not 0 <= place < len(asked.alternatives):
        raise InvalidInput(
            _("This is no change of the request."), dict.fromkeys(unknown, _("Unknown field."))
        )
    changed = _changed(asked.alternatives[place], change)
    alternatives: Sequence[AlternativeInput] = [
        changed if number == place else each for number, each in enumerate(asked.alternatives)
    ]
    return replace(asked, alternatives=alternatives)


def _changed(wanted: AlternativeInput, change: Mapping[str, str]) -> AlternativeInput:
    given: dict[str, Any] = {}
    for name, text in change.items():
        if name in NAMES:
            given[name] = tuple(dict.fromkeys([*getattr(wanted, name), text])) if text else ()
        else:
            given[name] = _read(name, text)
    if given.get("limit") is not None:
        given["budget"] = None
    if "round_trip_ms" in given and given["round_trip_ms"] is None:
        given["near"] = ""
    return replace(wanted, **given)


def _read(name: str, text: str) -> Any:
    try:
        return READ[name](text)
    except (ValueError, ArithmeticError) as error:
        problem = _("“%(text)s” cannot be read.") % {"text": text}
        raise InvalidInput(_("This is no change of the request."), {name: problem}) from error


def _or_nothing(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: read(text) if text else None


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


READ: Mapping[str, Callable[[str], Any]] = {
    "limit": _decimal,
    "amount": _decimal,
    "deadline": datetime.fromisoformat,
    "precision": str,
    **dict.fromkeys(("memory_gb", "round_trip_ms", "renewable_share", "carbon"), _or_nothing(_decimal)),
    **dict.fromkeys(("bandwidth_mbps", "verification", "notice_minutes"), _or_nothing(int)),
}
