"""What a site's scheduler is to the agent. Every driver passes `tests/agent/contract.py`.

A driver keeps no state of its own: what was provided is read from the scheduler each time. So it may be
killed anywhere and asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from marketplace.agent.usage import Span


@dataclass(frozen=True, slots=True)
class Wanted:
    """A delivery as the scheduler should have it. ``window`` is in seconds of the site's clock.

    The buyer's people are let in once it is ``open``: what they begin would be in the way of the test.
    """

    delivery: int
    buyer: int
    cards: int
    model: str
    window: Span
    open: bool = True


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What was seen of the cards before the buyer gets them. ``evidence`` says where it comes from, ``probe``
    what was measured on the cards; it is empty where no probe ran."""

    cards_visible: int
    model: str
    memory_gb: str
    passed: bool
    evidence: Mapping[str, Any]
    probe: Mapping[str, Any] = field(default_factory=dict)


class Driver(Protocol):
    """Each method may be repeated. ``SiteProblem`` says what the site's people have to put right."""

    def present(self) -> frozenset[int]:
        """The deliveries of which the scheduler holds anything that the agent made."""

    def provide(self, wanted: Wanted) -> None:
        """Make what the delivery needs, or bring what is there to what is wanted now."""

    def accept(self, wanted: Wanted) -> Acceptance:
        """Look at what was provided."""

    def visible(self, wanted: Wanted) -> int:
        """How many of the cards of a delivery that is under way are there, at most those that were sold."""

    def access(self, wanted: Wanted) -> Mapping[str, str]:
        """How the buyer's people get to the cards, by name; empty where the site tells them otherwise."""

    def stop(self, delivery: int) -> bool:
        """Let nothing more begin and end what runs; whether nothing runs any more."""

    def remove(self, delivery: int) -> None:
        """Take away what was made for the delivery, and nothing else."""

    def watch(self) -> None:
        """Note what the scheduler will not remember, at every turn; nothing where it has an accounting."""

    def card_seconds(self, wanted: Wanted, span: Span) -> int:
        """What the buyer had in a span that is over and lies inside of one hour, while it is present."""
