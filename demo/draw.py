"""Chance, the same on every machine: everything is drawn from ``SEED`` and the name of what is drawn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeVar

SEED = 20261107

Thing = TypeVar("Thing")


def chance(*name: object, seed: int = SEED) -> random.Random:
    """A generator of its own for each name, so that adding one draw does not change the others."""
    return random.Random(":".join(str(part) for part in (seed, *name)))


def pick(rng: random.Random, weights: Mapping[Thing, int]) -> Thing:
    """One key, in proportion to its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def between(rng: random.Random, low: str, high: str, mode: str, places: str = "0.0001") -> Decimal:
    """A triangular draw, rounded."""
    drawn = rng.triangular(float(low), float(high), float(mode))
    return Decimal(str(drawn)).quantize(Decimal(places), ROUND_HALF_EVEN)


def share_out(total: int, weights: Sequence[int], least: int = 0) -> list[int]:
    """Splits ``total`` in proportion to the weights, by largest remainder; each gets at least ``least``.

    Raises ValueError when there is not enough for that.
    """
    rest = total - least * len(weights)
    if rest < 0:
        raise ValueError(f"{total} cannot be split into {len(weights)} parts of at least {least}")
    whole = sum(weights)
    parts = [rest * weight // whole for weight in weights]
    remainders = sorted(range(len(weights)), key=lambda n: (-(rest * weights[n] % whole), n))
    for n in remainders[: rest - sum(parts)]:
        parts[n] += 1
    return [least + part for part in parts]
