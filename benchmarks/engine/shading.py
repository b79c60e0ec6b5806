"""How owners and buyers fare when one of them reports another price than its true one.

An owner's *profit* is the clearing prices less its true asks over the card-hours that it sells. A buyer's is
what its fills are worth at its true limits, less what it pays. Both in units of the base currency.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from benchmarks.engine.market import BASE_UNIT
from benchmarks.engine.score import Scorer
from marketplace.engine import Placement, Result, Snapshot, clear

SHADES = (-20, -10, -5, 5, 10, 20)
"""Per cent added to every ask of the owner, or to every limit of the buyer."""

PER_CENT = 100


@dataclass(frozen=True, slots=True)
class Account:
    """``turnover`` is what an owner receives or a buyer pays."""

    profit: float
    turnover: float


NOTHING = Account(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Side:
    """Owners or buyers: who they are, what one of them reports otherwise, and how they fare."""

    name: str
    members: Callable[[Snapshot], Iterable[int]]
    shaded: Callable[[Snapshot, int, int], Snapshot]
    accounts: Callable[[Snapshot, Result], Mapping[int, Account]]


def owner_accounts(true: Snapshot, result: Result) -> dict[int, Account]:
    """Of every owner that sells, at the asks of ``true``."""
    scorer, prices = Scorer(true), Prices(true, result)
    owner = {site.id: site.owner for site in true.sites}
    accounts: dict[int, Account] = defaultdict(lambda: NOTHING)
    for placement in result.placements:
        received = prices.of(placement)
        seller = owner[scorer.offers[placement.offer].site]
        accounts[seller] = _plus(accounts[seller], received - scorer.cost(placement), received)
    return dict(accounts)


def buyer_accounts(true: Snapshot, result: Result) -> dict[int, Account]:
    """Of every buyer that gets something, at the limits of ``true``."""
    scorer, prices = Scorer(true), Prices(true, result)
    groups: dict[int, list[Placement]] = defaultdict(list)
    for placement in result.placements:
        groups[placement.request].append(placement)
    accounts: dict[int, Account] = defaultdict(lambda: NOTHING)
    for identity, group in groups.items():
        request, wanted = scorer.requests[identity], scorer.chosen(group)
        paid = sum(map(prices.of, group))
        worth = scorer.worth(request, wanted, scorer.filled(wanted, group))
        accounts[request.buyer] = _plus(accounts[request.buyer], worth - paid, paid)
    return dict(accounts)


class Prices:
    """What placements cost at the clearing prices, in pico of the base currency."""

    def __init__(self, snapshot: Snapshot, result: Result) -> None:
        self._prices = {
            (each.model, each.zone, each.currency, each.slot): each.price for each in result.prices
        }
        self._offers = {offer.id: offer for offer in snapshot.offers}
        self._sites = {site.id: site for site in snapshot.sites}
        self._base = {currency.code: currency.base_micro for currency in snapshot.currencies}

    def of(self, placement: Placement) -> int:
        offer = self._offers[placement.offer]
        site = self._sites[offer.site]
        run = range(placement.first_slot, placement.first_slot + placement.slots)
        hourly = sum(self._prices[offer.model, site.zone, site.currency, slot] for slot in run)
        return hourly * placement.cards * self._base[site.currency]


def shaded_asks(snapshot: Snapshot, owner: int, shade: int) -> Snapshot:
    own = {site.id for site in snapshot.sites if site.owner == owner}
    offers = tuple(
        replace(offer, asks=tuple(_shaded(ask, shade) for ask in offer.asks)) if offer.site in own else offer
        for offer in snapshot.offers
    )
    return replace(snapshot, offers=offers)


def shaded_limits(snapshot: Snapshot, buyer: int, shade: int) -> Snapshot:
    requests = tuple(
        replace(
            request,
            alternatives=tuple(replace(one, limit=_shaded(one.limit, shade)) for one in request.alternatives),
        )
        if request.buyer == buyer
        else request
        for request in snapshot.requests
    )
    return replace(snapshot, requests=requests)


def sellers(snapshot: Snapshot) -> set[int]:
    owner = {site.id: site.owner for site in snapshot.sites}
    return {owner[offer.site] for offer in snapshot.offers}


def buyers(snapshot: Snapshot) -> set[int]:
    return {request.buyer for request in snapshot.requests}


SIDES = (
    Side("owners", sellers, shaded_asks, owner_accounts),
    Side("buyers", buyers, shaded_limits, buyer_accounts),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """How one member fares when truthful, and by every shade."""

    truthful: Account
    shaded: Mapping[int, Account]

    def gain(self, shade: int | None) -> float:
        """With ``None`` the best of all shades, and of the truth."""
        if shade is None:
            return max(0.0, *(self.gain(each) for each in self.shaded))
        return self.shaded[shade].profit - self.truthful.profit


def trials(snapshot: Snapshot, truth: Result, side: Side, sample: int, seed: int) -> list[Trial]:
    """One clearing for every sampled member and shade."""
    members = sorted(side.members(snapshot))
    chosen = random.Random(seed).sample(members, min(sample, len(members)))  # noqa: S311 - a sample, not a secret
    truthful = side.accounts(snapshot, truth)
    found = []
    for place, member in enumerate(chosen, start=1):
        print(f"{side.name}: {place} of {len(chosen)}", file=sys.stderr, flush=True)
        shaded = {
            shade: side.accounts(snapshot, clear(side.shaded(snapshot, member, shade))).get(member, NOTHING)
            for shade in SHADES
        }
        found.append(Trial(truthful.get(member, NOTHING), shaded))
    return found


def _shaded(price: int, shade: int) -> int:
    return price * (PER_CENT + shade) // PER_CENT


def _plus(account: Account, profit: int, turnover: int) -> Account:
    return Account(account.profit + profit / BASE_UNIT, account.turnover + turnover / BASE_UNIT)
