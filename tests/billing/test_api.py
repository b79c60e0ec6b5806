"""The API of billing, as agents, finance people and strangers meet it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.actors import task_actor
from accounts.models import User
from billing.invoicing.models import Document, Line
from billing.invoicing.services import close_due_periods
from billing.metering.events import BATCH, MOST_BYTES, SINGLE
from billing.metering.models import Reading
from billing.rating.models import Charge
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, START, agent_of, event, make_delivery, rate_at, send
from tests.cast import Cast, bearer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.billing.urls"), pytest.mark.usefixtures("now")]
EVENTS = "/api/v1/meter-events"


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    """Two hours that ended before the tests' now."""
    return make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "12"], start=START - 3 * HOUR)


def _agent(cast: Cast) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=bearer(cast.token(cast.owner, "agent"))["Authorization"])
    return client


def _get(user: User, address: str) -> Any:
    client = APIClient()
    client.force_login(user)
    return client.get(f"/api/v1/{address}")


def _post(client: APIClient, body: Any, content_type: str = BATCH) -> Any:
    return client.generic(
        "POST", EVENTS, body if isinstance(body, bytes) else json.dumps(body), content_type=content_type
    )


@pytest.fixture
def closed(cast: Cast, delivery: Delivery) -> Delivery:
    """The delivery, used, rated and invoiced."""
    send(
        agent_of(cast.owner),
        event(delivery, "a", quantity=360),
        event(delivery, "b", at=START - 2 * HOUR, quantity=300),
    )
    rate_at()
    close_due_periods(now=datetime(2026, 4, 2, tzinfo=UTC), actor=task_actor("billing.close_periods"))
    return delivery


def test_a_batch_is_answered_event_by_event(cast: Cast, delivery: Delivery) -> None:
    body = [
        event(delivery, "a"),
        event(delivery, "a"),
        event(delivery, "a", quantity=1),
        event(delivery, "b", quantity=-1),
        7,
    ]
    answer = _post(_agent(cast), body)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in ("accepted", "duplicate", "conflict", "rejected")} == {
        "accepted": 1, "duplicate": 1, "conflict": 1, "rejected": 2,
    }  # fmt: skip
    results = answer.json()["results"]
    assert [one["reason"] for one in results] == ["", "", "conflict", "quantity_negative", "malformed"]
    source = f"urn:cardhour:site:{delivery.site_id}"
    assert results[0] == {"source": source, "id": "a", "status": "accepted", "reason": "", "message": ""}
    assert (results[4]["source"], results[4]["id"]) == (None, None)


