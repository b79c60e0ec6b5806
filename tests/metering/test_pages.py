"""Conflicts are shown with both bodies: to the exchange, and to the owner whose site sent them."""

from __future__ import annotations

import pytest
from django.test import Client

from billing.metering.models import EventKey, ReadingConflict
from tests.billing.builders import agent_of, event, make_delivery, send
from tests.cast import Cast
from tests.pages_market.scenes import queries_of, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def conflict(cast: Cast) -> ReadingConflict:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery), event(delivery, quantity=17, hint="<b>"))
    return ReadingConflict.objects.get()


def test_both_bodies_are_shown_and_what_differs(cast: Cast, conflict: ReadingConflict) -> None:
    page = signed_in(cast.operator).get(f"/operator/conflicts/{conflict.pk}/")
    changed = [one for one in page.context["changes"] if one["before"] != one["after"]]
    assert changed == [
        {"label": "data.quantity", "before": 480, "after": 17},
        {"label": "hint", "before": None, "after": "<b>"},
    ]
    text = page.content.decode()
    assert conflict.body_digest in text
    assert conflict.counted_digest in text
    assert "&quot;quantity&quot;: 17" in text
    assert "<b>" not in text


def test_of_a_month_that_was_archived_only_the_other_body_is_there(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    token, _ = cast.api_token(cast.owner, "agent")
    conflict = ReadingConflict.objects.create(
        event=EventKey.objects.get(), source="s", event_name="e", delivery=delivery, body="{}",
        body_digest="0" * 64, token=token, received_at=delivery.starts_at,
    )  # fmt: skip
    page = signed_in(cast.operator).get(f"/operator/conflicts/{conflict.pk}/")
    assert "Its month was archived." in page.content.decode()


def test_the_parked_work_leads_to_each_conflict(
    cast: Cast, conflict: ReadingConflict, client: Client
) -> None:
    address = f"/operator/conflicts/{conflict.pk}/"
    assert address in signed_in(cast.operator).get("/operator/parked/").content.decode()
    assert address in signed_in(cast.owner_viewer).get("/operator/conflicts/").content.decode()
    assert address not in signed_in(cast.stranger).get("/operator/conflicts/").content.decode()


def test_more_conflicts_take_no_more_queries(cast: Cast, conflict: ReadingConflict) -> None:
    client = signed_in(cast.operator)
    few = queries_of(client, "/operator/conflicts/")
    for number in range(4):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
        name = f"another {number}"
        send(agent_of(cast.owner), event(delivery, name), event(delivery, name, quantity=1))
    assert queries_of(client, "/operator/conflicts/") == few
