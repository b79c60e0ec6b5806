"""Profiles are versioned: a new method adds a version and leaves the old ones as they are."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from accounts.actors import task_actor
from marketplace.catalogue.models import PerformanceProfile, ProfileVersion
from marketplace.catalogue.normalisation import PROFILE_METHOD_VERSION
from marketplace.catalogue.services import load_catalogue
from tests.conftest import NOW
from tests.factories import make_model

pytestmark = pytest.mark.django_db

LOADER = task_actor("a test")


def publish_the_former_method() -> PerformanceProfile:
    version = ProfileVersion.objects.create(number=1, method="mlperf-median-else-roofline/1")
    return PerformanceProfile.objects.create(
        version=version,
        model=make_model("ascend-910b2", tdp_w=None),  # the catalogue does not know it either
        workload="training",
        rate=Decimal("0.353900"),
        lower=Decimal("0.212340"),
        upper=Decimal("0.495460"),
        evidence_kind="datasheet",
        evidence={"summary": "Estimated from the data sheet, ±40%: no published result counts."},
    )


def test_a_new_method_is_a_new_version_and_the_former_one_stays() -> None:
    former = publish_the_former_method()

    version = load_catalogue(actor=LOADER, now=NOW)

    assert (version.number, version.method) == (2, PROFILE_METHOD_VERSION)
    kept = PerformanceProfile.objects.get(version__number=1)
    assert (kept.pk, kept.rate, kept.evidence) == (former.pk, former.rate, former.evidence)
    now = version.profiles.get(model__slug="ascend-910b2", workload="training")
    assert now.rate != former.rate


def test_loading_again_publishes_nothing() -> None:
    first = load_catalogue(actor=LOADER, now=NOW)
    assert load_catalogue(actor=LOADER, now=NOW) == first
    assert ProfileVersion.objects.count() == 1


def test_the_catalogue_shows_how_far_off_its_rates_are(client: Client) -> None:
    load_catalogue(actor=LOADER, now=NOW)

    page = client.get("/catalogue/")

    accuracy = {row.workload.value: row.figures for row in page.context["accuracy"]}
    assert set(accuracy) == {
        "training", "fine_tuning", "inference_prefill", "inference_decode", "vision",
    }  # fmt: skip
    assert all(None not in figures for figures in accuracy.values())
    assert "How far off the rates are" in page.content.decode()


def test_figures_of_one_method_are_not_shown_for_another(client: Client) -> None:
    publish_the_former_method()

    page = client.get("/catalogue/")

    assert page.context["accuracy"] == ()
    assert "How far off the rates are" not in page.content.decode()


def test_an_estimate_opens_into_its_factors_and_what_was_assumed(client: Client) -> None:
    load_catalogue(actor=LOADER, now=NOW)

    text = client.get("/catalogue/tpu-v4/").content.decode()

    assert "Other cards of the architecture" in text
    assert "not stated, taken as usual for a card of this size" in text


def test_profiles_of_a_former_method_can_still_be_read(client: Client) -> None:
    publish_the_former_method()
    assert "Estimated from the data sheet." in client.get("/catalogue/ascend-910b2/").content.decode()
