"""Looking at the cards at each turn, and telling what an hour came to when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from marketplace.agent.errors import AgentError
from marketplace.agent.events import moment
from marketplace.agent.exchange import Exchange
from marketplace.agent.telemetry.holders import Holders
from marketplace.agent.telemetry.hours import LONGEST_GAP, asked_for, quantities
from marketplace.agent.telemetry.sources import Source
from marketplace.agent.telemetry.store import IDLE, Samples
from marketplace.agent.usage import Span

LOOK_BACK = 3_600
"""What a Prometheus kept while the agent was away is asked for as far back."""

KEPT = 3 * 86_400


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Never in the way of delivering: what fails here is a line for the site's people."""

    sources: Sequence[Source]
    holders: Holders
    samples: Samples
    look_back: int = LOOK_BACK
    kept: int = KEPT

    def collect(self, now: int) -> list[str]:
        """Keep what the sources tell now; returns what is wrong with which."""
        problems: list[str] = []
        try:
            holders = self.holders()
        except AgentError as problem:
            return [f"telemetry: whose cards they are is not known: {problem}"]
        # A little again: sources are not equally quick, and what is known is kept once.
        since = max(self.samples.newest() - LONGEST_GAP, now - self.look_back)
        for source in self.sources:
            try:
                self.samples.keep(source.samples(since=since, now=now), holders)
            except AgentError as problem:
                problems.append(f"telemetry: {problem}")
        self.samples.forget(now - self.kept)
        return problems

    def of_delivery(self, delivery: int, span: Span) -> dict[str, int]:
        """What is known of a delivery's cards in an hour, by meter."""
        return quantities(self.samples.of(delivery, asked_for(span)), span)

    def of_idle_cards(self, span: Span) -> dict[str, dict[str, int]]:
        """The same of each card that no delivery held, by its name."""
        cards = self.samples.of(IDLE, asked_for(span))
        told = {str(card): quantities({card: samples}, span) for card, samples in cards.items()}
        return {card: meters for card, meters in told.items() if meters}

    def tell_idle_hours(self, exchange: Exchange, *, now: int, offset: int) -> None:
        """Each hour that is over, once. Hours are the exchange's, which the site's clock is ahead of."""
        for since in self.samples.untold_hours(now):
            span = Span(since + offset, since + offset + 3_600)
            if cards := self.of_idle_cards(span):
                exchange.idle_cards(moment(since), cards)
            self.samples.told(since)
