"""Budgets, choices, owner caps and power caps as arrays, for the search.

A budget counts what a request's cards cost their owners, the least that it may have to pay; whether it is
kept at the real prices is looked at when placements are accepted (see ``book``). The other groups are exact
here as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from marketplace.engine.columns import NEVER
from marketplace.engine.facts import Facts, Ints
from marketplace.engine.snapshot import MICRO, Snapshot
from marketplace.engine.want import bases

BUDGET, CHOICE, OWNER_CAP = range(3)

TIE, CAPPED = range(2)
"""Columns of ``Ties.kinds``: which of the three, and the number of the owner that a cap is about, or -1."""

OWNER, SITE, PLACE, WATTS = range(4)
"""Columns of ``Ties.offers``: numbers of the owner and, if it has a power cap, of the site (else -1), the
place among all offers of such sites, and what a card draws."""


class Ties(NamedTuple):
    """What ties requests, and offers, to each other.

    Budgets, choices and owner caps are numbered together. ``left`` is what each of them allows: micro-units
    of the base currency, requests, card-hours. ``of[first[r]]`` to before ``of[first[r + 1]]`` are those of
    request r, ``member`` by ``member_first`` the requests of each. ``owned`` by ``owned_first`` are the rows
    of each owner, ``housed`` by ``housed_first`` those of each site with a power cap, ``power`` (sites,
    slots) is the cap.
    """

    kinds: Ints
    left: Ints
    first: Ints
    of: Ints
    member_first: Ints
    member: Ints
    offers: Ints
    owned_first: Ints
    owned: Ints
    housed_first: Ints
    housed: Ints
    power: Ints


def ties(snapshot: Snapshot, facts: Facts) -> Ties:
    """Requests are numbered as in ``snapshot``, offers as in ``facts``."""
    owners = {owner: number for number, owner in enumerate(sorted({site.owner for site in facts.sites}))}
    tied = list(_tied(snapshot, owners))
    members = [row[-1] for row in tied]
    number = {request.id: index for index, request in enumerate(snapshot.requests)}
    member_first, member = _lists([number[request] for request in own] for own in members)
    first, of = _turned(member_first, member, len(snapshot.requests))
    owner = _column(owners[site.owner] for site in facts.sites)
    owned_first, owned = _turned(np.arange(owner.size + 1), owner, len(owners))
    capped = [each for each in snapshot.sites if each.power_cap]
    sites = {each.id: index for index, each in enumerate(capped)}
    site = _column(sites.get(each.id, -1) for each in facts.sites)
    inside = np.flatnonzero(site >= 0)
    housed_first, housed = _turned(np.arange(inside.size + 1), site[inside], len(sites))
    housed = inside[housed]
    place = np.full(site.size, -1, dtype=np.int64)
    place[housed] = np.arange(housed.size)
    watts = _column(model.power or 0 for model in facts.models)
    return Ties(
        kinds=_column(each for row in tied for each in row[:2]).reshape(-1, 2),
        left=_column(min(row[2], NEVER) for row in tied),
        first=first,
        of=of,
        member_first=member_first,
        member=member,
        offers=np.stack((owner, site, place, watts), axis=1),
        owned_first=owned_first,
        owned=owned,
        housed_first=housed_first,
        housed=housed,
        power=_column(watts for each in capped for watts in each.power_cap).reshape(-1, snapshot.slots),
    )


def _tied(snapshot: Snapshot, owners: dict[int, int]) -> Iterator[tuple[int, int, int, Iterable[int]]]:
    """Kind, the owner that it is about, what is allowed, and the requests."""
    worth = bases(snapshot)
    for budget in snapshot.budgets:
        yield BUDGET, -1, budget.amount * worth[budget.currency] // MICRO, budget.requests
    for choice in snapshot.choices:
        yield CHOICE, -1, choice.most, choice.requests
    for cap in snapshot.owner_caps:
        if cap.owner in owners:
            buys = (request.id for request in snapshot.requests if request.buyer == cap.buyer)
            yield OWNER_CAP, owners[cap.owner], cap.card_hours, buys


def _lists(lists: Iterable[list[int]]) -> tuple[Ints, Ints]:
    """Lists behind each other, and where each begins."""
    rows = list(lists)
    first = np.cumsum([0, *(len(row) for row in rows)])
    return first.astype(np.int64), _column(each for row in rows for each in row)


def _turned(first: Ints, of: Ints, count: int) -> tuple[Ints, Ints]:
    """For each of ``count`` things the lists that it is in."""
    lists = np.repeat(np.arange(first.size - 1), np.diff(first))
    order = np.argsort(of, kind="stable")
    counts = np.bincount(of, minlength=count)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), lists[order].astype(np.int64)


def _column(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)
