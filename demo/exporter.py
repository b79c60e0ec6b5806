"""The telemetry of a simulated site: cards that are as busy as those of a real cluster were (``duty_cycle``).

Memory and power follow from how busy a card is, by the assumptions below. The real agent keeps the samples,
adds them up and tells them. A card bears the name of the delivery that has it, so that whose it was does not
depend on when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from demo.driver import Cards, DemoDriver, Lease
from demo.duty_cycle import busy_seconds
from demo.plants import sampled
from marketplace.agent.telemetry.hours import LONGEST_GAP
from marketplace.agent.telemetry.samples import Card, Figures, Sample

STEP = LONGEST_GAP
"""Seconds between two samples of a card: as few as leave no gap."""

IDLE_PERCENT = 25
"""What an idle card draws of its design power; a busy one draws all of it. An assumption."""

LEAST_MEMORY, MOST_MEMORY = 0.05, 0.85
"""Shares of its memory that an idle and a busy card have in use. An assumption."""

MIB_PER_GB = 1e9 / 2**20


@dataclass(frozen=True, slots=True)
class DutyCycles:
    driver: DemoDriver

    @property
    def url(self) -> str:
        return f"the duty cycles of site {self.driver.site}"

    def samples(self, *, since: int, now: int) -> list[Sample]:
        """Each tells of the time from ``at`` on, so it is there when that is over."""
        return [one for lease in self.driver.leases() for one in self._of(lease, since, now - STEP)]

    def _of(self, lease: Lease, since: int, until: int) -> Iterator[Sample]:
        known = self.driver.cards_of(lease.model)
        first = max(lease.since, since + 1)
        first += -(first - lease.since) % STEP
        for at in range(first, min(lease.until - 1, until) + 1, STEP):
            for index in range(lease.cards):
                yield self._sample(card_of(lease, index), at, known, busy_percent(lease, index, at))

    def _sample(self, card: Card, at: int, known: Cards, busy: float) -> Sample:
        """Here cheats change what their cards show."""
        busy, watts = sampled(
            self.driver.plant, f"{card}/{at}", busy=busy, watts=watts_of(known, busy), tdp_w=known.tdp_w
        )
        return Sample(card, at, Figures(utilisation=busy, memory=memory_of(known, busy), power=watts))


@dataclass(frozen=True, slots=True)
class Leases:
    """Whose card it is."""

    driver: DemoDriver

    def __call__(self) -> Mapping[Card, int]:
        return {
            card_of(lease, index): lease.delivery
            for lease in self.driver.leases()
            for index in range(lease.cards)
        }


def card_of(lease: Lease, index: int) -> Card:
    return Card(f"d{lease.delivery}", str(index))


def busy_percent(lease: Lease, index: int, at: int) -> float:
    start, end = (datetime.fromtimestamp(moment, UTC) for moment in (at, at + STEP))
    return 100 * busy_seconds(f"{lease.delivery}/{index}", start, end) / STEP


def memory_of(cards: Cards, busy: float) -> float:
    share = LEAST_MEMORY + (MOST_MEMORY - LEAST_MEMORY) * busy / 100
    return float(cards.memory_gb) * MIB_PER_GB * share


def watts_of(cards: Cards, busy: float) -> float | None:
    """None without a known design power."""
    if cards.tdp_w is None:
        return None
    return cards.tdp_w * (IDLE_PERCENT + (100 - IDLE_PERCENT) * busy / 100) / 100
