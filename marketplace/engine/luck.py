"""Chance that is the same everywhere: a generator of numbers seeded by the snapshot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marketplace.engine.compiled import compiled

Words = NDArray[np.uint64]
"""The state of a generator: one word, never 0."""


@compiled
def draw(luck: Words, below: int) -> int:
    """A number from 0 to before ``below`` (xorshift64; Marsaglia, 2003)."""
    word = luck[0]
    word ^= word << np.uint64(13)
    word ^= word >> np.uint64(7)
    word ^= word << np.uint64(17)
    luck[0] = word
    return int(np.int64(word >> np.uint64(33)) % below)
