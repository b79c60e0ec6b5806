"""What a probe saw of cards, taken with care, and the acceptance that follows from it.

A probe is a command of the site's, run on the cards that were sold and on no others. It prints a line of
JSON, ``docs/site-agent.md`` has its fields; where it runs once a card, or once a node, all lines together
are one test. What it did not measure is absent, and never a zero.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from marketplace.agent.driver import Acceptance, Wanted
from marketplace.agent.errors import Unreadable

FORMAT = "cardhour-probe/1"
FIGURES = ("compute_tflops", "bandwidth_gb_s")


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    memory_gb: Decimal
    uuid: str


@dataclass(frozen=True, slots=True)
class Probe:
    """``figures`` are those of the slowest card. ``benchmarks`` are throughputs relative to the reference
    card, by class of work."""

    cards: tuple[Card, ...]
    precision: str
    figures: Mapping[str, Decimal]
    benchmarks: Mapping[str, tuple[Decimal, ...]]


def read_probe(text: str) -> Probe:
    """All lines of one test as one; ``Unreadable`` where one is not as it should be."""
    lines = [_line(line) for line in text.splitlines() if line.strip()]
    if not lines:
        raise Unreadable("The probe printed nothing.")
    benchmarks: dict[str, list[Decimal]] = defaultdict(list)
    for line in lines:
        for workload, runs in _table(line, "benchmarks").items():
            benchmarks[workload] += [_above_zero(run, workload) for run in _list(runs, workload)]
    return Probe(
        cards=_once([card for line in lines for card in _cards(line)]),
        precision=str(lines[0].get("precision") or ""),
        figures={name: min(found) for name in FIGURES if (found := _given(lines, name))},
        benchmarks={workload: tuple(runs) for workload, runs in benchmarks.items()},
    )


def acceptance_of(probe: Probe, wanted: Wanted, *, card_name: str, evidence: Mapping[str, Any]) -> Acceptance:
    """``card_name`` is a part of the name that each card must bear; another name is what is reported."""
    others = [card.name for card in probe.cards if card_name.lower() not in card.name.lower()]
    measured = {name: str(figure) for name, figure in probe.figures.items()}
    runs = {workload: [str(run) for run in runs] for workload, runs in probe.benchmarks.items()}
    return Acceptance(
        cards_visible=len(probe.cards),
        model=others[0] if others else wanted.model,
        memory_gb=str(min((card.memory_gb for card in probe.cards), default=Decimal(0))),
        passed=len(probe.cards) >= wanted.cards and not others,
        evidence={
            **evidence,
            "memory_gb": "probe",
            "cards": sorted({card.name for card in probe.cards}),
            "uuids": sorted(card.uuid for card in probe.cards if card.uuid),
        },
        probe={"precision": probe.precision, "benchmarks": runs} | measured,
    )


def _line(line: str) -> Mapping[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        raise Unreadable(f"The probe printed “{line[:80]}”, which is no JSON.") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise Unreadable(f"The probe printed “{line[:80]}”, which is not of the format {FORMAT}.")
    return told


def _cards(line: Mapping[str, Any]) -> list[Card]:
    found = []
    for card in _list(line.get("cards"), "cards"):
        if not isinstance(card, dict) or not isinstance(card.get("name"), str):
            raise Unreadable("The probe names a card without its name.")
        uuid = str(card.get("uuid") or "")
        found.append(Card(card["name"], _above_zero(card.get("memory_gb"), "memory_gb"), uuid))
    return found


def _once(cards: Sequence[Card]) -> tuple[Card, ...]:
    """A card that two lines name is one card; one without its number is taken for another each time."""
    known = {card.uuid or str(number): card for number, card in enumerate(cards)}
    return tuple(known.values())


def _given(lines: Sequence[Mapping[str, Any]], name: str) -> list[Decimal]:
    return [_above_zero(line[name], name) for line in lines if line.get(name) is not None]


def _above_zero(value: object, name: str) -> Decimal:
    try:
        figure = Decimal(str(value))
    except InvalidOperation:
        figure = Decimal(0)
    if isinstance(value, bool) or not figure.is_finite() or figure <= 0:
        raise Unreadable(f"The probe's {name} is {value!r}, and no figure above zero.")
    return figure


def _table(line: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = line.get(name) or {}
    if not isinstance(value, dict):
        raise Unreadable(f"The probe's {name} is no table.")
    return value


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable(f"The probe's {name} is no list.")
    return value