def test_a_single_event_is_a_batch_of_one(cast: Cast, delivery: Delivery) -> None:
    answer = _post(_agent(cast), event(delivery), f"{SINGLE}; charset=utf-8")
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{}", BATCH, 400, "malformed_batch"),
        (b"", BATCH, 400, "malformed_batch"),
        (b"[" + b"1," * 10_000 + b"1]", BATCH, 413, "batch_too_large"),
        (b" " * (MOST_BYTES + 1), BATCH, 413, "body_too_large"),
        (b"[]", "application/json", 415, "unsupported_media_type"),
    ],
    ids=["no array", "nothing", "too many", "too long", "another type"],
)
def test_what_is_no_batch_gets_a_problem(
    cast: Cast, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = _post(_agent(cast), body, content_type)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_only_an_agents_token_sends_events(cast: Cast, delivery: Delivery) -> None:
    client = APIClient()
    assert _post(client, [event(delivery)]).status_code in {401, 403}
    client.credentials(HTTP_AUTHORIZATION=bearer(cast.token(cast.owner, "read", "trade"))["Authorization"])
    assert _post(client, [event(delivery)]).status_code == 403
    client.credentials(HTTP_AUTHORIZATION=bearer(cast.token(cast.other_owner, "agent"))["Authorization"])
    assert _post(client, [event(delivery)]).json()["results"][0]["reason"] == "unknown_delivery"
    assert not Reading.objects.exists()


def test_the_lists_show_each_party_its_own_and_a_stranger_nothing(cast: Cast, closed: Delivery) -> None:
    seen = {
        "readings": ({cast.buyer_viewer: 2, cast.owner_viewer: 2, cast.auditor: 2}),
        "charges": ({cast.buyer_viewer: 2, cast.owner_viewer: 2, cast.operator: 2}),
        "parked-usage": ({cast.operator: 0, cast.owner_admin: 0}),
        "journals": ({cast.buyer_finance: 1, cast.owner_finance: 1, cast.auditor: 1, cast.buyer_trader: 0}),
        "ledger-accounts": (
            {cast.buyer_finance: 1, cast.owner_finance: 1, cast.auditor: 3, cast.owner_viewer: 0}
        ),
        "invoices": ({cast.buyer_finance: 1, cast.owner_finance: 0, cast.auditor: 1, cast.buyer_trader: 0}),
        "statements": ({cast.buyer_finance: 0, cast.owner_finance: 1, cast.auditor: 1, cast.owner_viewer: 0}),
        "reading-conflicts": ({cast.operator: 0}),
    }
    for address, counts in seen.items():
        for user, count in (counts | {cast.stranger: 0}).items():
            answer = _get(user, address)
            assert (address, answer.status_code, len(answer.json()["results"])) == (address, 200, count)


def test_a_buyer_does_not_learn_what_the_owner_gets(cast: Cast, closed: Delivery) -> None:
    mine = _get(cast.buyer_viewer, "charges").json()["results"][-1]
    theirs = _get(cast.owner_viewer, "charges").json()["results"][-1]
    assert (mine["amount"], mine["commission"], mine["credit"]) == ("1.000000000000", None, None)
    assert (theirs["amount"], theirs["commission"], theirs["credit"]) == (
        "1.000000000000", "0.030000000000", "0.970000000000",
    )  # fmt: skip
    journal = _get(cast.buyer_finance, "journals").json()["results"][0]
    assert [(leg["kind"], leg["amount"]) for leg in journal["postings"]] == [("receivable", "2.00")]


def test_an_invoice_opens_down_to_its_readings(cast: Cast, closed: Delivery) -> None:
    number = Document.objects.get(kind="invoice").number
    invoice = _get(cast.buyer_finance, f"invoices/{number}").json()
    assert (invoice["total"], invoice["currency"], invoice["journal"]) == ("2.00", "CNY", number)
    (line,) = invoice["lines"]
    assert (line["quantity"], line["exact"], line["amount"], line["charges"]) == (
        660,
        "2.000000000000",
        "2.00",
        2,
    )
    charges = _get(cast.buyer_finance, f"invoices/{number}/lines/{line['id']}/charges").json()["results"]
    assert sorted(one["amount"] for one in charges) == ["1.000000000000", "1.000000000000"]
    readings = _get(cast.buyer_finance, f"charges/{charges[0]['id']}/readings").json()["results"]
    assert [one["quantity"] for one in readings] == [charges[0]["quantity"]]


def test_a_stranger_finds_no_document_line_or_charge(cast: Cast, closed: Delivery) -> None:
    invoice, statement = Document.objects.order_by("kind")
    line, charge = Line.objects.filter(document=invoice).get(), Charge.objects.first()
    assert charge is not None
    addresses = [
        f"invoices/{invoice.number}",
        f"invoices/{invoice.number}/lines/{line.pk}/charges",
        f"statements/{statement.number}",
        f"charges/{charge.pk}",
        f"charges/{charge.pk}/readings",
    ]
    for address in addresses:
        assert _get(cast.stranger, address).status_code == 404
        assert _get(cast.auditor, address).status_code == 200
    assert _get(cast.owner_finance, addresses[0]).status_code == 404
    assert [_get(cast.buyer_trader, address).status_code for address in addresses[:2]] == [403, 403]
    assert _get(cast.auditor, f"invoices/{statement.number}").status_code == 404
    assert _get(cast.auditor, f"statements/{statement.number}/lines/{line.pk}/charges").status_code == 404


def test_lists_can_be_narrowed_and_say_what_is_wrong_with_a_filter(cast: Cast, closed: Delivery) -> None:
    moment = closed.starts_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    for address, count in (
        (f"readings?delivery={closed.pk}", 2),
        ("readings?delivery=0", 0),
        (f"readings?slot={moment}", 1),
        (f"charges?agreement={closed.agreement_id}&from={moment}", 2),
        (f"charges?until={moment}", 0),
        ("charges?first=false", 0),
        ("invoices?currency=EUR", 0),
        ("parked-usage?open=true", 0),
    ):
        assert (address, len(_get(cast.auditor, address).json()["results"])) == (address, count)
    for address in (
        "readings?delivery=x",
        f"readings?delivery={2**64}",
        "charges?from=monday",
        "parked-usage?open=1",
    ):
        answer = _get(cast.auditor, address)
        assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)


@pytest.mark.parametrize(
    "address", ["readings", "charges", "journals", "invoices", "statements", "ledger-accounts"]
)
def test_a_list_takes_as_many_queries_for_one_row_as_for_many(
    cast: Cast, address: str, django_assert_max_num_queries: Any
) -> None:
    agent = agent_of(cast.owner)
    for number in range(6):
        buyer = cast.organisation("buyer", f"Buyer {number}", f"买方 {number}")
        one = make_delivery(owner=cast.owner, buyer=buyer, prices=["10"])
        send(agent, event(one, f"{number}"))
    rate_at()
    close_due_periods(now=datetime(2026, 4, 2, tzinfo=UTC), actor=task_actor("billing.close_periods"))
    client = APIClient()
    client.force_login(cast.auditor)
    client.get(f"/api/v1/{address}")  # Of an auditor's looks only the first one in a while is written down.
    with django_assert_max_num_queries(5):
        assert client.get(f"/api/v1/{address}").json()["results"]


@pytest.mark.parametrize(
    "query",
    [
        "readings?meter=%00",
        "charges?currency=C%00Y",
        "parked-usage?reason=%00",
        "readings?slot=0001-01-01T00:00:00%2B23:59",
        "invoices?until=9999-12-31T23:59:59-12:00",
        "charges?agreement=" + "9" * 30,
        "charges?agreement=" + "9" * 5000,
    ],
)
def test_a_query_that_the_database_cannot_take_is_refused(cast: Cast, query: str) -> None:
    answer = _get(cast.auditor, query)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)


@pytest.mark.parametrize("kind", ["invoices", "statements"])
def test_a_number_that_is_no_text_names_no_document(cast: Cast, kind: str) -> None:
    assert _get(cast.auditor, f"{kind}/INV%00").status_code == 404
    assert _get(cast.auditor, f"{kind}/INV%00/lines/1/charges").status_code == 404
