"""How many card-seconds a delivery had: whole cards, whole seconds, each second counted once.

Moments are whole seconds since 1970, as schedulers keep them; a span is the seconds from its first up to,
but not including, its last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Span:
    since: int
    until: int

    @property
    def seconds(self) -> int:
        return max(0, self.until - self.since)

    def common(self, other: Span) -> Span:
        """What both have; empty where they have nothing."""
        return Span(max(self.since, other.since), min(self.until, other.until))


@dataclass(frozen=True, slots=True)
class Holding:
    """Cards that were there for the buyer from a moment on. ``until`` is None while they are.

    ``paused`` are seconds inside of the span that was asked about in which they were taken away.
    """

    cards: int
    since: int
    until: int | None
    paused: int = 0

    def card_seconds(self, span: Span) -> int:
        """Those that lie in a span. A holding that ends before it begins had none."""
        held = Span(self.since, span.until if self.until is None else self.until).common(span)
        return self.cards * max(0, held.seconds - self.paused)


def card_seconds(holdings: Iterable[Holding], span: Span) -> int:
    return sum(holding.card_seconds(span) for holding in holdings)


def cells(span: Span) -> Iterator[Span]:
    """A span cut at the full hours of UTC, and so at the ends of days and months as well."""
    since = span.since
    while since < span.until:
        until = min((since // HOUR + 1) * HOUR, span.until)
        yield Span(since, until)
        since = until


def without(span: Span, gaps: Sequence[Span]) -> list[Span]:
    """What is left of a span outside of all gaps, in order. Gaps may overlap."""
    left, since = [], span.since
    for gap in sorted(gaps, key=lambda gap: gap.since):
        if since < min(gap.since, span.until):
            left.append(Span(since, min(gap.since, span.until)))
        since = max(since, gap.until)
    if since < span.until:
        left.append(Span(since, span.until))
    return left
