"""Buyers say what they need, see what would match, and what became of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.urls import reverse

from marketplace.clearing import quote_book
from marketplace.demand.models import ComputeRequest
from tests.cast import Cast
from tests.factories import make_fleet, make_offer, make_region, make_request, make_site, make_stack
from tests.pages_market.scenes import make_explanation, make_rates, make_run
from tests.pages_trade.scenes import (
    HOUR,
    START,
    events,
    local,
    make_delivery,
    page,
    queries_of,
    rows_of_csv,
    signed_in,
    status,
)

pytestmark = pytest.mark.django_db
CREATE = "demand:create"


@pytest.fixture(autouse=True)
def _fresh_market() -> None:
    cache.clear()


def alternative(position: int = 0, **changes: object) -> dict[str, object]:
    fields = {
        "amount": "16",
        "unit": "cards",
        "workload": "training",
        "hours": "4",
        "earliest_start": local(START),
        "deadline": local(START + 24 * HOUR),
        "together": "anywhere",
        "limit": "12.5",
        "budget": "",
    } | changes
    return {f"alternatives-{position}-{name}": value for name, value in fields.items()}


def request_form(*alternatives: dict[str, object], **changes: object) -> dict[str, Any]:
    parts = alternatives or (alternative(),)
    form = {"title": "Spring run", "currency": "CNY", "least_share": "100", "alternatives": len(parts)}
    for part in parts:
        form |= part
    return form | changes


def test_a_request_enters_the_market(cast: Cast, now: datetime) -> None:
    make_region()
    wanted = alternative(
        together="one_place",
        precision="bf16",
        memory_gb="64",
        jurisdictions=["CN"],
        near="cn-wuhu",
        round_trip_ms="20",
        renewable_share="25",
        verification="1",
    )
    answer = signed_in(cast.buyer_trader).post(reverse(CREATE), request_form(wanted, least_share="50"))
    made = ComputeRequest.objects.get()
    assert answer["Location"] == reverse("demand:request", args=[made.pk])
    assert (made.organisation, made.least_share) == (cast.buyer, Decimal("0.5"))
    (asked,) = made.alternatives.all()
    assert (asked.amount, asked.limit, asked.gangs, asked.jurisdictions) == (16, Decimal("12.5"), 1, ["CN"])
    assert (asked.earliest_start, asked.deadline) == (START, START + 24 * HOUR)
    assert (asked.renewable_share, asked.verification, asked.near.slug) == (Decimal("0.25"), 1, "cn-wuhu")
    (event,) = events("request.entered")
    assert event["user__email"] == cast.buyer_trader.email


def test_up_to_three_alternatives(cast: Cast, now: datetime) -> None:
    form = request_form(alternative(0), alternative(1, limit="", budget="900"), alternative(2, amount="8"))
    signed_in(cast.buyer_trader).post(reverse(CREATE), form)
    asked = ComputeRequest.objects.get().alternatives.order_by("position")
    assert [(each.amount, each.budget) for each in asked] == [(16, None), (16, Decimal(900)), (8, None)]


def test_adding_and_removing_alternatives_enters_nothing_and_loses_nothing(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.buyer_trader)
    typed = request_form(alternative(0, amount="17"), title="", add="1")
    added = client.post(reverse(CREATE), typed)
    assert added.status_code == 200
    shown = added.content.decode()
    assert 'name="alternatives" value="2"' in shown
    assert shown.count('value="17"') == 2
    typed = request_form(alternative(0, amount="17"), alternative(1, amount="abc"), remove="0")
    shown = client.post(reverse(CREATE), typed).content.decode()
    assert 'name="alternatives" value="1"' in shown
    assert 'value="abc"' in shown
    assert 'value="17"' not in shown
    assert not ComputeRequest.objects.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": "0"}, "The amount is more than 0"),
        ({"amount": "2.5"}, "Cards are sold whole"),
        ({"budget": "100"}, "not both"),
        ({"hours": "169"}, "The duration is 1 to 168 hours"),
        ({"deadline": local(START + 2 * HOUR)}, "end after the deadline"),
        ({"round_trip_ms": "20"}, "measured to a place"),
        ({"earliest_start": "tomorrow"}, "Enter a valid date/time"),
    ],
)
def test_a_refused_request_names_the_field_and_keeps_the_input(
    cast: Cast, now: datetime, change: dict[str, object], said: str
) -> None:
    answer = signed_in(cast.buyer_trader).post(reverse(CREATE), request_form(alternative(**change)))
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert said in shown
    for value in change.values():
        assert f'value="{value}"' in shown
    assert 'value="Spring run"' in shown
    assert not ComputeRequest.objects.exists()


def test_a_remedy_is_one_click_away(cast: Cast, now: datetime) -> None:
    make_region()
    asked = make_request(cast.buyer, limit="9", alternatives=[{}, {"jurisdictions": ["CN"]}], title="Old")
    address = (
        f"{reverse(CREATE)}?request={asked.pk}&alternative=1&limit=11.5&jurisdictions=HK&renewable_share=0.4"
    )
    make_region("hk", jurisdiction="HK")
    shown = page(cast.buyer_trader, address)
    assert 'name="title" value="Old"' in shown
    assert 'name="alternatives-0-limit" value="9"' in shown
    assert 'name="alternatives-1-limit" value="11.5"' in shown
    assert 'name="alternatives-1-renewable_share" value="40"' in shown
    boxes = shown.split('id="id_alternatives-1-jurisdictions"')[1].split("</fieldset>")[0]
    assert boxes.count("checked") == 2
    assert status(cast.stranger, address) in {403, 404}


def test_what_is_past_is_moved_ahead_when_asked_again(cast: Cast, now: datetime) -> None:
    asked = make_request(cast.buyer, start=START - 100 * HOUR, deadline=START - 80 * HOUR, hours=4)
    shown = page(cast.buyer_trader, f"{reverse(CREATE)}?from={asked.pk}")
    assert f'value="{local(START)}"' in shown
    assert f'value="{local(START + 20 * HOUR)}"' in shown


def test_the_panel_counts_the_offers_that_each_constraint_leaves(cast: Cast, now: datetime) -> None:
    make_rates()
    make_run()
    site = make_site(cast.owner)
    fleet = make_fleet(site, cards=640)
    for ask in ("8", "11", "14"):
        make_offer(fleet, cards=32, ask=ask, hours=48)
    make_offer(make_fleet(site, stack=make_stack("cann-8")), cards=32, ask="9", hours=48)
    quote_book.prepare(now=now)
    form = request_form(alternative(stacks=["cuda-12"]), title="")
    answer = signed_in(cast.buyer_viewer).post(reverse("clearing:quote"), form)
    shown = answer.content.decode()
    assert answer.status_code == 200
    # Nothing is known of the chip's rate for training, but cards are counted as cards.
    assert "3 open offers have cards for it" in shown
    assert "Limit price" in shown
    assert not ComputeRequest.objects.exists()


def test_the_panel_says_what_is_missing(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.buyer_trader)
    shown = client.post(
        reverse("clearing:quote"), request_form(alternative(limit=""), title="")
    ).content.decode()
    assert "Give a limit per unit and hour" in shown
    shown = client.post(reverse("clearing:quote"), request_form(alternative(amount="x"))).content.decode()
    assert "Fill in the amount" in shown


def test_lists_and_pages_of_requests_are_their_buyers(cast: Cast, now: datetime) -> None:
    asked = make_request(cast.buyer, title="Spring run")
    address = reverse("demand:request", args=[asked.pk])
    assert "Spring run" in page(cast.buyer_viewer, reverse("demand:requests"))
    assert "Spring run" not in page(cast.stranger, reverse("demand:requests"))
    assert status(cast.buyer_viewer, address) == status(cast.auditor, address) == 200
    assert status(cast.stranger, address) == status(cast.owner_admin, address) == 404


def test_a_request_shows_its_runs_and_its_agreements(cast: Cast, now: datetime) -> None:
    asked = make_request(cast.buyer)
    explanation = make_explanation(make_run(), asked)
    shown = page(cast.buyer_viewer, reverse("demand:request", args=[asked.pk]))
    assert reverse("clearing:explanation", args=[explanation.run_id, asked.pk]) in shown
    agreement = make_delivery(owner=cast.owner, buyer=cast.buyer).agreement
    shown = page(cast.buyer_viewer, reverse("demand:request", args=[agreement.allocation.request_id]))
    assert reverse("agreements:agreement", args=[agreement.pk]) in shown


def test_a_trader_withdraws_and_nobody_else(cast: Cast, now: datetime) -> None:
    asked = make_request(cast.buyer)
    address = reverse("demand:withdraw", args=[asked.pk])
    assert signed_in(cast.stranger).post(address).status_code == 404
    assert signed_in(cast.buyer_viewer).post(address).status_code == 403
    assert signed_in(cast.buyer_trader).post(address).status_code == 302
    asked.refresh_from_db()
    assert asked.state == "withdrawn"
    assert len(events("request.withdrawn")) == 1


def test_only_traders_of_buyers_get_the_builder(cast: Cast, now: datetime) -> None:
    assert status(cast.buyer_trader, reverse(CREATE)) == 200
    assert status(cast.buyer_viewer, reverse(CREATE)) == 403
    assert status(cast.owner_trader, reverse(CREATE)) == 403


def test_the_csv_has_the_rows_of_the_table(cast: Cast, now: datetime) -> None:
    first, second = (
        make_request(cast.buyer, title="A"),
        make_request(cast.buyer, title="B", state="withdrawn"),
    )
    rows = rows_of_csv(cast.buyer_viewer, reverse("demand:requests"))
    assert [(row["Request"], row["Title"]) for row in rows] == [(str(second.pk), "B"), (str(first.pk), "A")]
    (row,) = rows_of_csv(cast.buyer_viewer, reverse("demand:requests") + "?state=open")
    assert row["Request"] == str(first.pk)


@pytest.mark.parametrize("name", ["demand:requests", "demand:request", "demand:create"])
def test_queries_do_not_grow_with_the_data(cast: Cast, now: datetime, name: str) -> None:
    asked = make_request(cast.buyer)
    make_explanation(make_run(), asked)
    args = [asked.pk] if name == "demand:request" else []
    few = queries_of(cast.buyer_trader, reverse(name, args=args))
    for _ in range(4):
        make_explanation(make_run(), asked)
        make_request(cast.buyer, alternatives=[{}, {}, {}])
        make_region(f"region-{ComputeRequest.objects.count()}")
    assert queries_of(cast.buyer_trader, reverse(name, args=args)) == few
