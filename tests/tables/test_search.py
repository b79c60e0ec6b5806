"""Search finds by number and by name what its reader may see, and nothing else."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.actors import viewer_of_user
from accounts.models import User
from marketplace.demand.models import ComputeRequest
from marketplace.web.search import find
from tests.cast import Cast
from tests.factories import make_fleet, make_model, make_offer, make_request, make_site
from tests.pages_trade.scenes import billed, make_delivery, page, signed_in

pytestmark = pytest.mark.django_db


def names(user: User | AnonymousUser, text: str) -> set[str]:
    return {each.name for group in find(viewer_of_user(user), text) for each in group.found}


def test_a_number_finds_what_the_reader_may_see(cast: Cast, now: datetime) -> None:
    agreement = make_delivery(owner=cast.owner, buyer=cast.buyer).agreement
    request, offer = agreement.allocation.request, agreement.allocation.offer
    assert names(cast.buyer_viewer, f"A{agreement.pk}") == {f"A{agreement.pk}"}
    assert names(cast.owner_viewer, f"a {agreement.pk}") == {f"A{agreement.pk}"}
    assert names(cast.buyer_viewer, f"R{request.pk}") == {f"R{request.pk}"}
    assert names(cast.owner_viewer, f"R{request.pk}") == set()
    assert names(cast.owner_viewer, f"O{offer.pk}") == {f"O{offer.pk}"}
    assert names(cast.buyer_viewer, f"O{offer.pk}") == set()
    for prefix in ("A", "R", "O"):
        assert names(cast.stranger, f"{prefix}{agreement.pk}") == set()
    assert f"A{agreement.pk}" in names(cast.auditor, str(agreement.pk))


def test_runs_and_models_are_everybodys(cast: Cast, now: datetime) -> None:
    run = make_delivery(owner=cast.owner, buyer=cast.buyer).agreement.allocation.run
    make_model("b300", name="B300 Ultra")
    nobody = AnonymousUser()
    assert names(nobody, f"M{run.pk}") == {f"M{run.pk}"}
    assert names(nobody, "300 ult") == {"B300 Ultra"}


def test_an_invoice_is_found_by_those_who_see_money(cast: Cast, now: datetime) -> None:
    number = billed(cast).invoice.number
    part = number[:-1].lower()
    assert number in names(cast.buyer_finance, part)
    assert names(cast.buyer_viewer, part) == set()
    assert names(cast.owner_finance, number) == set()


def test_any_part_of_a_name_will_do_in_both_languages(cast: Cast, now: datetime) -> None:
    make_site(cast.owner, name_en="Wuhu North Hall", name_zh="芜湖北机房")
    make_request(cast.buyer, title="Fine-tune the ship model")
    assert names(cast.owner_viewer, "north h") == {"Wuhu North Hall"}
    assert names(cast.owner_viewer, "湖北") == {"Wuhu North Hall"}
    assert names(cast.stranger, "north h") == set()
    assert names(cast.buyer_viewer, "SHIP") == {"Fine-tune the ship model"}
    assert names(cast.stranger, "ship") == set()


@pytest.mark.parametrize(
    "text", ["", " ", "x", "%", "A0", "A" + "9" * 40, "\N{SNOWMAN}" * 500, "_%_", "sh\0ip"]
)
def test_anything_may_be_asked_for(cast: Cast, now: datetime, text: str) -> None:
    make_request(cast.buyer)
    assert signed_in(cast.buyer_viewer).get(reverse("web:search"), {"q": text}).status_code == 200
    assert names(cast.buyer_viewer, text) == set()


def test_the_page_and_the_palette_show_the_same(cast: Cast, now: datetime) -> None:
    request = make_request(cast.buyer, title="Ships <b>")
    address = reverse("web:search")
    whole = page(cast.buyer_viewer, f"{address}?q=ships")
    part = (
        signed_in(cast.buyer_viewer)
        .get(address, {"q": "ships"}, headers={"HX-Request": "true"})
        .content.decode()
    )
    for shown in (whole, part):
        assert reverse("demand:request", args=[request.pk]) in shown
        assert "Ships &lt;b&gt;" in shown
    assert "<html" in whole
    assert "<html" not in part


def test_every_page_has_the_way_to_it_with_and_without_the_script(client: Client, now: datetime) -> None:
    shown = client.get("/market/").content.decode()
    assert f'href="{reverse("web:search")}"' in shown
    assert '<dialog class="palette" id="palette"' in shown
    script = Path("marketplace/static/cardhour/app.js").read_text()
    assert "data-palette" in script


def test_queries_do_not_grow_with_what_is_found(cast: Cast, now: datetime) -> None:
    viewer, counts = viewer_of_user(cast.auditor), []
    for many in (1, 8):
        for _ in range(many):
            make_request(cast.buyer, title="ships")
            make_offer(make_fleet(make_site(cast.owner, name_en=f"ships {make_request(cast.buyer).pk}")))
        with CaptureQueriesContext(connection) as queries:
            find(viewer, "ships")
        counts.append(len(queries))
    assert counts == [4, 4]


def test_trigrams_serve_the_titles_of_all_requests(cast: Cast, now: datetime) -> None:
    """With few rows the planner reads them all; told not to, it has an index that fits the question."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    plan = ComputeRequest.objects.filter(title__icontains="ships").order_by().explain()
    assert "request_title_part" in plan
