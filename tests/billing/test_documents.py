"""Documents on paper and in other people's tools, and their numbers."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pypdf import PdfReader

from accounts.models import Organisation
from billing.invoicing import pdf
from billing.invoicing.focus import as_focus
from billing.invoicing.models import Document
from billing.invoicing.pdf import PdfUnavailable, render_pdf
from billing.invoicing.selectors import documents_to_export
from billing.money import from_minor
from tests.billing import focus_rules
from tests.billing.builders import (
    HOUR,
    MINUTE,
    START,
    agent_of,
    event,
    make_delivery,
    make_tax_rule,
    rate_at,
    send,
)
from tests.billing.scenes import close, credit, invoiced, use, used
from tests.cast import Cast
from tests.factories import make_fleet, make_region, make_site, make_zone

pytestmark = pytest.mark.django_db


def _export(cast: Cast, **who: Any) -> str:
    viewer = cast.viewer_of(who.get("user", cast.buyer_finance))
    return "".join(as_focus(documents_to_export(viewer)))


def _amounts(text: str) -> dict[str, Decimal]:
    """What the rows of each invoice add up to."""
    sums: dict[str, Decimal] = {}
    for row in focus_rules.rows_of(text):
        sums[row["InvoiceId"]] = sums.get(row["InvoiceId"], Decimal(0)) + Decimal(row["BilledCost"])
    return sums


def test_focus_keeps_the_rules_of_its_columns_and_adds_up_to_the_documents(cast: Cast, settings: Any) -> None:
    settings.BILLING_PERIOD = "hours:2"
    make_tax_rule("CN", "CN", "0.06")
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    agent = agent_of(cast.owner)
    send(agent, *(event(delivery, str(hour), at=START + hour * HOUR, quantity=360) for hour in (0, 1)))
    rate_at(START + 90 * MINUTE)
    close(START + 2 * HOUR)
    send(agent, event(delivery, "late", at=START + MINUTE, quantity=36))
    rate_at()
    close(START + 4 * HOUR)
    note = credit(cast, Document.objects.filter(kind="invoice").earliest("pk"), 50)
    text = _export(cast)
    assert focus_rules.problems(text) == []
    expected = {
        document.number: from_minor(document.total, "CNY") * (-1 if document == note else 1)
        for document in Document.objects.filter(organisation=cast.buyer)
    }
    assert _amounts(text) == expected
    classes = {(row["ChargeCategory"], row["ChargeClass"]) for row in focus_rules.rows_of(text)}
    assert classes == {("Usage", ""), ("Usage", "Correction"), ("Tax", ""), ("Tax", "Correction")}


def test_the_rules_notice_what_is_wrong(cast: Cast) -> None:
    """Or passing them would prove nothing."""
    invoiced(cast)
    text = _export(cast)
    assert focus_rules.problems(text) == []
    for wrong, problem in (
        (text.replace("Usage-Based", "Sometimes"), "ChargeFrequency may not be Sometimes"),
        (text.replace("BilledCost", "Cost"), "BilledCost is missing"),
        (text.replace("\n100.00,", "\n1e2,", 1), "BilledCost is no number"),
        (text.replace("Card-Hours", ""), "PricingUnit must not be null"),
        (re.sub(r"T\d\d:\d\d:\d\dZ", "", text), "is no UTC time"),
    ):
        assert any(problem in found for found in focus_rules.problems(wrong)), problem


def test_focus_shows_each_its_own(cast: Cast) -> None:
    invoiced(cast)
    assert len(focus_rules.rows_of(_export(cast, user=cast.stranger))) == 0
    assert len(focus_rules.rows_of(_export(cast, user=cast.owner_finance))) == 0
    assert len(focus_rules.rows_of(_export(cast, user=cast.auditor))) == 1


class TestPdf:
    """As far as a reader of PDF sees it: its text, its fonts."""

    @pytest.mark.parametrize(
        ("language", "words"),
        [("en", ["Morning Light AI", "Invoice"]), ("zh-hans", ["晨光智能"])],
    )
    @pytest.mark.parametrize(("currency", "sign"), [("CNY", "¥"), ("USD", "$"), ("EUR", "€")])
    def test_is_made_in_both_languages_and_all_currencies(
        self, cast: Cast, language: str, words: list[str], currency: str, sign: str
    ) -> None:
        make_tax_rule("CN", "CN", "0.06")
        invoice = _in(cast, currency)
        made = render_pdf(invoice, language=language)
        text = _text(made)
        for expected in (invoice.number, f"{sign}106.00", f"{sign}6.00", *words):
            assert expected in text
        assert _fonts(made) == {"Cardhour-Sans", "Cardhour-Sans-Bold"}

    def test_is_the_same_every_time(self, cast: Cast) -> None:
        invoice = invoiced(cast)
        assert render_pdf(invoice, language="en") == render_pdf(invoice, language="en")

    def test_names_the_party_as_it_was(self, cast: Cast) -> None:
        invoice = invoiced(cast)
        Organisation.objects.filter(pk=cast.buyer.pk).update(name_en="Somebody Else")
        assert "Somebody Else" not in _text(render_pdf(Document.objects.get(pk=invoice.pk), language="en"))

    def test_says_what_to_install_where_it_cannot_be_made(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def without_pango() -> None:
            raise OSError("cannot load library 'libpango-1.0-0'")

        monkeypatch.setattr(pdf, "_typesetter", without_pango)
        with pytest.raises(PdfUnavailable, match="libpango"):
            render_pdf(invoiced(cast), language="en")


def _in(cast: Cast, currency: str) -> Document:
    """100.00 before tax, in the currency of the site's zone."""
    region = make_region(f"region-{currency}".lower(), make_zone(f"zone-{currency}".lower(), currency))
    fleet = make_fleet(make_site(cast.owner, region), cards=8)
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["12.5"], fleet=fleet)
    use(delivery, 28_800)
    rate_at()
    close()
    return Document.objects.get(kind="invoice", currency=currency)


