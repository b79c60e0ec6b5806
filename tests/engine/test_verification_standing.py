"""The verifier asks a requirement twice, in plain words and of all offers at once: the answers agree."""

from __future__ import annotations

from itertools import product

from hypothesis import given

from marketplace.engine import Snapshot
from marketplace.engine.verification.delivery import standing
from marketplace.engine.verification.fitting import requests_that_fit
from marketplace.engine.verification.market import Market
from tests.engine.brute import Tiny
from tests.engine.effort import markets
from tests.engine.markets import national
from tests.engine.records import fits
from tests.engine.strategies import everything, snapshots, with_hours


def agree(snapshot: Snapshot) -> set[bool]:
    """The answers that were given, all of them twice and a third time by the slow optimum."""
    market, tiny, given_answers = Market(snapshot), Tiny(snapshot), set()
    for request in snapshot.requests:
        for wanted in request.alternatives:
            at_once = market.columns.meeting(wanted).tolist()
            for offer, answer in zip(snapshot.offers, at_once, strict=True):
                assert answer == all(met for _, met in standing(market, wanted, offer))
                assert answer == tiny.suits(wanted, offer)
                given_answers.add(answer)
    return given_answers


def test_on_a_market_with_every_requirement() -> None:
    assert agree(national(11, offers=60, requests=150, slots=24)) == {True, False}


@given(with_hours(everything(snapshots())))
@markets(100)
def test_on_small_markets_full_of_unknown_facts(snapshot: Snapshot) -> None:
    agree(snapshot)


@given(with_hours(everything(snapshots())))
@markets(100)
def test_what_fits_is_found_as_the_slow_way_finds_it(snapshot: Snapshot) -> None:
    market, tiny = Market(snapshot), Tiny(snapshot)
    slowly = {request.id for request in snapshot.requests if fits(tiny, request)}
    assert requests_that_fit(market, list(snapshot.requests)) == slowly


def test_what_fits_on_a_large_market() -> None:
    """So many offers that not all are looked at, and so long that few have cards for long enough."""
    snapshot = national(12, offers=150, requests=120, slots=48)
    market, tiny = Market(snapshot), Tiny(snapshot)
    slowly = {request.id for request in snapshot.requests if fits(tiny, request)}
    assert requests_that_fit(market, list(snapshot.requests)) == slowly
    assert 0 < len(slowly) < len(snapshot.requests)


def test_rates_agree() -> None:
    snapshot = national(13, offers=20, requests=60, slots=24)
    market = Market(snapshot)
    wanted = [each for request in snapshot.requests for each in request.alternatives]
    rows = [market.columns.row[offer.id] for offer in snapshot.offers]
    for each, (offer, row) in product(wanted, zip(snapshot.offers, rows, strict=True)):
        assert (market.rate(each, offer) or 0) == market.columns.rates(each, [row])[0]
