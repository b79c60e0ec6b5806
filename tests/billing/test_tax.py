"""Tax is a fact with dates and places. Where it is missing, nothing is invoiced."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Organisation
from billing.invoicing import services
from billing.invoicing.models import Document, DocumentTax, Line, ParkedBilling, TaxRule
from billing.invoicing.reference import end_tax_rule, load_reference, read_tax_rules
from billing.invoicing.selectors import drafts_for, open_charges_for, parked_billing_for
from billing.ledger.models import Account
from billing.ledger.selectors import balance, open_amounts, trial_balance
from tests.billing.builders import HOUR, RATER, make_delivery, make_tax_rule, rate_at, refused
from tests.billing.scenes import APRIL, close, use, used
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def _held() -> dict[str, int]:
    return {account.kind: balance(account) for account in Account.objects.all()}


def test_tax_is_added_on_both_sides_and_booked_as_owed_and_reclaimable(cast: Cast) -> None:
    make_tax_rule("CN", "CN", "0.06")
    used(cast.owner, cast.buyer)
    rate_at()
    close()
    invoice, statement = Document.objects.order_by("kind")
    assert (invoice.net, invoice.tax, invoice.total) == (10_000, 600, 10_600)
    assert (statement.net, statement.tax, statement.total) == (9_700, 582, 10_282)
    assert _held() == {
        "receivable": 10_600, "payable": -10_282, "commission": -300, "tax_owed": -600, "tax_paid": 582,
    }  # fmt: skip
    assert trial_balance().balances
    assert open_amounts(Account.Kind.RECEIVABLE, [invoice.number]) == {invoice.number: 10_600}
    assert open_amounts(Account.Kind.PAYABLE, [statement.number]) == {statement.number: -10_282}


def test_tax_is_on_the_sum_of_the_lines_and_not_on_each(cast: Cast) -> None:
    """Three lines of 0.08 at 6 % are 0.0144, one fen; each by itself would be none."""
    make_tax_rule("CN", "CN", "0.06")
    for _ in range(3):
        used(cast.owner, cast.buyer, price="10", quantities=[29])
    rate_at()
    close()
    invoice = Document.objects.get(kind="invoice")
    assert [line.amount for line in invoice.lines.all()] == [8, 8, 8]
    assert (invoice.net, invoice.tax) == (24, 1)


def test_a_rate_that_changes_within_a_period_taxes_each_hour_by_its_own_day(cast: Cast) -> None:
    """Midnight is the seller's: in Shanghai the second of March begins at 16:00 UTC on the first."""
    make_tax_rule("CN", "CN", "0.06", until="2026-03-02")
    make_tax_rule("CN", "CN", "0.09", since="2026-03-02")
    start = datetime(2026, 3, 1, 15, tzinfo=UTC)
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["12.5", "12.5"], start=start)
    use(delivery, 28_800, 28_800)
    rate_at()
    close()
    invoice = Document.objects.get(kind="invoice")
    taxes = DocumentTax.objects.filter(document=invoice).order_by("rule__rate")
    assert [(tax.rule.rate, tax.base, tax.amount) for tax in taxes] == [
        (Decimal("0.06"), 10_000, 600),
        (Decimal("0.09"), 10_000, 900),
    ]
    assert [line.service_from for line in invoice.lines.order_by("service_from")] == [start, start + HOUR]


def _moves(party: Organisation, jurisdiction: str) -> None:
    Organisation.objects.filter(pk=party.pk).update(jurisdiction=jurisdiction)


def test_without_a_rule_charges_wait_and_are_invoiced_when_it_is_known(cast: Cast) -> None:
    used(cast.owner, cast.buyer)
    waiting = used(cast.owner, cast.other_buyer)
    _moves(cast.other_buyer, "EU")
    rate_at()
    close()
    assert [one.organisation for one in Document.objects.filter(kind="invoice")] == [cast.buyer]
    parked = ParkedBilling.objects.get()
    assert (parked.agreement, parked.reason) == (waiting.agreement, "no_tax_rule")
    assert (parked.details["seller"], parked.details["buyer"], parked.details["charges"]) == ("CN", "EU", 1)
    assert open_charges_for(cast.viewer_of(cast.auditor)).count() == 1
    assert parked_billing_for(cast.viewer_of(cast.operator)).count() == 1
    assert not parked_billing_for(cast.viewer_of(cast.owner_admin))
    make_tax_rule("CN", "EU", "0")
    close()
    late = Document.objects.get(kind="invoice", organisation=cast.other_buyer)
    assert (late.total, late.part, late.period) == (10_000, 1, parked.period)
    assert not parked_billing_for(cast.viewer_of(cast.operator))
    assert not open_charges_for(cast.viewer_of(cast.auditor))
    assert [one.part for one in Document.objects.filter(kind="statement").order_by("part")] == [0, 1]


def test_an_owner_whose_supply_nobody_can_tax_is_not_credited_and_its_buyer_not_billed(cast: Cast) -> None:
    used(cast.other_owner, cast.buyer)
    _moves(cast.other_owner, "EU")
    rate_at()
    close()
    assert not Document.objects.exists()
    assert ParkedBilling.objects.get().details["seller"] == "EU"


