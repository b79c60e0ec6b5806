"""Pages of money: usage and the ledger. Every figure opens what it was made of."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.actors import Capability
from accounts.models import Organisation
from accounts.requests import PageRequest
from accounts.selectors import organisations_for
from billing.access import require_finance
from billing.burndown import BurnDown, burn_down
from billing.forms import ChargeFilter
from billing.invoicing.models import Line
from billing.invoicing.selectors import documents_for, needs_finance, open_charges_for
from billing.ledger.selectors import accounts_for, checks_for, differences_for, statement_of
from billing.presentation import (
    PostingLine,
    account_lines,
    card_hours,
    charge_line,
    line_of_document,
    posting_line,
)
from billing.rating.disputes import speaks_for
from billing.rating.models import Charge, ServiceLevel
from billing.rating.selectors import charges_for, disputes_of, history_of, readings_of, totals_of
from billing.tables import CHARGES, WITH_DOCUMENTS
from marketplace.agreements.models import Agreement
from marketplace.agreements.selectors import placed_for
from marketplace.web.listing import ROWS_A_CHUNK, Field, as_csv, csv_link, page_of
from marketplace.web.tables import show

HOURS_A_PAGE = 48


@login_required
@require_safe
def usage(request: PageRequest) -> HttpResponseBase:
    require_finance(request)
    choice = ChargeFilter(request.GET)
    rows = choice.of(_of_finance(request, charges_for(request.viewer)))
    waiting = totals_of(_of_finance(request, open_charges_for(request.viewer)))
    context = {"filter": choice, "waiting": list(waiting)}
    return show(
        request,
        CHARGES,
        rows,
        "billing/usage.html",
        context,
        line=lambda each: charge_line(each, request.organisation),
        aside=() if _sells(request) else ("commission", "credit"),
    )


@login_required
@require_safe
def charge(request: PageRequest, pk: int) -> HttpResponse:
    """A charge with the readings that it counted; both parties may look."""
    shown = get_object_or_404(charges_for(request.viewer).select_related(*WITH_DOCUMENTS), pk=pk)
    readings = readings_of(shown)
    level = ServiceLevel.objects.filter(charge=shown).first()
    context = {
        "line": charge_line(shown),
        "readings": page_of(request, readings),
        "history": [
            charge_line(each, request.organisation)
            for each in history_of(shown).select_related(*WITH_DOCUMENTS)
        ],
        "finance": _sees_money_of(request, shown.agreement.buyer_id, shown.agreement.owner_id),
        "sells": request.viewer.may(Capability.READ, shown.agreement.owner_id),
        "disputes": disputes_of(shown),
        "buys": speaks_for(request.viewer, shown.agreement.buyer_id),
        "report_name": f"page {uuid.uuid4()}",
        "level": level,
        "months_of": reverse("agreements:term", args=[shown.agreement.term_id])
        if shown.agreement.kind == Agreement.Kind.TERM
        else None,
        "short_slots": [(datetime.fromisoformat(slot), *rest) for slot, *rest in level.short_slots]
        if level
        else [],
    }
    return render(request, "billing/charge.html", context)


@login_required
@require_safe
def agreement_usage(request: PageRequest, pk: int) -> HttpResponse:
    """What of an agreement was sold, metered and charged; the agreement's page shows this as well."""
    shown = get_object_or_404(placed_for(request.viewer), pk=pk)
    burned = burn_down(shown, request.viewer)
    lines = Line.objects.filter(agreement=shown, document__in=documents_for(request.viewer).order_by())
    context = {
        "agreement": shown,
        "burned": burned,
        "committed": card_hours(burned.committed),
        "allocated": card_hours(burned.allocated),
        "active": card_hours(burned.active),
        "charged": card_hours(burned.charged),
        "page": _hours_page(request, burned),
        "lines": [
            line_of_document(each, shown.currency)
            for each in lines.select_related("document__period", "agreement").order_by("document")
        ],
        "finance": _sees_money_of(request, shown.buyer_id, shown.owner_id),
    }
    return render(request, "billing/agreement_usage.html", context)


