"""Finance follows each figure down to the readings; colleagues are told why not, strangers find nothing."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from billing.invoicing.models import Line
from billing.metering.models import Reading
from billing.rating.models import Charge
from tests.cast import Cast
from tests.pages_trade.scenes import HOUR, START, Billed, billed, local, page, queries_of, rows_of_csv, status

pytestmark = pytest.mark.django_db
LISTS = ["billing:usage", "billing:invoices", "billing:statements", "billing:ledger"]


def line_of(scene: Billed) -> Line:
    return Line.objects.get(document=scene.invoice)


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_money_are_for_finance(cast: Cast, now: datetime, name: str) -> None:
    billed(cast)
    for user in (cast.buyer_finance, cast.owner_admin, cast.auditor, cast.operator):
        assert status(user, reverse(name)) == 200
    assert status(cast.buyer_viewer, reverse(name)) == 403
    assert status(cast.buyer_trader, reverse(name)) == 403
    assert status(None, reverse(name)) == 302


@pytest.mark.parametrize("name", LISTS)
def test_a_stranger_sees_none_of_it(cast: Cast, now: datetime, name: str) -> None:
    scene = billed(cast)
    shown = page(cast.stranger, reverse(name))
    for secret in (scene.invoice.number, scene.statement.number, "160.00", "Morning Light"):
        assert secret not in shown


def test_an_invoice_is_the_buyers_and_a_statement_the_owners(cast: Cast, now: datetime) -> None:
    scene = billed(cast)
    invoice = reverse("billing:invoice", args=[scene.invoice.number])
    statement = reverse("billing:statement", args=[scene.statement.number])
    assert "¥160.00" in page(cast.buyer_finance, invoice)
    assert "¥155.20" in page(cast.owner_finance, statement)
    assert (status(cast.buyer_viewer, invoice), status(cast.owner_viewer, statement)) == (403, 403)
    assert (status(cast.owner_finance, invoice), status(cast.buyer_finance, statement)) == (404, 404)
    assert (status(cast.stranger, invoice), status(cast.stranger, statement)) == (404, 404)
    assert status(cast.buyer_finance, reverse("billing:statement", args=[scene.invoice.number])) == 404


def test_every_figure_opens_down_to_the_readings(cast: Cast, now: datetime) -> None:
    scene = billed(cast)
    invoice = page(cast.buyer_finance, reverse("billing:invoice", args=[scene.invoice.number]))
    charges = reverse("billing:invoice_line", args=[scene.invoice.number, line_of(scene).pk])
    assert charges in invoice
    charge = reverse("billing:charge", args=[scene.charge.pk])
    assert charge in page(cast.buyer_finance, charges)
    shown = page(cast.buyer_finance, charge)
    reading = Reading.objects.filter(slot=scene.charge.slot).get()
    assert reading.event_id in shown
    assert reading.body_digest in shown
    assert reverse("billing:invoice", args=[scene.invoice.number]) in shown
    assert reverse("billing:statement", args=[scene.statement.number]) not in shown


def test_a_line_belongs_to_its_document(cast: Cast, now: datetime) -> None:
    scene = billed(cast)
    line = Line.objects.get(document=scene.statement)
    assert (
        status(cast.buyer_finance, reverse("billing:invoice_line", args=[scene.invoice.number, line.pk]))
        == 404
    )
    right = reverse("billing:statement_line", args=[scene.statement.number, line.pk])
    assert status(cast.owner_finance, right) == 200
    assert status(cast.owner_trader, right) == 403
    assert status(cast.stranger, right) == 404


def test_a_charge_is_open_to_both_parties(cast: Cast, now: datetime) -> None:
    address = reverse("billing:charge", args=[billed(cast).charge.pk])
    assert status(cast.buyer_viewer, address) == status(cast.owner_viewer, address) == 200
    assert status(cast.stranger, address) == 404
    assert "Credit to the owner" in page(cast.owner_viewer, address)
    assert "Credit to the owner" not in page(cast.buyer_viewer, address)


def test_the_usage_adds_up_and_its_csv_has_the_same_rows(cast: Cast, now: datetime) -> None:
    billed(cast, hours=3)
    assert "¥240.00" in page(cast.buyer_finance, reverse("billing:usage"))
    rows = rows_of_csv(cast.buyer_finance, reverse("billing:usage"))
    assert [row["Charge"] for row in rows] == [
        str(pk) for pk in Charge.objects.order_by("-slot").values_list("pk", flat=True)
    ]
    assert {row["Amount"] for row in rows} == {"80"}
    later = f"{reverse('billing:usage')}?since={local(START + 2 * HOUR)}"
    assert len(rows_of_csv(cast.buyer_finance, later)) == 1


def test_a_colleague_elsewhere_does_not_make_money_visible(cast: Cast, now: datetime) -> None:
    """Finance of one organisation, viewer of another: the other's charges stay out of the list."""
    scene = billed(cast)
    both = cast.member(cast.other_buyer, "finance")
    cast.join(both, cast.buyer, "viewer")
    assert rows_of_csv(both, reverse("billing:usage")) == []
    assert status(both, reverse("billing:invoice", args=[scene.invoice.number])) == 403
    assert status(both, reverse("billing:account_statement", args=[cast.buyer.pk, "CNY"])) == 403


