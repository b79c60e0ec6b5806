"""What the search would make of one want from a few offers, as a book has them left.

It is drafted with the moves of the search itself, so that several gangs and divisible work come together from
several offers just as in a run, at what their cards would cost now. A draft knows neither groups nor what
others can still bear: whoever asks for it looks at that exactly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from marketplace.engine.book import Book, Fill, Take
from marketplace.engine.columns import (
    NEVER,
    Demand,
    Supply,
    cells,
    demand,
    opened,
    powers,
    whole_lists,
)
from marketplace.engine.drafting import Guide, blank, guide
from marketplace.engine.facts import Ints
from marketplace.engine.openings import no_openings, note_openings
from marketplace.engine.placing import draft_best
from marketplace.engine.snapshot import MICRO
from marketplace.engine.want import Want

HIGHEST_WORTH = NEVER >> 1
"""What a want may be worth at most, in micro-units of the base currency, so that compiled code can add it."""


def composed(book: Book, want: Want, rows: Ints) -> Fill | None:
    """The fill that leaves the buyer most of its limit, of those that the search knows."""
    if not rows.size:
        return None
    supplied = _supply(book, want, rows)
    looked_at = _guide(supplied, _demand(book, want))
    draft = blank(looked_at)
    openings = no_openings(rows.size, book.facts.slots, int(supplied.free.max()))
    for row in range(rows.size):
        note_openings(openings, supplied.free, row, 0, supplied.free.shape[1])
    draft_best(looked_at, supplied.free, openings, draft, 0)
    if draft.found[0] < 0:
        return None
    takes = draft.takes[: draft.found[1]].tolist()
    return book.quote(want, [Take(int(rows[row]), *figures) for row, *figures in takes])


def _supply(book: Book, want: Want, rows: Ints) -> Supply:
    """The offers as they are left, a card at what it would cost its buyer."""
    facts, free = book.facts, book.free[rows]
    return Supply(
        free=free,
        cost=book.costs(rows, slice(0, facts.slots)) * facts.base[rows][:, None] // MICRO,
        lot=facts.lot[rows],
        minimum=facts.minimum[rows],
        size=free.max(axis=1) // facts.lot[rows] * facts.lot[rows],
        model=facts.model_number[rows],
        product=facts.product[rows],
        open=opened(facts, powers(facts, [want]), rows),
    )


def _demand(book: Book, want: Want) -> Demand:
    """One want, of which a unit is worth a micro-unit more, so that what just pays is drafted too."""
    demanded = demand(book.facts, [[_with_countable_limit(want)]], np.zeros(1, dtype=np.int64))
    return demanded._replace(worth=demanded.worth + demanded.amount)


def _with_countable_limit(want: Want) -> Want:
    alternative = want.alternative
    unit_hours = alternative.amount * alternative.duration * want.base
    countable = HIGHEST_WORTH * MICRO * want.scale // unit_hours
    return replace(want, alternative=replace(alternative, limit=min(alternative.limit, countable)))


def _guide(supplied: Supply, demanded: Demand) -> Guide:
    """The want may look in every offer that has a lot left."""
    rows = supplied.lot.size
    bits = np.full((1, -(-rows // 8)), 255, dtype=np.uint8)
    each = cells(supplied, np.arange(rows + 1))
    lists = whole_lists(supplied, demanded, bits, each)
    hopes = np.full(lists.cell.size, NEVER, dtype=np.int64)
    return guide(supplied, demanded, bits, each, lists, hopes, supplied.cost)
