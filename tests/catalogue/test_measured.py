"""What was measured at a site comes before what is published, and only at that site."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.catalogue.data.tables import load_accelerators, load_inference, load_training
from marketplace.catalogue.normalisation import REFERENCE_RATE, Evidence, profiles_for
from marketplace.catalogue.normalisation.measured import SiteMeasurement, at_site, measured_profile
from marketplace.engine.snapshot import Workload

PUBLISHED = profiles_for(load_accelerators(), load_training(), load_inference())
MEASUREMENT = SiteMeasurement(
    site="guian-1",
    model_slug="ascend-910b2",
    workload=Workload.TRAINING,
    runs=(Decimal("0.41"), Decimal("0.40"), Decimal("0.42")),
    measured_at=datetime(2026, 11, 1, tzinfo=UTC),
    report="acceptance 17",
)


def rate_at(site: str, *measurements: SiteMeasurement) -> tuple[Decimal, Evidence]:
    found = at_site(site, PUBLISHED, measurements)
    key = (MEASUREMENT.model_slug, MEASUREMENT.workload)
    [profile] = [one for one in found if (one.model_slug, one.workload) == key]
    return profile.rate, profile.evidence_kind


def test_a_measurement_takes_the_place_of_the_estimate_at_its_site() -> None:
    assert rate_at("guian-1", MEASUREMENT) == (Decimal("0.405490"), Evidence.MEASURED)


def test_elsewhere_nothing_changes() -> None:
    assert rate_at("zhangjiakou-2", MEASUREMENT) == rate_at("guian-1")
    assert at_site("zhangjiakou-2", PUBLISHED, [MEASUREMENT]) == PUBLISHED


def test_a_measurement_beats_published_benchmarks_too() -> None:
    measured = replace(MEASUREMENT, model_slug="h200-sxm", runs=(Decimal("0.8"),))
    [profile] = [
        one
        for one in at_site("guian-1", PUBLISHED, [measured])
        if (one.model_slug, one.workload) == ("h200-sxm", Workload.TRAINING)
    ]
    assert profile.rate == Decimal("0.8") * REFERENCE_RATE


@pytest.mark.parametrize("newest_first", [True, False])
def test_of_two_measurements_the_newer_one_holds(newest_first: bool) -> None:
    newer = replace(
        MEASUREMENT, runs=(Decimal("0.5"),), measured_at=MEASUREMENT.measured_at + timedelta(days=1)
    )
    order = [newer, MEASUREMENT] if newest_first else [MEASUREMENT, newer]
    assert rate_at("guian-1", *order) == (Decimal("0.494500"), Evidence.MEASURED)


def test_a_model_of_which_nothing_was_known_gets_its_rate() -> None:
    measured = replace(MEASUREMENT, model_slug="mlu590")
    assert ("mlu590", Workload.TRAINING) in {
        (one.model_slug, one.workload) for one in at_site("guian-1", PUBLISHED, [measured])
    }


@given(st.lists(st.decimals("0.01", "9", places=4), min_size=1, max_size=9))
def test_the_band_holds_every_run(runs: list[Decimal]) -> None:
    profile = measured_profile(replace(MEASUREMENT, runs=tuple(runs)))
    assert all(profile.lower <= REFERENCE_RATE * run <= profile.upper for run in runs)
    assert profile.lower <= profile.rate * Decimal("0.951")
    assert profile.rate * Decimal("1.049") <= profile.upper


@pytest.mark.parametrize("runs", [(), (Decimal(0),), (Decimal("0.4"), Decimal(-1))])
def test_a_measurement_without_sense_is_refused_by_name(runs: tuple[Decimal, ...]) -> None:
    with pytest.raises(ValueError, match="acceptance 17"):
        measured_profile(replace(MEASUREMENT, runs=runs))
