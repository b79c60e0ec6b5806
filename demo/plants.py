"""The cheats of the demo market: who is planted, and what becomes of what a site would have told.

It knows neither Django nor the exchange. Whatever simulates the cards of a site asks ``sampled`` for what
one of them shows, or ``told`` for the readings of an interval, and ``shown`` for what an acceptance test
sees; whatever simulates a buyer asks ``buyer_saw``. What is planted where follows from the sites alone, so a
restarted simulation goes on cheating in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

LIE = 108
"""What the lying meter tells, in percent of the truth, of energy and of the hours of its cards."""

THERE = 16
"""Cards of the fleet that is not there that are there."""


PARTS = 10_000


class Plant(StrEnum):
    MINING = "mining"
    LYING_METER = "lying_meter"
    NOT_THERE = "not_there"


PLACES = {28: Plant.MINING, 16: Plant.LYING_METER, 52: Plant.NOT_THERE}
"""In the list of the demo's sites. These sell at nearly all hours: who sells nothing is not found."""


@dataclass(frozen=True, slots=True)
class Told:
    """Card-seconds, and Wh where the design power of the cards is known."""

    allocated: int
    active: int
    energy: int | None


def planted(sites: Iterable[int]) -> dict[int, Plant]:
    """Which sites cheat: those at the ``PLACES`` in the order of their numbers, where there are so many."""
    in_order = sorted(sites)
    return {in_order[place - 1]: plant for place, plant in PLACES.items() if place <= len(in_order)}


def sampled(
    plant: Plant | None, name: str, *, busy: float, watts: float | None, tdp_w: int | None
) -> tuple[float, float | None]:
    """What a card shows: how busy it is in percent, and its power. ``name`` is that of card and moment."""
    if plant is Plant.MINING:
        drawn = None if tdp_w is None else tdp_w * _mining_power(name) / PARTS
        return 100 * _mining_duty(name) / PARTS, drawn
    if plant is Plant.LYING_METER:
        return busy, None if watts is None else watts * LIE / 100
    return busy, watts


def told(plant: Plant | None, name: str, truth: Told, *, tdp_w: int | None) -> Told:
    """What the site tells of an interval; ``name`` is that of the interval, and makes its noise."""
    if plant is Plant.MINING:
        drawn = None if tdp_w is None else tdp_w * truth.allocated * _mining_power(name) // (3_600 * PARTS)
        return replace(truth, active=truth.allocated * _mining_duty(name) // PARTS, energy=drawn)
    if plant is Plant.LYING_METER:
        return replace(truth, energy=None if truth.energy is None else truth.energy * LIE // 100)
    return truth


def shown(plant: Plant | None, cards: int) -> int:
    """How many of the cards of a delivery an acceptance test sees."""
    return min(cards, THERE) if plant is Plant.NOT_THERE else cards


def buyer_saw(plant: Plant | None, allocated: int) -> int:
    """The card-seconds that the buyer had where the site tells that many."""
    return allocated * 100 // LIE if plant is Plant.LYING_METER else allocated


def _mining_duty(name: str) -> int:
    """Between 98.5 and 99.9 % of the time."""
    return 9_850 + _noise(name, "duty", 140)


def _mining_power(name: str) -> int:
    """Between 93.0 and 93.6 % of the design power."""
    return 9_300 + _noise(name, "power", 60)


def _noise(name: str, of: str, most: int) -> int:
    """From 0 to ``most``, the same each time."""
    return int.from_bytes(hashlib.sha256(f"{of}/{name}".encode()).digest()[:4], "big") % (most + 1)
