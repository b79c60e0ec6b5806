"""One look at one card. What an exporter does not tell is None and stays so: absent, never zero."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, order=True)
class Card:
    """``index`` is the number that the node's driver gives it, which is the scheduler's index too."""

    node: str
    index: str

    def __str__(self) -> str:
        return f"{self.node}/{self.index}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Utilisation in percent of the time, memory in MiB, power in W, energy in J since the card was reset."""

    utilisation: float | None = None
    memory: float | None = None
    power: float | None = None
    energy: float | None = None


NAMES = tuple(one.name for one in fields(Figures))


@dataclass(frozen=True, slots=True)
class Sample:
    """``at`` is in seconds since 1970, by the site's clock."""

    card: Card
    at: int
    figures: Figures