@login_required
@require_safe
def ledger(request: PageRequest) -> HttpResponse:
    """The accounts and what they hold; for auditors the sum of all, which is zero."""
    require_finance(request)
    accounts = account_lines(accounts_for(request.viewer))
    sums: dict[str, object] = {}
    if request.viewer.sees_everything:
        currencies = sorted({each.account.currency for each in accounts})
        sums = {
            currency: sum(each.balance for each in accounts if each.account.currency == currency)
            for currency in currencies
        }
    context = {
        "accounts": accounts,
        "page": page_of(request, accounts),
        "sums": sums,
        "differences": differences_for(request.viewer).count(),
    }
    return render(request, "billing/ledger.html", context)


@login_required
@require_safe
def ledger_checks(request: PageRequest) -> HttpResponse:
    """What should agree with the ledger and does not, for operators and auditors."""
    if not request.viewer.sees_everything:
        raise Http404
    differences = differences_for(request.viewer)
    context = {"page": page_of(request, differences), "last": checks_for(request.viewer).first()}
    return render(request, "billing/ledger_checks.html", context)


POSTINGS: Sequence[Field[PostingLine]] = (
    Field(gettext_lazy("Effective"), lambda line: line.posting.journal.effective_at),
    Field(gettext_lazy("Booked"), lambda line: line.posting.journal.booked_at),
    Field(gettext_lazy("Journal"), lambda line: line.posting.journal.key),
    Field(gettext_lazy("Account"), lambda line: line.posting.account.kind),
    Field(gettext_lazy("Document"), lambda line: line.posting.item),
    Field(gettext_lazy("Amount"), lambda line: line.amount),
    Field(gettext_lazy("Balance"), lambda line: line.running),
)


@login_required
@require_safe
def account_statement(request: PageRequest, organisation: int, currency: str) -> HttpResponseBase:
    """Every movement on the accounts of one party in one currency, oldest first."""
    party = get_object_or_404(organisations_for(request.viewer), pk=organisation)
    if not request.viewer.may(Capability.FINANCE, party.pk):
        raise needs_finance()
    rows = statement_of(request.viewer, party, currency.upper())
    if request.GET.get("format") == "csv":
        return as_csv("cardhour-ledger", POSTINGS, map(posting_line, rows.iterator(ROWS_A_CHUNK)))
    page = page_of(request, rows)
    page.object_list = [posting_line(each) for each in page.object_list]
    context = {"party": party, "currency": currency.upper(), "page": page, "csv": csv_link(request)}
    return render(request, "billing/account_statement.html", context)


def _hours_page(request: PageRequest, burned: BurnDown) -> Page[Any]:
    page = page_of(request, burned.slots, HOURS_A_PAGE)
    page.object_list = [
        {"use": use, **{name: _hours(getattr(use, name)) for name in ("committed", "allocated", "charged")}}
        for use in page.object_list
    ]
    return page


def _hours(card_seconds: int | None) -> Decimal | None:
    return None if card_seconds is None else card_hours(card_seconds)


def _of_finance(request: PageRequest, rows: QuerySet[Charge]) -> QuerySet[Charge]:
    """Those of organisations whose money the reader may see."""
    if request.viewer.sees_everything:
        return rows
    mine = request.viewer.organisations_with(Capability.FINANCE)
    return rows.filter(Q(agreement__buyer__in=mine) | Q(agreement__owner__in=mine))


def _sees_money_of(request: PageRequest, *organisations: int) -> bool:
    return any(request.viewer.may(Capability.FINANCE, pk) for pk in organisations)


def _sells(request: PageRequest) -> bool:
    """Whether what owners are credited is of interest: to owners, auditors and operators."""
    organisation = request.organisation
    return request.viewer.sees_everything or bool(
        organisation and organisation.kind == Organisation.Kind.OWNER
    )