def test_documents_are_downloaded_as_they_are_listed(cast: Cast, now: datetime) -> None:
    scene = billed(cast)
    (row,) = rows_of_csv(cast.buyer_finance, reverse("billing:invoices"))
    assert (row["Number"], row["Total"], row["Currency"]) == (scene.invoice.number, "160", "CNY")
    assert rows_of_csv(cast.buyer_finance, reverse("billing:statements")) == []


def test_the_ledger_shows_a_party_its_own_movements(cast: Cast, now: datetime) -> None:
    billed(cast)
    buyer = reverse("billing:account_statement", args=[cast.buyer.pk, "CNY"])
    owner = reverse("billing:account_statement", args=[cast.owner.pk, "CNY"])
    assert "¥160.00" in page(cast.buyer_finance, buyer)
    assert "¥155.20" in page(cast.owner_finance, owner)
    assert (status(cast.buyer_viewer, buyer), status(cast.buyer_finance, owner)) == (403, 404)
    assert status(cast.stranger, buyer) == 404
    (row,) = rows_of_csv(cast.buyer_finance, buyer)
    assert (row["Account"], row["Amount"], row["Balance"]) == ("receivable", "160", "160")


def test_auditors_see_that_the_ledger_balances(cast: Cast, now: datetime) -> None:
    billed(cast)
    shown = page(cast.auditor, reverse("billing:ledger"))
    assert "All accounts in CNY add up to <strong>¥0.00</strong>" in shown
    assert "The exchange" in shown


@pytest.mark.parametrize("name", [*LISTS, "billing:invoice", "billing:invoice_line", "billing:charge"])
def test_queries_do_not_grow_with_the_data(cast: Cast, now: datetime, name: str) -> None:
    def address(scene: Billed) -> str:
        args = {
            "billing:invoice": [scene.invoice.number],
            "billing:invoice_line": [scene.invoice.number, Line.objects.filter(document=scene.invoice)[0].pk],
            "billing:charge": [scene.charge.pk],
        }
        return reverse(name, args=args.get(name, []))

    small = billed(cast, hours=2)
    few = queries_of(cast.buyer_finance, address(small))
    large = billed(cast, hours=9)
    assert queries_of(cast.buyer_finance, address(large)) == few


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:00"]
)
def test_a_filter_that_no_calendar_has_shows_everything(cast: Cast, now: datetime, moment: str) -> None:
    scene = billed(cast)
    for bound in ("since", "until"):
        address = f"{reverse('billing:invoices')}?{urlencode({bound: moment})}"
        assert scene.invoice.number in page(cast.buyer_finance, address)