def test_without_a_policy_nothing_falls_due_so_nothing_is_invoiced(cast: Cast) -> None:
    used(cast.owner, cast.buyer)
    rate_at()
    with pytest.MonkeyPatch().context() as patch:
        patch.setattr(services, "policy_at", lambda _now: None)
        close()
    assert not Document.objects.exists()
    assert ParkedBilling.objects.get().reason == "no_policy"
    close()
    assert Document.objects.count() == 2


def test_drafts_say_what_the_documents_will_say_and_change_with_the_facts(cast: Cast) -> None:
    make_tax_rule("CN", "CN", "0.06")
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["12.5", "12.5"])
    use(delivery, 28_800)
    rate_at()
    viewer = cast.viewer_of(cast.buyer_finance)
    (planned,) = drafts_for(viewer, now=APRIL)
    assert (planned.draft.kind, planned.draft.net, planned.draft.total) == ("invoice", 10_000, 10_600)
    use(delivery, 28_800, 28_800)
    rate_at()
    (planned,) = drafts_for(viewer, now=APRIL)
    close()
    assert Document.objects.get(kind="invoice").total == planned.draft.total == 21_200
    assert drafts_for(viewer, now=APRIL) == []
    assert drafts_for(cast.viewer_of(cast.stranger), now=APRIL) == []


class TestRules:
    def test_two_rules_for_one_day_are_refused(self) -> None:
        make_tax_rule("CN", "CN", "0.06", until="2026-04-01")
        make_tax_rule("CN", "CN", "0.09", since="2026-04-01")
        with refused("tax_rule_one_at_a_time"):
            make_tax_rule("CN", "CN", "0.03", since="2030-01-01")

    def test_a_standard_rate_of_zero_is_refused(self) -> None:
        with refused("tax_rule_rate"):
            TaxRule.objects.create(
                seller="CN", buyer="CN", treatment="standard", rate=0, valid_from="2026-01-01", source="x"
            )

    @pytest.mark.parametrize(
        "change", [{"rate": Decimal("0.07")}, {"buyer": "EU"}, {"valid_from": "2020-01-01"}]
    )
    def test_a_rule_never_changes(self, change: dict[str, Any]) -> None:
        rule = make_tax_rule("CN", "CN", "0.06")
        with refused("given an end once"):
            TaxRule.objects.filter(pk=rule.pk).update(valid_until=date(2030, 1, 1), **change)
        with refused("Cannot update or delete"):
            rule.delete()

    def test_a_rule_is_ended_once(self) -> None:
        rule = make_tax_rule("CN", "CN", "0.06")
        end_tax_rule(rule, on=date(2026, 7, 1), actor=RATER, now=APRIL)
        with refused("given an end once"):
            end_tax_rule(rule, on=date(2026, 8, 1), actor=RATER, now=APRIL)

    def test_the_shipped_rules_load_once_and_leave_entered_ones_alone(self) -> None:
        mine = make_tax_rule("CN", "CN", "0.13")
        for _ in range(2):
            load_reference(actor=RATER, now=APRIL)
        assert TaxRule.objects.count() == len(list(read_tax_rules()))
        assert TaxRule.objects.get(seller="CN", buyer="CN") == mine


@pytest.mark.parametrize(
    ("base", "amount"),
    [(10_000, 600), (25, 2), (-25, -2), (8, 0), (9, 1)],
    ids=["even", "half up", "half down", "below half", "above half"],
)
def test_the_database_knows_the_same_rounding(cast: Cast, base: int, amount: int) -> None:
    """A tax that differs from its rule's rate on the sum of its lines is refused, by a fen as by a yuan."""
    make_tax_rule("CN", "CN", "0.06")
    used(cast.owner, cast.buyer)
    rate_at()
    close()
    line = Line.objects.filter(document__kind="invoice").get()
    for wrong in (amount - 1, amount + 1, amount):
        expected = "document_closed|takes no more lines" if wrong == amount else "its rule's rate"
        with refused(expected):
            _second_document(line, base, wrong)


def _second_document(line: Line, base: int, tax: int) -> None:
    """Like the line's, with one line of ``base`` and this tax; it never gets as far as its number."""
    document, rule = line.document, line.tax_rule
    facts = {name: getattr(document, name) for name in COPIED}
    made = Document.objects.create(
        number="INV-X", sequence=2, part=1, net=base, tax=tax, total=base + tax, line_count=1, **facts
    )
    line.pk, line.document, line.amount, line.counterpart = None, made, base, None
    line.save(force_insert=True)
    DocumentTax.objects.create(document=made, rule=rule, base=base, amount=tax)
    line.pk = None
    line.position = 2
    line.save(force_insert=True)


COPIED = (
    "kind", "issuer", "series", "year", "organisation", "party_name_en", "party_name_zh",
    "party_jurisdiction", "period", "currency", "finalised_at",
)  # fmt: skip
