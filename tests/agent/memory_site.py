"""A site in memory. What happened there is known, so what is metered can be compared with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from marketplace.agent.driver import Acceptance, Wanted
from marketplace.agent.errors import SiteProblem
from marketplace.agent.usage import Holding, Span, card_seconds


@dataclass
class MemorySite:
    """A driver; ``jobs`` are what the accounting says of each delivery, in the site's clock."""

    provided: dict[int, Wanted] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    jobs: dict[int, list[Holding]] = field(default_factory=dict)
    cards_up: int = 64
    drains: int = 0
    memory_gb: str = "64"

    def present(self) -> frozenset[int]:
        return frozenset(self.provided)

    def provide(self, wanted: Wanted) -> None:
        self.provided[wanted.delivery] = wanted
        self.stopped.discard(wanted.delivery)

    def accept(self, wanted: Wanted) -> Acceptance:
        seen = min(self.cards_up, wanted.cards)
        return Acceptance(
            seen, wanted.model, self.memory_gb, passed=seen == wanted.cards, evidence={"driver": "memory"}
        )

    def visible(self, wanted: Wanted) -> int:
        return min(self.cards_up, wanted.cards)

    def access(self, wanted: Wanted) -> dict[str, str]:
        return {"login": f"ssh buyer{wanted.buyer}@site"}

    def stop(self, delivery: int) -> bool:
        """The first time jobs are still ending, where ``drains`` says so."""
        first = delivery not in self.stopped
        self.stopped.add(delivery)
        return not (first and delivery in self.provided and self.drains)

    def remove(self, delivery: int) -> None:
        self.provided.pop(delivery, None)

    def watch(self) -> None: ...

    def card_seconds(self, wanted: Wanted, span: Span) -> int:
        if wanted.delivery not in self.provided:
            raise SiteProblem(f"D{wanted.delivery} was removed: its accounting cannot be read any more.")
        held = card_seconds(self.jobs.get(wanted.delivery, []), span)
        return min(held, wanted.cards * span.seconds)

    def shifted(self, seconds: int) -> None:
        """The site's clock is so many seconds ahead of what the jobs were written in."""
        self.jobs = {
            pk: [
                replace(one, since=one.since + seconds, until=one.until and one.until + seconds)
                for one in jobs
            ]
            for pk, jobs in self.jobs.items()
        }
