"""A delivery as the exchange tells it, and its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any, Self

from marketplace.agent.driver import Acceptance, Wanted
from marketplace.agent.errors import AgentError
from marketplace.agent.usage import Span

BEFORE = ("scheduled", "provisioning", "accepting")
OVER = ("ended", "failed", "evicted")


class NoDelivery(AgentError):
    """What the exchange tells is no delivery."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """``metered`` is when the buyer had it, as far as is known now; None where it never began. In between,
    ``suspended`` are times in which it had nothing.

    ``since`` is when it came to its state. ``held`` is one whose cards the owner took away on the exchange.
    """

    id: int
    site: int
    buyer: int
    state: str
    cards: int
    model: str
    window: Span
    metered: Span | None
    suspended: tuple[Span, ...]
    since: int
    held: bool
    retries_left: int
    access_key: str
    access_given: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        starts, ends = _seconds(row["starts_at"]), _seconds(row["ends_at"])
        began, stopped = row["active_from"], row["active_until"]
        metered = None
        if began is not None:
            metered = Span(ceil(_seconds(began)), floor(ends if stopped is None else _seconds(stopped)))
        return cls(
            id=_whole(row, "id"),
            site=_whole(row, "site"),
            buyer=_whole(row, "buyer"),
            state=row["state"],
            cards=_whole(row, "cards"),
            model=row["model"],
            window=Span(ceil(starts), floor(ends)),
            metered=metered,
            suspended=tuple(_suspension(one, ceil(ends)) for one in row["suspensions"]),
            since=0 if row["state_since"] is None else floor(_seconds(row["state_since"])),
            held=row["held"],
            retries_left=row["retries_left"],
            access_key=row["access_key"] or "",
            access_given=row["access_given"],
        )

    def wanted(self, offset: int) -> Wanted:
        """As the scheduler should have it, whose clock is so many seconds ahead of the exchange's."""
        window = shifted(self.window, offset)
        return Wanted(self.id, self.buyer, self.cards, self.model, window, open=self.state == "active")


def shifted(span: Span, offset: int) -> Span:
    return Span(span.since + offset, span.until + offset)


def step(to: str, at: int, report: Mapping[str, Any] | None = None) -> dict[str, Any]:
    told = datetime.fromtimestamp(at, UTC).isoformat()
    return {"to": to, "at": told, "report": {"by": "cardhour-agent"} | dict(report or {})}


def accepted(at: int, seen: Acceptance) -> dict[str, Any]:
    return step("active", at, {"acceptance": shown(seen), "evidence": dict(seen.evidence)})


def shown(seen: Acceptance) -> dict[str, Any]:
    """What was measured, as the exchange compares it with what was sold."""
    return {
        "cards_visible": seen.cards_visible,
        "model": seen.model,
        "memory_gb": seen.memory_gb,
        "passed": seen.passed,
    } | ({"probe": dict(seen.probe)} if seen.probe else {})


def _suspension(row: Mapping[str, Any], ends: int) -> Span:
    """Whole seconds, as many as it touches; one that lasts, to the end."""
    until = row["ends_at"]
    return Span(floor(_seconds(row["starts_at"])), ends if until is None else ceil(_seconds(until)))


def _whole(row: Mapping[str, Any], name: str) -> int:
    """Numbers become names of the scheduler's objects: what is none goes no further."""
    value = row.get(name)
    if type(value) is not int:
        raise NoDelivery(f"The exchange tells a delivery whose {name} is {value!r}, and no whole number.")
    return value


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