def _text(made: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(made)).pages)


def _fonts(made: bytes) -> set[str]:
    """The fonts that are in the file, without the prefix that says which characters of them."""
    (page,) = PdfReader(io.BytesIO(made)).pages
    return {str(font["/BaseFont"]).partition("+")[2] for font in page["/Resources"]["/Font"].values()}


class TestNumbers:
    def test_a_year_begins_when_it_begins_for_the_issuer(self, cast: Cast) -> None:
        """Shanghai has the first of January at 16:00 UTC on the last of December."""
        used(cast.owner, cast.buyer)
        rate_at()
        close(datetime(2026, 12, 31, 15, 59, tzinfo=UTC))
        assert Document.objects.get(kind="invoice").number == "INV-2026-000001"

    def test_and_not_later(self, cast: Cast) -> None:
        used(cast.owner, cast.buyer)
        rate_at()
        close(datetime(2026, 12, 31, 16, tzinfo=UTC))
        assert Document.objects.get(kind="invoice").number == "INV-2027-000001"

    def test_issuers_count_apart_and_keep_their_facts(self, cast: Cast, settings: Any) -> None:
        settings.BILLING_PERIOD = "hours:2"
        used(cast.owner, cast.buyer, quantities=[28_800, 28_800, 28_800])
        rate_at()
        close(START + 2 * HOUR)
        settings.INVOICE_ISSUER = settings.INVOICE_ISSUER | {"code": "HK", "name_en": "Cardhour (Hong Kong)"}
        close(START + 4 * HOUR)
        invoices = Document.objects.filter(kind="invoice").order_by("pk")
        assert [one.number for one in invoices] == ["INV-2026-000001", "HK-INV-2026-000001"]
        assert [one.issuer.name_en for one in invoices] == ["Cardhour", "Cardhour (Hong Kong)"]
