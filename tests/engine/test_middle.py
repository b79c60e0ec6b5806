"""Where prices come to rest between the floors and the dearest that buyers bear: here 10 and 30."""

from __future__ import annotations

import numpy as np
import pytest

from marketplace.engine import Request, Snapshot, canonical
from marketplace.engine.market import Market
from marketplace.engine.middle import middle
from tests.engine.markets import market, money, offer, request

FLOOR, DEAREST = money(10), money(30)


def _prices(*refused: Request) -> list[int]:
    """The price of each product in the first hour, if only these are refused."""
    offers = [offer(1), offer(2, model="h800")]
    return _at_rest(market(offers, list(refused)))


def _at_rest(snapshot: Snapshot) -> list[int]:
    prepared = Market(canonical(snapshot), "0" * 64)
    shape = len(prepared.facts.products), prepared.facts.slots
    waiting = np.arange(len(snapshot.requests))
    found = middle(prepared, waiting, np.full(shape, FLOOR), np.full(shape, DEAREST))
    assert (found == found[:, :1]).all()
    return [int(price) for price in found[:, 0]]


def _refused(limit: float) -> Request:
    return request(1, amount=8, duration=2, limit=limit, models=("ascend-910b",))


def test_where_nobody_is_refused_it_is_the_middle() -> None:
    assert _prices() == [money(20), money(20)]


@pytest.mark.parametrize(("limit", "price"), [(20, 25), (10, 20), (5, 20), (25, 27.5), (30, 30), (50, 30)])
def test_prices_come_down_half_as_far_as_the_refused_let_them(limit: float, price: float) -> None:
    """At the limit of who is refused it gains nothing; who would gain even at 30 lets nothing come down."""
    assert _prices(_refused(limit)) == [money(price), money(20)]


def test_the_one_who_would_gain_first_decides() -> None:
    both = _refused(20), request(2, amount=4, duration=1, limit=22, models=("ascend-910b",))
    assert abs(_prices(*both)[0] - money(26)) <= (DEAREST - FLOOR) // 1024


def test_who_would_forgo_more_at_another_product_decides_nothing_here() -> None:
    """It would gain 20 a card-hour at either product, at 30; neither may come down."""
    anywhere = request(1, amount=8, duration=2, limit=50, models=("ascend-910b", "h800"))
    assert _prices(anywhere) == [money(30), money(30)]


def test_work_that_no_offer_has_cards_for_decides_nothing() -> None:
    assert _prices(request(1, amount=9, duration=2, limit=20)) == [money(20), money(20)]
