"""Pages, documents and the API of term agreements in nP-hours: all figures are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from billing.invoicing.models import Document, Line
from billing.invoicing.printing import printed
from billing.invoicing.replay import replay_bill
from billing.rating.models import Charge
from marketplace.agreements.models import Agreement
from marketplace.terms.models import TermAgreement
from tests.billing.builders import make_billing_facts
from tests.billing.scenes import close
from tests.cast import Cast, bearer
from tests.factories import make_model, make_profile_version
from tests.terms.months import HOUR, MONTH, NOON, deliver, settle_at
from tests.terms.scenes import APRIL, concluded
from tests.terms.work import IN_NP, call_off, placed, reserve, short_months, two_models

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("now")]
TERMS = {
    "quantity_a_month": "100",
    "price_per_unit": "12.5",
    "take_or_pay_share": "0.8",
    "overage": [{"above": "1.1", "price": "15"}],
}


def text_of(client: Client, name: str, *args: Any) -> str:
    answer = client.get(reverse(name, args=args))
    assert answer.status_code == 200, name
    return answer.content.decode().replace("\xa0", " ")


def test_it_is_proposed_in_a_form(cast: Cast, client: Client) -> None:
    make_profile_version()
    client.force_login(cast.buyer_trader)
    given = {
        "counterparty": cast.owner.name_en,
        "counted_in": "nP-hours",
        "workload": "training",
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "starts_at": "2026-04-01T00:00",
        "months": "3",
        "quantity": "100.5",
        "price_per_unit": "12.5",
        "take_or_pay": "80",
        "make_up_months": "0",
        "carry_forward_months": "0",
    }
    refused = client.post(reverse("agreements:propose_term"), given | {"model": make_model().pk})
    assert refused.status_code == 422
    assert client.post(reverse("agreements:propose_term"), given).status_code == 302
    term = TermAgreement.objects.get()
    shown = text_of(client, "agreements:term", term.pk)
    assert "100.5 nP-h a month" in shown
    assert "¥12.50/nP-h" in shown
    assert "Training" in shown
    assert "100.5 nP-h" in text_of(client, "agreements:terms")
    client.force_login(cast.owner_trader)
    assert client.post(reverse("agreements:accept_term", args=[term.pk, 1])).status_code == 302
    assert "card-h a month" not in text_of(client, "agreements:term", term.pk)
    assert "nP-h" in text_of(client, "agreements:terms")


def test_it_is_proposed_and_amended_over_the_api(cast: Cast, client: Client) -> None:
    make_profile_version()
    buyer, owner = cast.token(cast.buyer, "trade"), cast.token(cast.owner, "trade")

    def post(path: str, secret: str, data: dict[str, Any]) -> Any:
        headers = bearer(secret) | {"Idempotency-Key": str(uuid4())}
        return client.post(f"/api/v1/{path}", data, content_type="application/json", headers=headers)

    body = TERMS | {
        "counterparty": cast.owner.pk,
        "unit": "nP-hours",
        "workload": "training",
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "starts_at": APRIL.isoformat(),
        "months": 3,
    }
    no_class = {name: value for name, value in body.items() if name != "workload"}
    wrong = post("term-agreements", buyer, no_class).json()["errors"]
    assert [each["field"] for each in wrong] == ["workload"]
    made = post("term-agreements", buyer, body).json()
    assert (made["unit"], made["model"], made["workload"]) == ("nP-hours", None, "training")
    path = f"term-agreements/{made['id']}"
    assert post(f"{path}/versions/1/acceptance", owner, {}).status_code == 200
    amended = post(f"{path}/amendments", owner, TERMS | {"from_month": 1})
    assert amended.status_code == 201, amended.content
    assert amended.json()["versions"][1]["terms"]["unit"] == "nP-hours"
    found = Agreement.objects.get()
    agreement = client.get(f"/api/v1/agreements/{found.pk}", headers=bearer(buyer))
    assert agreement.json()["card_hours"] is None
    assert agreement.json()["np_hours"] == "300.000000"


def test_an_offer_for_it_and_a_call_off_are_shown(cast: Cast, client: Client) -> None:
    models = two_models()
    term = concluded(cast, **IN_NP)
    offer = reserve(cast, term, models[0])
    client.force_login(cast.owner_trader)
    shown = text_of(client, "supply:offer", offer.pk)
    assert "× 0.989 nP a card" in shown
    assert f"T{term.pk}" in text_of(client, "supply:offers")
    assert client.get(reverse("supply:amend_offer", args=[offer.pk])).status_code == 200
    assert client.get(reverse("home")).status_code == 200
    csv = client.get(reverse("supply:offers") + "?format=csv")
    assert csv.status_code == 200
    book = client.get(f"/api/v1/offers/{offer.pk}", headers=bearer(cast.token(cast.owner, "read")))
    assert (book.json()["asks"], book.json()["np_per_card"]) == ([], "0.989000")
    client.force_login(cast.buyer_trader)
    form = client.get(reverse("demand:create"), {"under": term.pk, "unit": "np", "workload": "training"})
    assert form.status_code == 200
    request = call_off(cast, term, "2")
    assert client.get(reverse("demand:request", args=[request.pk])).status_code == 200


def test_its_months_charges_and_documents_are_in_np_hours(cast: Cast, client: Client, settings: Any) -> None:
    models = two_models()
    settings.BILLING_PERIOD = "hours:4"
    make_billing_facts(cast.buyer.jurisdiction, cast.owner.jurisdiction)
    term = short_months(cast, settings)
    reserve(cast, term, models[0])
    delivery = placed(cast, term, 0, "3.956", hours=1)
    deliver(delivery, 4)
    settled = settle_at(NOON + MONTH + HOUR)
    assert settled is not None
    close(NOON + MONTH + 3 * HOUR)
    charge = Charge.objects.get(kind="shortfall")
    line = Line.objects.get(item="shortfall", document__kind="invoice")
    assert line.amount == 1456
    for document in Document.objects.all():
        assert not replay_bill(document).differences
    client.force_login(cast.buyer_admin)
    assert "4.04" in text_of(client, "billing:term_months", term.pk)
    assert "nP-h" in text_of(client, "billing:term_months", term.pk)
    assert "Shortfall: 4.04 nP-h" in text_of(client, "billing:charge", charge.pk)
    assert "4.04 nP-h" in text_of(client, "billing:rating_run", settled.pk)
    assert "4.04 nP-h" in text_of(client, "billing:usage")
    number = line.document.number
    assert "4.04 nP-h" in text_of(client, "billing:invoice", number)
    assert "for 4.04 nP-h" in text_of(client, "billing:invoice_line", number, line.pk)
    assert "0.989 nP" in text_of(client, "agreements:agreement", delivery.agreement_id)
    headers = bearer(cast.token(cast.buyer, "read"))
    month = client.get(f"/api/v1/term-agreements/{term.pk}/months", headers=headers).json()["results"][0]
    assert (month["unit"], month["shortfall"]) == ("micro-nP-seconds", 4_044_000 * 3600)
    found = client.get(f"/api/v1/charges/{charge.pk}", headers=headers)
    assert found.json()["unit"] == "micro-nP-seconds"
    assert Decimal(found.json()["amount"]) == Decimal("14.5584")
    assert [each.unit for each in printed(line.document).lines if each.line.item] == ["nP-h"]
