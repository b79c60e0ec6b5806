"""The markets that the benchmarks are run on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from benchmarks.engine import snapshots, supply, trace
from benchmarks.engine.calibration import calibration
from benchmarks.engine.demand import GANG_CARDS
from benchmarks.engine.generate import generate
from benchmarks.engine.instances import DEMAND_PER_SUPPLY, SIZES, Regime
from benchmarks.engine.scarcity import demand_per_supply
from marketplace.engine import Snapshot, Unit, canonical, check, digest, snapshot_bytes, snapshot_from_bytes

ROOT = Path(__file__).parents[2]
TINY = SIZES["tiny"]
IN_ANOTHER_PROCESS = """
from benchmarks.engine.generate import generate
from benchmarks.engine.instances import SIZES, Regime
from marketplace.engine import digest, snapshot_bytes
print(digest(snapshot_bytes(generate(SIZES["tiny"], Regime.TIGHT, 7))))
"""


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    here = digest(snapshot_bytes(generate(TINY, Regime.TIGHT, 7)))
    there = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS],
        capture_output=True,
        check=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)},
    )
    assert there.stdout.strip() == here


def test_another_seed_gives_another_market() -> None:
    one, other = (snapshot_bytes(generate(TINY, Regime.TIGHT, seed)) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("regime", Regime)
@pytest.mark.parametrize("name", ["tiny", "small"])
def test_markets_are_valid_and_as_large_as_they_say(name: str, regime: Regime) -> None:
    size = SIZES[name]
    snapshot = generate(size, regime, 1)
    check(snapshot)
    assert (len(snapshot.requests), len(snapshot.offers), snapshot.slots) == (
        size.requests,
        size.offers,
        size.slots,
    )


@pytest.mark.parametrize("regime", Regime)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_regime_is_as_scarce_as_it_claims(regime: Regime, seed: int) -> None:
    snapshot = generate(SIZES["small"], regime, seed)
    assert demand_per_supply(snapshot) == pytest.approx(DEMAND_PER_SUPPLY[regime], rel=0.05)


def test_slack_has_three_times_the_supply_and_tight_half_of_it() -> None:
    slack, tight = (generate(SIZES["small"], regime, 1) for regime in (Regime.SLACK, Regime.TIGHT))
    assert _cards(slack) / _cards(tight) == pytest.approx(6, rel=0.05)


def test_scarcity_counts_card_hours_of_first_alternatives() -> None:
    snapshot = generate(TINY, Regime.BALANCED, 1)
    in_cards = [each for each in snapshot.requests if each.alternatives[0].unit is Unit.CARDS]
    asked = sum(each.alternatives[0].amount * each.alternatives[0].duration for each in in_cards)
    assert demand_per_supply(replace(snapshot, requests=tuple(in_cards))) == pytest.approx(
        asked / _cards(snapshot)
    )


@pytest.mark.parametrize("scale", [0.01, 0.7, 13.0])
def test_the_arrays_count_the_cards_that_the_offers_get(scale: float) -> None:
    known = calibration()
    drafts = supply.drafts(known, TINY, supply.sites(known, TINY, "arrays"), "arrays")
    models = tuple(known.models)
    counted = supply.Cards(models, drafts).card_hours(scale)
    summed = np.zeros(len(models))
    for draft in drafts:
        summed[models.index(draft.kind.model)] += sum(draft.offer(scale).free)
    assert counted.tolist() == summed.tolist()


def test_offers_and_asks_do_not_depend_on_scarcity() -> None:
    tight, slack = (generate(TINY, regime, 1) for regime in (Regime.TIGHT, Regime.SLACK))
    assert tight.requests == slack.requests
    assert [offer.asks for offer in tight.offers] == [offer.asks for offer in slack.offers]
    assert _cards(tight) < _cards(slack)


def test_np_only_names_no_model_and_no_cards() -> None:
    alternatives = [one for each in generate(TINY, Regime.NP_ONLY, 1).requests for one in each.alternatives]
    assert {one.unit for one in alternatives} == {Unit.NP}
    assert not any(one.models for one in alternatives)


@pytest.mark.parametrize("name", ["small", "mid"])
def test_gangs_are_between_a_fifth_and_three_fifths_and_of_8_to_256_cards(name: str) -> None:
    snapshot = generate(SIZES[name], Regime.BALANCED, 1)
    firsts = [each.alternatives[0] for each in snapshot.requests]
    gangs = [first for first in firsts if first.gang]
    assert 0.2 <= len(gangs) / len(firsts) <= 0.6
    assert {gang.amount for gang in gangs if gang.unit is Unit.CARDS} <= set(GANG_CARDS)


def test_limits_lie_around_the_published_price() -> None:
    known, snapshot = calibration(), generate(SIZES["small"], Regime.BALANCED, 1)
    shares = [
        first.limit / (known.published(first.models[0], each.currency) * 1_000_000)
        for each in snapshot.requests
        if (first := each.alternatives[0]).models
    ]
    assert 0.6 < median(shares) < 1.0
    assert min(shares) > 0.1
    assert max(shares) < 5


def test_asks_lie_below_the_published_price() -> None:
    known, snapshot = calibration(), generate(TINY, Regime.BALANCED, 1)
    sites = {site.id: site for site in snapshot.sites}
    for offer in snapshot.offers:
        published = known.published(offer.model, sites[offer.site].currency) * 1_000_000
        assert 0.3 * published <= min(offer.asks) <= max(offer.asks) <= 0.951 * published


def test_a_market_is_stored_as_canonical_bytes_and_made_once(tmp_path: Path) -> None:
    path = snapshots.stored("tiny", Regime.TIGHT, 3, tmp_path)
    assert path.name == "tiny-tight-3.json"
    assert snapshot_from_bytes(path.read_bytes()) == canonical(generate(TINY, Regime.TIGHT, 3))
    path.write_bytes(b"as it was")
    assert snapshots.stored("tiny", Regime.TIGHT, 3, tmp_path).read_bytes() == b"as it was"


def test_a_stored_market_is_made_anew_when_what_it_was_made_from_has_changed(tmp_path: Path) -> None:
    path = snapshots.stored("tiny", Regime.TIGHT, 3, tmp_path)
    path.write_bytes(b"of an older generator")
    path.with_suffix(".key").write_text("another key")
    assert snapshot_from_bytes(snapshots.stored("tiny", Regime.TIGHT, 3, tmp_path).read_bytes())


def test_the_trace_has_all_nodes_cards_and_jobs_of_the_cluster() -> None:
    snapshot = trace.snapshot(days=7, seed=1)
    check(snapshot)
    assert len(snapshot.offers) == 1_213
    assert sum(offer.free[0] for offer in snapshot.offers) == 6_212
    assert len(snapshot.requests) == 7_064
    assert {offer.model for offer in snapshot.offers} == set(trace.STANDS_FOR.values())


def test_jobs_of_the_trace_keep_their_cards_and_fit_into_the_horizon() -> None:
    snapshot = trace.snapshot(days=1, seed=1)
    jobs = calibration().jobs
    for job, request in zip(jobs, snapshot.requests, strict=True):
        (wanted,) = request.alternatives
        assert wanted.amount == job.cards
        assert wanted.gangs == 1
        assert wanted.duration >= min(job.duration_s / 3600, 10)
        assert wanted.deadline - wanted.earliest <= wanted.duration + 24
        assert 0 <= wanted.earliest <= wanted.deadline - wanted.duration <= wanted.deadline <= 24


def _cards(snapshot: Snapshot) -> int:
    return sum(sum(offer.free) for offer in snapshot.offers)
