"""Clear a market: shadow prices, a search for placements, and uniform prices that hurt nobody.

1. *Bound*: shadow prices under which no placement could be better than a bound (``bounding``).
2. *Search*: placements guided by those prices (``hunt``); sound but for prices, limits and groups.
3. *Acceptance*: the placements one by one, those with the highest surplus first, into the exact book
   (``book``, ``groups``). One that would raise a price beyond an accepted buyer's limit, or its own, or
   break a group, is given up.
4. *Rest*: who was given up or found no place is served from what is left, in the order of ``merit``.
5. *Prices*: uniform by product and slot, between what owners asked and what buyers bear (``pricing``,
   ``middle``).
6. *Explanations*.

Steps 1 to 4 (``solving``) look at each part of the market that has nothing to do with the others
(``components``) on its own; ``clear`` does so in threads, and others may do it in processes: ``parts``,
``solve`` and ``conclude`` are the same steps by hand, with the same bytes as ``clear``.

**Why nobody is hurt.** Let an accepted set be *sound* if (1) cards sold never exceed cards free,
(2) every floor price is the highest ask accepted in its product and slot, and (3) every buyer pays at
most its limit at floor prices. The empty set is sound. A placement is accepted only if the cards are
free over the whole run (1), the floors are raised to its asks where they are lower (2), its own payment
at those floors is within its limit, and no earlier buyer's rises exceed its headroom (3). So the set
stays sound. Clearing prices are at least the floors, so an owner gets at least its ask; and they rise
above them only as far as every buyer stays within its limit. Owners of a product are paid the price
that buyers pay, so payments balance in each currency without any rounding.

**Rounding.** Payments are exact in the offer's currency. Against a limit in another currency they
are converted rounded up (see ``want``), and the worth of an nP-hour is rounded down, both to the
buyer's favour. ``surplus`` is summed exactly and rounded down once.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import numpy as np

from marketplace.engine import solving
from marketplace.engine.book import Book, Fill, Take
from marketplace.engine.codec import canonical, digest, snapshot_bytes
from marketplace.engine.components import components
from marketplace.engine.explanation import Cleared, explanations, offer_outcomes
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.market import Market
from marketplace.engine.middle import middle
from marketplace.engine.pricing import dearest_prices
from marketplace.engine.result import Bound, Placement, Price, Result, Shadow
from marketplace.engine.snapshot import MICRO, Snapshot
from marketplace.engine.solving import Solved
from marketplace.engine.validation import check

ENGINE_VERSION = "dual-6"
RESULT_FORMAT = 2

THREADS = 2
"""Parts cleared at a time. They have nothing to do with each other, so this changes only the time."""


def clear(snapshot: Snapshot) -> Result:
    """Match the snapshot's requests with its offers.

    Depends on nothing but the snapshot, and not on the order of its rows. Raises
    ``MalformedSnapshot`` if the snapshot does not describe a market.
    """
    market = _prepared(snapshot)
    with ThreadPoolExecutor(THREADS) as pool:
        solved = list(pool.map(solving.solve, _parts(market)))
    return _concluded(market, solved)


def parts(snapshot: Snapshot) -> tuple[Snapshot, ...]:
    """The parts of the market that may be solved on their own. Raises ``MalformedSnapshot``."""
    return tuple(part.snapshot for part in _parts(_prepared(snapshot)))


def solve(part: Snapshot, seed: str) -> Solved:
    """Solve one of ``parts``; ``seed`` is the digest of the whole snapshot."""
    return solving.solve(Market(part, seed))


def conclude(snapshot: Snapshot, solved: Iterable[Solved]) -> Result:
    """What ``clear`` returns, of what ``solve`` said of all parts in any order."""
    return _concluded(_prepared(snapshot), solved)


def _prepared(snapshot: Snapshot) -> Market:
    check(snapshot)
    return Market(canonical(snapshot), digest(snapshot_bytes(snapshot)))


def _parts(market: Market) -> list[Market]:
    found = components(market)
    if len(found) == 1 and len(found[0].requests) == len(market.snapshot.requests):
        return [market]
    return [Market(part, market.seed) for part in found]


def _concluded(market: Market, solved: Iterable[Solved]) -> Result:
    solved = list(solved)
    fills, book = _book_of(market, [each for part in solved for each in part.placements])
    bound = _whole_bound(market, [part.bound for part in solved])
    prices = _prices(market, book, fills, bound)
    cleared = Cleared(market.snapshot, book, market.eligibility, market.wanted, fills, prices)
    surplus, emission = _surplus(market.facts, fills), _emission(market.facts, fills)
    return Result(
        format=RESULT_FORMAT,
        engine=ENGINE_VERSION,
        snapshot=market.seed,
        surplus=surplus // MICRO,
        objective=(surplus - emission) // MICRO,
        bound=bound,
        repriced=sum(len(part.given_up) for part in solved),
        placements=tuple(solving.placements(market.facts, fills)),
        prices=_price_rows(market.facts, book, prices),
        explanations=explanations(cleared),
        offers=offer_outcomes(cleared),
    )


def _book_of(market: Market, placements: list[Placement]) -> tuple[dict[int, Fill], Book]:
    """The fills by request, and the book in which all of them are accepted."""
    book = Book(market.snapshot, market.facts)
    fills: dict[int, Fill] = {}
    row_of = market.facts.row_of
    for request, own in groupby(sorted(placements, key=_request), _request):
        rows = list(own)
        want = next(
            want for want in market.wanted[request] if want.alternative.position == rows[0].alternative
        )
        takes = (Take(row_of[each.offer], each.cards, each.first_slot, each.slots) for each in rows)
        fills[request] = book.quote(want, takes)
        book.accept(fills[request])
    return fills, book


def _request(placement: Placement) -> int:
    return placement.request


def _whole_bound(market: Market, bounds: list[Bound]) -> Bound:
    """Bounds add up. A shadow price of nothing proves that offers that nobody may use gain nothing."""
    priced = {offer for bound in bounds for shadow in bound.shadows for offer in shadow.offers}
    nought = (0,) * market.snapshot.slots
    unused = [Shadow((offer.id,), nought) for offer in market.snapshot.offers if offer.id not in priced]
    shadows = [*unused, *(shadow for bound in bounds for shadow in bound.shadows)]
    return Bound(
        sum(bound.value for bound in bounds), tuple(sorted(shadows, key=lambda shadow: shadow.offers))
    )


def _prices(market: Market, book: Book, fills: dict[int, Fill], bound: Bound) -> Ints:
    """The clearing prices by (product, slot); of what is not sold, 0."""
    facts, requests = market.facts, market.snapshot.requests
    waiting = np.array([each.id not in fills for each in requests], dtype=np.bool_).nonzero()[0]
    dearest = dearest_prices(book, _shadow_prices(facts, bound))
    if not waiting.size or not fills:
        waiting = waiting[:0]
    return middle(market, waiting, book.price, dearest)


def _shadow_prices(facts: Facts, bound: Bound) -> Ints:
    """The highest shadow price of each product and slot, in micro-units of the product's currency."""
    highest = np.zeros((len(facts.products), facts.slots), dtype=np.int64)
    for shadow in bound.shadows:
        product = int(facts.product[facts.row_of[shadow.offers[0]]])
        np.maximum(highest[product], shadow.prices, out=highest[product])
    return highest * MICRO // np.array(facts.product_base, dtype=np.int64)[:, None]


def _price_rows(facts: Facts, book: Book, table: Ints) -> tuple[Price, ...]:
    rows = [
        Price(model, zone, int(slot), currency, int(table[product, slot]))
        for product, (model, zone, currency) in enumerate(facts.products)
        for slot in book.sold[product].nonzero()[0]
    ]
    return tuple(sorted(rows, key=lambda each: (each.model, each.zone, each.slot, each.currency)))


def _surplus(facts: Facts, fills: dict[int, Fill]) -> int:
    """Limit value less ask cost of what is matched, in pico."""
    asked = sum(
        int(facts.asks[take.row, take.span].sum()) * take.cards * int(facts.base[take.row])
        for fill in fills.values()
        for take in fill.takes
    )
    return sum(fill.worth for fill in fills.values()) - asked


def _emission(facts: Facts, fills: dict[int, Fill]) -> int:
    """What the carbon of everything matched counts, in pico."""
    return sum(
        int(facts.emission[take.row, take.span].sum()) * take.cards
        for fill in fills.values()
        for take in fill.takes
    )
