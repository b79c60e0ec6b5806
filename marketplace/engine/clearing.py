"""Clear a market: one pass in merit order, one uniform price per product and slot.

**Rules.** Requests are served in the order of ``merit``. Each takes the alternative and the
placement that fill most and, among those, leave it the largest gain (limit value minus payment)
at the prices that would then hold. The price of a product (model, zone, currency) in a slot is the
highest ask accepted there. A buyer pays the price of every card-hour it gets, whole lots included.

**Why nobody is hurt.** Let an accepted set be *sound* if (1) cards sold never exceed cards free,
(2) every price is the highest ask accepted in its product and slot, and (3) every buyer pays at
most its limit for what it fills. The empty set is sound. A placement is accepted only if the cards
are free over the whole run (1), the prices are raised to its asks where they are lower (2), its own
payment at those prices is within its limit, and no earlier buyer's rises exceed its headroom (3).
So the set stays sound. By (2) an owner gets at least its ask. Owners of a product are paid the
price that buyers pay, so payments balance in each currency without any rounding.

**Rounding.** Payments are exact in the offer's currency. Against a limit in another currency they
are converted rounded up (see ``want``), and the worth of an nP-hour is rounded down, both to the
buyer's favour. ``surplus`` is summed exactly and rounded down once.

**Cost.** One request takes time proportional to eligible offers times slots; nothing else grows
with the market but the headroom of the holders of the products it touches.
"""

from __future__ import annotations

from marketplace.engine import explanation, merit
from marketplace.engine.book import Book, Fill
from marketplace.engine.codec import canonical, digest, snapshot_bytes
from marketplace.engine.eligibility import Eligibility, Eligible
from marketplace.engine.facts import Facts
from marketplace.engine.result import Bound, OfferOutcome, Placement, Price, Result, Shadow
from marketplace.engine.search import find
from marketplace.engine.snapshot import MICRO, Request, Snapshot
from marketplace.engine.validation import check
from marketplace.engine.want import bases, wants

ENGINE_VERSION = "merit-1"
RESULT_FORMAT = 2


def clear(snapshot: Snapshot) -> Result:
    """Match the snapshot's requests with its offers.

    Depends on nothing but the snapshot, and not on the order of its rows. Raises
    ``MalformedSnapshot`` if the snapshot does not describe a market.
    """
    check(snapshot)
    run = _Run(canonical(snapshot))
    run.serve_all()
    return run.result()


class _Run:
    """One clearing: the book, what each request may use, and what it got."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._digest = digest(snapshot_bytes(snapshot))
        self._facts = Facts(snapshot)
        self._book = Book(self._facts)
        self._eligibility = Eligibility(self._facts)
        worth = bases(snapshot)
        self._wanted = {request.id: list(wants(request, worth)) for request in snapshot.requests}
        self._eligible: dict[int, list[Eligible]] = {}
        self._fills: dict[int, Fill] = {}

    def serve_all(self) -> None:
        order = merit.in_order(self._snapshot.requests, self._wanted, self._eligibility, self._digest)
        for request in order:
            self._serve(request)

    def _serve(self, request: Request) -> None:
        wanted = self._wanted[request.id]
        eligible = [self._eligibility.of(want) for want in wanted]
        self._eligible[request.id] = eligible
        fills = [find(self._book, want, able.rows) for want, able in zip(wanted, eligible, strict=True)]
        found = [fill for fill in fills if fill is not None]
        if found:
            best = max(found, key=_preference)
            self._book.accept(best)
            self._fills[request.id] = best

    def result(self) -> Result:
        explain = explanation.Explainer(self._book, self._eligibility)
        surplus = self._surplus()
        return Result(
            format=RESULT_FORMAT,
            engine=ENGINE_VERSION,
            snapshot=self._digest,
            surplus=surplus,
            objective=surplus,
            bound=self._bound(),
            repriced=0,
            placements=self._placements(),
            prices=self._prices(),
            explanations=tuple(
                explain(self._wanted[request.id], self._eligible[request.id], self._fills.get(request.id))
                for request in self._snapshot.requests
            ),
            offers=self._offers(),
        )

    def _placements(self) -> tuple[Placement, ...]:
        placements = (
            Placement(
                request=request,
                alternative=fill.want.alternative.position,
                offer=self._facts.offers[row].id,
                first_slot=fill.first_slot,
                slots=fill.want.alternative.duration,
                cards=cards,
            )
            for request, fill in self._fills.items()
            for row, cards in fill.takes
        )
        return tuple(sorted(placements, key=lambda each: (each.request, each.offer)))

    def _prices(self) -> tuple[Price, ...]:
        prices = [
            Price(model, zone, int(slot), currency, int(self._book.price[product, slot]))
            for product, (model, zone, currency) in enumerate(self._facts.products)
            for slot in self._book.sold[product].nonzero()[0]
        ]
        return tuple(sorted(prices, key=lambda each: (each.model, each.zone, each.slot, each.currency)))

    def _offers(self) -> tuple[OfferOutcome, ...]:
        free = self._facts.free.sum(axis=1)
        left = self._book.free.sum(axis=1)
        rows = (self._facts.row_of[offer.id] for offer in self._snapshot.offers)
        return tuple(
            OfferOutcome(self._facts.offers[row].id, int(free[row]), int(free[row] - left[row]), None)
            for row in rows
        )

    def _bound(self) -> Bound:
        """At shadow prices of nought no request can gain more than all it is worth."""
        best = (max(want.worth(want.amount) for want in wanted) for wanted in self._wanted.values())
        offers = tuple(offer.id for offer in self._snapshot.offers)
        return Bound(-(-sum(best) // MICRO), (Shadow(offers, (0,) * self._facts.slots),) if offers else ())

    def _surplus(self) -> int:
        """Limit value less ask cost of what is matched: micro-units of the base currency."""
        return sum(fill.worth - self._ask_cost(fill) for fill in self._fills.values()) // MICRO

    def _ask_cost(self, fill: Fill) -> int:
        span = slice(fill.first_slot, fill.first_slot + fill.want.alternative.duration)
        return sum(
            int(self._facts.asks[row, span].sum()) * cards * int(self._facts.base[row])
            for row, cards in fill.takes
        )


def _preference(fill: Fill) -> tuple[int, int, int]:
    """The fuller fill, then the one that leaves more of its limit, then the earlier alternative."""
    share = fill.filled * MICRO // fill.want.amount
    return share, fill.gain, -fill.want.alternative.position
