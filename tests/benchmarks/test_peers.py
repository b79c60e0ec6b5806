"""What the peers decide can be delivered, and the bounds are above all of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from benchmarks.engine import bounds, placing, program
from benchmarks.engine.columns import Columns, TooManyColumns, columns
from benchmarks.engine.fills import Fill, fill, placements
from benchmarks.engine.generate import generate
from benchmarks.engine.instances import SIZES, Regime
from benchmarks.engine.market import BASE_UNIT, Market
from benchmarks.engine.peers import OURS, Outcome, measure
from benchmarks.engine.runset import run_peer
from benchmarks.engine.score import Scorer, score
from benchmarks.engine.snapshots import stored
from marketplace.engine import MICRO, Placement, Snapshot, clear

HEURISTICS = (placing.first_come, placing.greedy)


def market(regime: Regime, seed: int = 1) -> Snapshot:
    return generate(SIZES["tiny"], regime, seed)


def all_columns(snapshot: Snapshot) -> tuple[Market, Columns]:
    read = Market(snapshot)
    return read, columns(read, 1_000_000)


def surplus(snapshot: Snapshot, fills: list[Fill]) -> float:
    return score(snapshot, placements(snapshot, fills)).surplus / MICRO


@pytest.mark.parametrize("regime", Regime)
@pytest.mark.parametrize("place", HEURISTICS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_placed_at_posted_asks_can_be_delivered_and_paid(regime, place, seed) -> None:
    snapshot = market(regime, seed)
    scored = score(snapshot, placements(snapshot, place(snapshot)))
    assert scored.problems == ()
    assert scored.matched > 0


@pytest.mark.parametrize("place", HEURISTICS)
def test_placements_do_not_depend_on_the_run(place) -> None:
    assert place(market(Regime.TIGHT)) == place(market(Regime.TIGHT))


def test_a_fill_is_worth_what_the_score_counts() -> None:
    snapshot = market(Regime.TIGHT)
    for each in placing.greedy(snapshot):
        alone = score(snapshot, placements(snapshot, [each]))
        assert alone.surplus == each.gain // MICRO


def test_first_come_serves_the_first_as_early_as_can_be() -> None:
    snapshot = market(Regime.TIGHT)
    first = min(snapshot.requests, key=lambda request: request.entered)
    alone = replace(snapshot, requests=(first,))
    later = replace(first, id=10_000, entered=10_000)
    together = replace(snapshot, requests=(later, first))
    (expected,) = placing.first_come(alone)
    assert placing.first_come(together)[0] == expected


@pytest.mark.parametrize(
    ("place", "rank"),
    [
        (placing.greedy, lambda each: -each.gain),
        (placing.first_come, lambda each: (each.first_slot, -each.gain)),
    ],
)
def test_one_request_alone_gets_the_best_of_all_single_offers(place, rank) -> None:
    snapshot = market(Regime.SLACK)
    read = Market(snapshot)
    served = 0
    for request in snapshot.requests:
        wanted = read.wants(request)
        if len(wanted) > 1 or not wanted[0].whole:
            continue
        found = place(replace(snapshot, requests=(request,)))
        allowed = [each for each in _single_fills(read, wanted[0]) if each.allowed]
        assert list(map(rank, found)) == sorted(map(rank, allowed))[:1]
        served += len(found)
    assert served > 5


def test_eligibility_by_arrays_is_what_the_score_says_of_each_pair() -> None:
    snapshot = market(Regime.TIGHT)
    read, scorer = Market(snapshot), Scorer(snapshot)
    for request in snapshot.requests:
        for want in read.wants(request):
            wanted, fitting = want.alternative, set(read.eligible(want).tolist())
            for column, offer in enumerate(snapshot.offers):
                end = min(offer.first_slot + len(offer.free), wanted.deadline)
                in_time = end - max(offer.first_slot, wanted.earliest) >= wanted.duration
                long_enough = offer.minimum_duration <= wanted.duration
                meets_all = not list(scorer.missing(wanted, offer))
                assert (column in fitting) == (in_time and long_enough and meets_all)


def test_the_score_of_our_result_is_its_own_surplus() -> None:
    snapshot = market(Regime.TIGHT)
    result = clear(snapshot)
    scored = score(snapshot, result.placements)
    assert scored.problems == ()
    assert scored.surplus == result.surplus
    assert scored.card_hours == sum(each.sold for each in result.offers)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda one: replace(one, cards=10_000), "sells"),
        (lambda one: replace(one, slots=one.slots + 1), "runs from slot"),
        (lambda one: replace(one, first_slot=one.first_slot + 100), "runs from slot"),
        (lambda one: replace(one, cards=0), "gets less than it accepts"),
    ],
)
def test_the_score_sees_what_cannot_be_delivered(change, complaint) -> None:
    snapshot = market(Regime.TIGHT)
    first, *rest = placements(snapshot, placing.greedy(snapshot))
    problems = score(snapshot, [change(first), *rest]).problems
    assert any(complaint in problem for problem in problems)


def test_an_offer_that_does_not_meet_the_requirements_is_a_problem() -> None:
    snapshot = market(Regime.TIGHT)
    placed = placements(snapshot, placing.greedy(snapshot))
    strict = tuple(
        replace(each, alternatives=tuple(replace(one, verification=99) for one in each.alternatives))
        for each in snapshot.requests
    )
    problems = score(replace(snapshot, requests=strict), placed).problems
    assert any("verification" in problem for problem in problems)


def test_a_buyer_over_its_limit_is_a_problem() -> None:
    snapshot = market(Regime.TIGHT)
    placed = placements(snapshot, placing.greedy(snapshot))
    broke = tuple(
        replace(each, alternatives=tuple(replace(one, limit=1) for one in each.alternatives))
        for each in snapshot.requests
    )
    problems = score(replace(snapshot, requests=broke), placed).problems
    assert any("over its limit" in problem for problem in problems)


def test_lots_that_nobody_needs_are_given_back() -> None:
    snapshot = market(Regime.TIGHT)
    read = Market(snapshot)
    full = [each for each in placing.greedy(snapshot) if each.filled == each.want.amount]
    assert full
    for each in full:
        last, _ = each.takes[-1]
        idle = (last, 3 * int(read.lot[last]))
        assert fill(read, each.want, each.first_slot, [*each.takes, idle]) == each


@pytest.mark.parametrize("regime", Regime)
def test_any_prices_give_a_bound_above_every_placement(regime: Regime) -> None:
    snapshot = market(regime)
    read, found = all_columns(snapshot)
    most = max(score(snapshot, each).surplus for each in _all_placements(snapshot)) / MICRO
    dice = np.random.default_rng(1)
    for scale in (0.0, 0.1, 1.0, 10.0):
        prices = dice.random(read.free.shape) * scale
        assert bounds.bound(found, read.free, prices) >= most


def test_descent_lowers_the_bound_and_stays_above_every_placement() -> None:
    snapshot = market(Regime.TIGHT)
    read, found = all_columns(snapshot)
    most = max(score(snapshot, each).surplus for each in _all_placements(snapshot)) / MICRO
    reached = bounds.descend(found, read.free, most, until=process_time() + 2)
    assert most <= reached.bound < bounds.bound(found, read.free, np.zeros(read.free.shape))


@pytest.mark.parametrize("regime", Regime)
def test_the_integer_programme_holds_what_greedy_placed_and_counts_it_alike(regime: Regime) -> None:
    snapshot = market(regime)
    served = placing.greedy(snapshot)
    read, found = all_columns(snapshot)
    integer = program.IntegerProgram(read, found)
    values = integer.values(served)
    inner = integer.program
    used = np.bincount(
        inner.entries.row,
        weights=inner.entries.value * values[inner.entries.column],
        minlength=inner.limits.size,
    )
    assert (used <= inner.limits + 1e-6).all()
    assert (values <= inner.upper + 1e-9).all()
    assert float(inner.gain @ values) == pytest.approx(
        sum(each.gain for each in served) / BASE_UNIT, rel=1e-6
    )
    assert surplus(snapshot, integer.fills(values)) == pytest.approx(surplus(snapshot, served))


def test_more_columns_than_a_solver_can_take_are_refused_early() -> None:
    with pytest.raises(TooManyColumns, match="more than 10 columns"):
        columns(Market(market(Regime.SLACK)), 10)


def test_what_the_peers_do_not_know_is_refused() -> None:
    snapshot = market(Regime.TIGHT)
    with pytest.raises(ValueError, match="carbon price"):
        Market(replace(snapshot, carbon_price=1))
    first, *rest = snapshot.requests
    divisible = tuple(replace(one, gangs=0, divisible=True) for one in first.alternatives)
    with pytest.raises(ValueError, match=f"request {first.id}"):
        Market(replace(snapshot, requests=(replace(first, alternatives=divisible), *rest)))


def test_ours_is_cleared_verified_and_has_its_own_bound() -> None:
    outcome = measure(OURS, market(Regime.TIGHT), 1)
    assert outcome.surplus is not None
    assert outcome.bound is not None
    assert outcome.surplus <= outcome.bound
    assert None not in (outcome.work, outcome.warm_up, outcome.verify)


def test_a_peer_without_its_solver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    outcome = measure("lp", market(Regime.TIGHT), 1)
    assert outcome == Outcome("lp", note="not run: highspy is not installed (dependency group bench)")


@pytest.fixture(scope="module")
def stored_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored("tiny", Regime.TIGHT, 1, tmp_path_factory.mktemp("markets"))


@pytest.fixture
def started_from() -> float:
    snapshot = market(Regime.TIGHT)
    return surplus(snapshot, placing.greedy(snapshot))


# Solvers run in processes of their own: highspy and OR-Tools clash in one.
@pytest.mark.parametrize("peer", ["milp", "priced-milp"])
def test_highs_places_no_less_than_it_started_from(peer: str, stored_market: Path, started_from) -> None:
    pytest.importorskip("highspy")
    outcome = run_peer(peer, stored_market, 2)
    assert outcome.surplus >= started_from - 0.01
    if outcome.bound is not None:
        assert outcome.bound >= outcome.surplus


def test_cp_sat_places_no_less_than_it_started_from(stored_market: Path, started_from) -> None:
    pytest.importorskip("ortools")
    outcome = run_peer("cp-sat", stored_market, 2)
    assert outcome.surplus >= started_from - 0.01
    assert outcome.bound >= outcome.surplus


def test_highs_relaxation_is_near_the_descent_and_above_what_is_placed(stored_market, started_from) -> None:
    pytest.importorskip("highspy")
    read, found = all_columns(market(Regime.TIGHT))
    descended = bounds.descend(found, read.free, started_from, until=process_time() + 4)
    relaxed = run_peer("lp", stored_market, 20)
    assert "optimal" in relaxed.note
    assert relaxed.bound == pytest.approx(descended.bound, rel=0.02)
    assert relaxed.bound >= started_from


def test_a_peer_that_breaks_says_why(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.json"
    nonsense.write_text("{}")
    assert "missing required field" in run_peer("greedy", nonsense, 1).note


def _single_fills(read: Market, want) -> list[Fill]:
    """A whole gang on every offer from every first slot, where the cards are free."""
    one, fills = want.alternative, []
    starts = range(one.earliest, one.deadline - one.duration + 1)
    for offer, first in product(read.eligible(want).tolist(), starts):
        rate, lot = int(read.yields(want)[offer]), int(read.lot[offer])
        cards = -(-want.amount // (rate * lot)) * lot
        if cards <= read.free[first : first + one.duration, offer].min():
            fills.append(fill(read, want, first, [(offer, cards)]))
    return fills


def _all_placements(snapshot: Snapshot) -> list[tuple[Placement, ...]]:
    return [
        clear(snapshot).placements,
        *(tuple(placements(snapshot, place(snapshot))) for place in HEURISTICS),
    ]
