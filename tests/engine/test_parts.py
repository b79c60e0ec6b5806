"""A market cleared part by part, anywhere and in any order, is the market cleared as a whole."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from marketplace.engine import Snapshot, clear, conclude, digest, parts, result_bytes, snapshot_bytes, solve
from marketplace.engine.snapshot import Choice, OwnerCap
from tests.engine.effort import markets
from tests.engine.markets import market, offer, request, site
from tests.engine.strategies import everything, snapshots, tiny


@given(snapshots() | tiny() | everything(snapshots()), st.randoms(use_true_random=False))
@markets(60)
def test_parts_solved_one_by_one_are_the_whole(snapshot: Snapshot, random: Random) -> None:
    seed = digest(snapshot_bytes(snapshot))
    solved = [solve(part, seed) for part in parts(snapshot)]
    random.shuffle(solved)
    assert result_bytes(conclude(snapshot, solved)) == result_bytes(clear(snapshot))


def _two_sites() -> Snapshot:
    """Two countries, and two requests that must not leave theirs."""
    sites = [site(1, jurisdiction="cn"), site(2, jurisdiction="de", zone="eu-central")]
    asked = [request(1, jurisdictions=("cn",)), request(2, jurisdictions=("de",))]
    return market([offer(1), offer(2, site=2)], asked, sites=sites)


def _requests_by_part(snapshot: Snapshot) -> list[list[int]]:
    return [[each.id for each in part.requests] for part in parts(snapshot)]


def test_requests_that_share_no_product_are_in_two_parts() -> None:
    assert _requests_by_part(_two_sites()) == [[1], [2]]


def test_a_request_that_may_use_both_joins_them() -> None:
    snapshot = _two_sites()
    free = request(3)
    assert _requests_by_part(replace(snapshot, requests=(*snapshot.requests, free))) == [[1, 2, 3]]


def test_a_choice_joins_what_it_ties_together() -> None:
    assert _requests_by_part(replace(_two_sites(), choices=(Choice(1, (1, 2), 1),))) == [[1, 2]]


def test_an_owner_cap_joins_what_the_buyer_asks_for_and_the_owner_sells() -> None:
    snapshot = _two_sites()
    cap = OwnerCap(snapshot.requests[0].buyer, snapshot.sites[1].owner, 100)
    assert _requests_by_part(replace(snapshot, owner_caps=(cap,))) == [[1, 2]]


def test_what_nothing_serves_is_in_no_part_and_is_told_so() -> None:
    snapshot = market([offer(1)], [request(1), request(2, jurisdictions=("de",))])
    assert _requests_by_part(snapshot) == [[1]]
    assert [each.outcome for each in clear(snapshot).explanations] == ["matched", "unmatched"]
