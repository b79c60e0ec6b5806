"""The lists of payments and of payouts."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from billing.payments.models import Payment, Payout
from billing.payments.presentation import PaymentLine, PayoutLine
from marketplace.web import tables
from marketplace.web.tables import cells


def _invoice(line: PaymentLine) -> SafeString:
    invoice = line.payment.invoice
    if invoice is None:
        return escape(cells.NOT_KNOWN)
    return cells.link(reverse("billing:invoice", args=[invoice.number]), invoice)


def _state_of_payment(line: PaymentLine) -> SafeString:
    return cells.toned(line.tone, line.payment.get_state_display())


def _state_of_payout(line: PayoutLine) -> SafeString:
    badge = cells.toned(line.tone, line.payout.get_state_display())
    return format_html("{} {}", badge, line.payout.reason)


PAYMENTS: tables.Table[Payment, PaymentLine] = tables.registered(
    tables.Table(
        name="payments",
        title=_("Payments"),
        columns=(
            tables.Column(
                "started",
                _("Started"),
                lambda line: cells.link(
                    reverse("payments:payment", args=[line.payment.operation]),
                    cells.moment(line.payment.created_at),
                ),
                (
                    tables.Field(_("Operation"), lambda line: line.payment.operation),
                    tables.Field(_("Started"), lambda line: line.payment.created_at),
                ),
                "created_at",
                width="nowrap",
                names_the_row=True,
            ),
            tables.text(
                "party",
                _("Organisation"),
                lambda line: line.payment.organisation,
                sort="organisation__name_en",
                width="min-w-32",
            ),
            tables.text(
                "invoice",
                _("Invoice"),
                lambda line: line.payment.invoice,
                cell=_invoice,
                sort="invoice__number",
                width="nowrap",
            ),
            tables.text("by", _("By"), lambda line: line.payment.method or line.payment.get_rail_display()),
            tables.money(
                "amount",
                _("Amount"),
                lambda line: line.amount,
                lambda line: line.payment.currency,
                sort="amount",
            ),
            tables.Column(
                "state",
                _("State"),
                _state_of_payment,
                (tables.Field(_("State"), lambda line: line.payment.state),),
                "state",
            ),
        ),
        first="-started",
    )
)

PAYOUTS: tables.Table[Payout, PayoutLine] = tables.registered(
    tables.Table(
        name="payouts",
        title=_("Payouts"),
        columns=(
            tables.Column(
                "approved",
                _("Approved"),
                lambda line: cells.moment(line.payout.batch.decided_at),
                (
                    tables.Field(_("Operation"), lambda line: line.payout.operation),
                    tables.Field(_("Approved"), lambda line: line.payout.batch.decided_at),
                ),
                "batch__decided_at",
                width="nowrap",
                names_the_row=True,
            ),
            tables.text(
                "party",
                _("Owner"),
                lambda line: line.payout.organisation,
                sort="organisation__name_en",
                width="min-w-32",
            ),
            tables.text(
                "to", _("To"), lambda line: line.payout.account or line.payout.batch.get_rail_display()
            ),
            tables.money(
                "amount",
                _("Amount"),
                lambda line: line.amount,
                lambda line: line.payout.currency,
                sort="amount",
            ),
            tables.money(
                "returned", _("Returned"), lambda line: line.returned, lambda line: line.payout.currency
            ),
            tables.Column(
                "state",
                _("State"),
                _state_of_payout,
                (tables.Field(_("State"), lambda line: line.payout.state),),
                "state",
            ),
        ),
        first="-approved",
    )
)
