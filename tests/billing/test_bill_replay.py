"""From any document down to the events: computed again, it is the same, or the first difference is named."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from billing.invoicing.models import Document, Line
from billing.invoicing.replay import replay_bill
from billing.metering.models import Reading
from billing.rating.models import Charge
from tests.billing.builders import HOUR, LONG_AFTER, START, agent_of, event, make_tax_rule, rate_at, send
from tests.billing.scenes import close, credit, invoiced, used
from tests.cast import Cast
from tests.pages_trade.scenes import billed, page, signed_in, status
from tests.triggers import without_triggers

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(cast: Cast) -> Document:
    make_tax_rule("CN", "CN", "0.06")
    return invoiced(cast)


def test_invoices_and_statements_are_what_their_events_make_them(cast: Cast, invoice: Document) -> None:
    for document in Document.objects.all():
        replay = replay_bill(document)
        assert replay.is_same, replay.differences
        assert (replay.lines, replay.charges, len(replay.runs), replay.readings) == (1, 1, 1, 1)


def test_a_correction_line_replays_with_the_line_that_it_corrects(cast: Cast, settings: Any) -> None:
    settings.BILLING_PERIOD = "hours:1"
    delivery = used(cast.owner, cast.buyer, quantities=(360, 720))
    rate_at(START + HOUR + HOUR / 2)
    close(START + 3 * HOUR)
    send(agent_of(cast.owner), event(delivery, "late", at=START + HOUR / 2, quantity=36))
    rate_at()
    close(LONG_AFTER)
    assert Line.objects.exclude(corrects=None).exists()
    for document in Document.objects.all():
        assert replay_bill(document).is_same


@pytest.mark.parametrize("borne_by", ["owners", "exchange"])
def test_credit_notes_are_allocated_again_each_from_what_was_left_before_it(
    cast: Cast, borne_by: str
) -> None:
    make_tax_rule("CN", "CN", "0.06")
    used(cast.owner, cast.buyer, price="0.37", quantities=(777, 1234))
    used(cast.owner, cast.buyer, price="0.11", quantities=(3333,))
    rate_at()
    close()
    invoice = Document.objects.get(kind="invoice")
    for amount in (1, 7, 11):
        credit(cast, invoice, amount, borne_by=borne_by)
    notes = Document.objects.filter(kind="credit_note")
    assert notes.count() >= 3
    for note in notes:
        assert replay_bill(note).is_same, replay_bill(note).differences


@pytest.mark.parametrize(
    ("table", "change", "named"),
    [
        ("invoicing_line", "amount = amount + 1", "net"),
        ("invoicing_line", "exact = exact + 1", "before rounding"),
        ("invoicing_documenttax", "amount = amount + 1", "tax"),
        ("invoicing_document", "net = net + 1, total = total + 1", "net"),
        ("rating_charge", "credit = credit + 1, amount = amount + 1", "before rounding"),
        ("metering_reading", "quantity = 28799", "charge A"),
        ("metering_reading", "body = replace(body, '28800', '28799')", "reading"),
        ("metering_reading", "body = body || ' '", "digest"),
    ],
)
def test_whatever_was_altered_on_the_way_is_named(
    cast: Cast, invoice: Document, table: str, change: str, named: str, capsys: Any
) -> None:
    with without_triggers(table), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {change}")
    with pytest.raises(SystemExit, match="1"):
        call_command("bill_replay", invoice.number)
    assert named in capsys.readouterr().err


def test_the_command_says_how_much_it_looked_at(cast: Cast, invoice: Document, capsys: Any) -> None:
    call_command("bill_replay", invoice.number)
    assert capsys.readouterr().out == (
        f"{invoice.number}: 1 lines, 1 charges of 1 runs, 1 readings: all of it the same\n"
    )
    with pytest.raises(CommandError, match="INV-1"):
        call_command("bill_replay", "INV-1")


def test_finance_walks_from_the_line_down_to_the_event(cast: Cast) -> None:
    scene = billed(cast)
    user, line = cast.buyer_finance, scene.invoice.lines.get()
    charge, reading = scene.charge, Reading.objects.order_by("pk").first()
    assert reading is not None
    to_charge, to_run = (
        reverse("billing:charge", args=[charge.pk]),
        reverse("billing:rating_run", args=[charge.run_id]),
    )
    to_reading = reverse("billing:reading", args=[reading.pk])
    assert to_charge in page(user, reverse("billing:invoice_line", args=[scene.invoice.number, line.pk]))
    shown = page(user, to_charge)
    assert to_run in shown
    assert to_reading in shown
    assert charge.run.charges_digest in page(user, to_run)
    body = page(user, to_reading)
    assert reading.body_digest in body
    assert "org.cardhour.meter.v1" in body


def test_a_run_shows_each_party_its_own_charges_and_the_sums_to_the_exchange_alone(cast: Cast) -> None:
    billed(cast)
    other = used(cast.other_owner, cast.other_buyer)
    rate_at()
    foreign = Charge.objects.get(agreement=other.agreement_id)
    address = reverse("billing:rating_run", args=[foreign.run_id])
    assert status(cast.buyer_finance, address) == 404
    assert "Sums of the run" in page(cast.auditor, address)
    assert "Sums of the run" not in page(cast.stranger, address)


def test_operators_and_auditors_compute_a_run_again_on_the_page(cast: Cast) -> None:
    charge = billed(cast).charge
    address = reverse("billing:rating_run_recomputed", args=[charge.run_id])
    assert "the same bytes" in page(cast.auditor, address)
    with without_triggers("rating_charge"):
        Charge.objects.filter(pk=charge.pk).update(quantity=1)
    assert f"charge A{charge.agreement_id}" in page(cast.operator, address)
    assert signed_in(cast.buyer_finance).get(address).status_code == 404
