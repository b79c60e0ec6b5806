from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from accounts.actors import task_actor
from marketplace.catalogue.models import AcceleratorModel, PerformanceProfile, WorkloadClass
from marketplace.catalogue.services import load_catalogue
from tests.conftest import NOW
from tests.factories import make_model
from tests.pages_market.scenes import make_profile, queries_of

pytestmark = pytest.mark.django_db


def test_an_empty_catalogue_says_what_fills_it(client: Client) -> None:
    assert "load_catalogue" in client.get("/catalogue/").content.decode()


def test_each_rate_stands_with_its_band_and_its_evidence(client: Client) -> None:
    make_profile(make_model(), "0.5", evidence_kind="benchmark")

    page = client.get("/catalogue/")

    [row] = page.context["models"]
    assert row["cells"][0] | {} == {
        "rate": Decimal("0.5"),
        "lower": Decimal("0.25"),
        "upper": Decimal(1),
        "evidence": "benchmark",
        "tone": "good",
    }
    assert row["cells"][1:] == [None] * 5


def test_sorted_by_a_rate_models_without_it_come_last(client: Client) -> None:
    for slug, rate in (("a", None), ("b", "0.5"), ("c", "1")):
        make_model(slug)
        if rate:
            make_profile(make_model(slug), rate)

    rows = client.get("/catalogue/?sort=-training").context["models"]

    assert [row["model"].slug for row in rows] == ["c", "b", "a"]


def test_ticked_models_stand_side_by_side(client: Client) -> None:
    for slug in ("a", "b", "c"):
        make_profile(make_model(slug), "0.5")

    page = client.get("/catalogue/?compare=c&compare=a&compare=nonsense")

    assert [model.slug for model in page.context["compared"]["models"]] == ["a", "c"]
    assert "Side by side" in page.content.decode()


def test_every_page_of_the_real_catalogue_names_its_sources(client: Client) -> None:
    load_catalogue(actor=task_actor("a test"), now=NOW)

    for model in AcceleratorModel.objects.all():
        page = client.get(f"/catalogue/{model.slug}/")
        assert page.status_code == 200
        assert page.context["citations"], model
        known = {str(profile["label"]) for profile in page.context["profiles"]}
        missing = {str(label) for label in page.context["missing"]}
        assert known | missing == {str(label) for label in WorkloadClass.labels}
        assert not known & missing


def test_the_evidence_of_a_benchmark_lists_every_published_result(client: Client) -> None:
    load_catalogue(actor=task_actor("a test"), now=NOW)
    profile = PerformanceProfile.objects.get(model__slug="h100-pcie", workload="training")
    results = profile.evidence["results"]

    page = client.get("/catalogue/h100-pcie/")

    text = page.content.decode()
    assert f"The median of {len(results)} published results of 1 benchmark." in text
    assert all(result["round"] in text and result["relative"] in text for result in results)


def test_a_model_that_nobody_makes_is_not_found(client: Client) -> None:
    make_profile(make_model(), "0.5")

    assert client.get("/catalogue/abacus/").status_code == 404


def test_more_models_take_no_more_queries(client: Client) -> None:
    make_profile(make_model(), "0.5")
    few = queries_of(client, "/catalogue/?compare=h800")
    for number in range(20):
        make_profile(make_model(f"chip-{number}"), "0.5")

    assert queries_of(client, "/catalogue/?compare=h800&compare=chip-3") == few <= 4
