"""Which offers may still have a run of cards free: a quick no for those that have none.

Most offers that a late request looks at are sold out where it would need them. Whether so many cards are
free over so many slots is kept for powers of two, as one bit for each first slot; both figures rounded down,
a run that is there always has its bit set.
"""

from __future__ import annotations

import numpy as np

from marketplace.engine.compiled import compiled
from marketplace.engine.facts import Ints
from marketplace.engine.luck import Words

BITS = 64
"""First slots in a word."""

MOST_LEVELS = 11
"""More than 1,024 cards are looked for as if they were so many."""

LEVEL = np.array([0, *(number.bit_length() - 1 for number in range(1, 1 << MOST_LEVELS))], dtype=np.int64)
"""The logarithm of a number to the base 2, rounded down."""


def no_openings(rows: int, slots: int, most_cards: int) -> Words:
    """Room for bits, by level of cards, of slots, row and word: none is set."""
    levels = int(LEVEL[min(max(most_cards, 1), LEVEL.size - 1)]) + 1
    lengths = int(LEVEL[slots]) + 1
    return np.zeros((levels, lengths, rows, (slots + BITS - 1) // BITS), dtype=np.uint64)


@compiled
def note_openings(openings: Words, free: Ints, row: int, begun: int, end: int) -> None:
    """Set the bits of an offer whose free cards have changed from slot ``begun`` to before ``end``."""
    levels, lengths, _, words = openings.shape
    last = (end - 1) // BITS
    for level in range(levels):
        if not _note_slots(openings[level, 0, row], free[row], 1 << level, begun // BITS, last):
            continue
        for length in range(1, lengths):
            shorter, longer, half = openings[level, length - 1, row], openings[level, length, row], length - 1
            first = max(begun - (1 << length) + 1, 0) // BITS
            _both_halves(shorter, longer, 1 << half, words, first, last)


@compiled
def _note_slots(bits: Words, free: Ints, cards: int, first: int, last: int) -> bool:
    """Set the bits of the words from ``first`` to ``last``; whether one of them was another before."""
    changed = False
    for word in range(first, last + 1):
        found = np.uint64(0)
        for bit in range(min(BITS, free.size - word * BITS)):
            found |= np.uint64(free[word * BITS + bit] >= cards) << np.uint64(bit)
        changed = changed or bits[word] != found
        bits[word] = found
    return changed


@compiled
def _both_halves(shorter: Words, longer: Words, half: int, words: int, first: int, last: int) -> None:
    """A run is free where its first half is and the half that begins ``half`` slots later."""
    skipped, shift = half // BITS, np.uint64(half % BITS)
    for word in range(first, last + 1):
        later = np.uint64(0)
        if word + skipped < words:
            later = shorter[word + skipped] >> shift
        if shift > 0 and word + skipped + 1 < words:
            later |= shorter[word + skipped + 1] << (np.uint64(BITS) - shift)
        longer[word] = shorter[word] & later


@compiled
def may_open(openings: Words, row: int, cards: int, slots: int, earliest: int, deadline: int) -> bool:
    """Whether an offer may have so many cards free over so many slots between the two; ``False`` is sure."""
    level = min(LEVEL[min(cards, LEVEL.size - 1)], openings.shape[0] - 1)
    bits = openings[level, LEVEL[slots], row]
    last = deadline - slots
    for word in range(earliest // BITS, last // BITS + 1):
        found = bits[word]
        if word == earliest // BITS:
            found = found >> np.uint64(earliest % BITS) << np.uint64(earliest % BITS)
        if word == last // BITS:
            found <<= np.uint64(BITS - 1 - last % BITS)
        if found != 0:
            return True
    return False
