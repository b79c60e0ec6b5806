"""Buyers pay invoices, see what they paid, and keep methods to pay with."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Capability
from accounts.models import Organisation
from accounts.pages import show_refusal, with_organisation
from accounts.requests import PageRequest
from billing.invoicing.models import Document
from billing.invoicing.selectors import document_for, needs_finance
from billing.money import from_minor
from billing.payments import intake, methods
from billing.payments.allocating import use_credit
from billing.payments.due import Due, credit_of, due_on
from billing.payments.forms import MethodForm, PayForm, PaymentFilter
from billing.payments.intake import Wish, person_of
from billing.payments.models import BankAccount, Payment, SavedMethod
from billing.payments.presentation import payment_line
from billing.payments.rails.stripe_rail import METHODS_OF, is_set_up
from billing.payments.selectors import methods_for, payment_for, payments_for
from billing.payments.statements.references import creditor_reference
from billing.payments.tables import PAYMENTS
from marketplace.clock import market_now
from marketplace.errors import DomainError
from marketplace.web.access import may
from marketplace.web.fields import posted
from marketplace.web.listing import refused
from marketplace.web.tables import show


@login_required
@require_safe
def payments(request: PageRequest) -> HttpResponseBase:
    require_finance(request)
    choice = PaymentFilter(request.GET)
    rows = choice.of(payments_for(request.viewer))
    return show(request, PAYMENTS, rows, "payments/payments.html", {"filter": choice}, line=payment_line)


def require_finance(request: PageRequest) -> None:
    """``NotAllowed`` unless the reader may see the money of some organisation."""
    if not request.viewer.sees_everything and not request.viewer.organisations_with(Capability.FINANCE):
        raise needs_finance()


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: PageRequest, number: str) -> HttpResponse:
    """Pay an invoice, or a part of it, with a saved method or by bank transfer."""
    invoice = document_for(request.viewer, kind=Document.Kind.INVOICE, number=number)
    person_of(request.viewer, invoice.organisation_id)
    due = due_on(invoice)
    form = PayForm(
        posted(request),
        invoice=invoice,
        payable=due.payable,
        methods=_methods(invoice),
        by_transfer=_own_account(invoice) is not None,
    )
    if request.method != "POST":
        return render(request, "payments/pay.html", _pay_context(form, invoice, due))
    if form.is_valid():
        wish = Wish(invoice, form.cleaned_data["amount"], form.cleaned_data["method"])
        try:
            payment = intake.pay(wish, viewer=request.viewer, now=market_now())
        except DomainError as refusal:
            show_refusal(form, refusal)
        else:
            return redirect("payments:payment", payment.operation)
    return refused(request, "payments/pay.html", _pay_context(form, invoice, due))


def _methods(invoice: Document) -> list[SavedMethod]:
    """The saved methods that can pay in the invoice's currency."""
    rows = SavedMethod.objects.filter(
        organisation=invoice.organisation_id, removed_at=None, kind__in=METHODS_OF[invoice.currency]
    )
    return list(rows.order_by("-pk")) if is_set_up() else []


def _own_account(invoice: Document) -> BankAccount | None:
    rows = BankAccount.objects.filter(organisation=None, state=BankAccount.State.CONFIRMED)
    return rows.filter(currency=invoice.currency).first()


def _pay_context(form: PayForm, invoice: Document, due: Due) -> dict[str, object]:
    credit = credit_of(invoice.organisation_id, invoice.currency)
    return {
        "form": form,
        "invoice": invoice,
        "open": from_minor(max(due.open, 0), invoice.currency),
        "payable": from_minor(due.payable, invoice.currency),
        "under_way": from_minor(due.under_way, invoice.currency),
        "credit": from_minor(credit, invoice.currency),
        "can_use_credit": bool(credit > 0 and due.payable),
        "has_stripe": is_set_up(),
    }


@login_required
@require_POST
def pay_from_credit(request: PageRequest, number: str) -> HttpResponse:
    invoice = document_for(request.viewer, kind=Document.Kind.INVOICE, number=number)
    actor = person_of(request.viewer, invoice.organisation_id)
    used = use_credit(invoice=invoice, actor=actor, now=market_now())
    amount = from_minor(used, invoice.currency)
    messages.success(
        request,
        _("%(currency)s %(amount)s of your credit is used.")
        % {"amount": amount, "currency": invoice.currency},
    )
    return redirect("payments:pay", number)


@login_required
@require_safe
def payment(request: PageRequest, operation: uuid.UUID) -> HttpResponse:
    shown = payment_for(request.viewer, operation)
    waits = shown.state == Payment.State.REQUIRES_ACTION
    by_transfer = waits and shown.invoice is not None and not shown.method
    context = {
        "line": payment_line(shown),
        "allocations": [
            {"row": row, "amount": from_minor(row.amount, shown.currency)}
            for row in shown.allocations.select_related("invoice", "journal").order_by("pk")
        ],
        "account": _own_account(shown.invoice) if by_transfer and shown.invoice else None,
        "reference": creditor_reference(shown.invoice) if by_transfer and shown.invoice else "",
        "may_cancel": waits and may(request, Capability.FINANCE, shown.organisation_id),
        "may_ask": shown.method is not None and shown.state not in intake.FINAL,
    }
    return render(request, "payments/payment.html", context)


@login_required
@require_POST
def cancel(request: PageRequest, operation: uuid.UUID) -> HttpResponse:
    shown = payment_for(request.viewer, operation)
    intake.cancel(shown, viewer=request.viewer, now=market_now())
    messages.success(request, _("The payment is given up. The invoice can be paid in another way."))
    return redirect("payments:payment", operation)


@login_required
@require_POST
def refresh(request: PageRequest, operation: uuid.UUID) -> HttpResponse:
    """Ask Stripe what became of a payment, for a buyer who does not want to wait for the webhook."""
    shown = payment_for(request.viewer, operation)
    if shown.method is not None and shown.state not in intake.FINAL:
        person_of(request.viewer, shown.organisation_id)
        intake.look_up(shown, now=market_now())
    return redirect("payments:payment", operation)


@with_organisation
@require_http_methods(["GET", "HEAD", "POST"])
def saved_methods(request: PageRequest, organisation: Organisation) -> HttpResponse:
    """The methods to pay with. Posting asks Stripe for the page on which a new one is entered."""
    person_of(request.viewer, organisation.pk)
    form = MethodForm(posted(request))
    address = ""
    if request.method == "POST" and form.is_valid():
        address = methods.address_to_add(
            viewer=request.viewer,
            organisation=organisation,
            currency=form.cleaned_data["currency"],
            now=market_now(),
        )
    context = {
        "methods": methods_for(request.viewer).filter(organisation=organisation),
        "form": form,
        "address": address,
        "has_stripe": is_set_up(),
    }
    return render(request, "payments/methods.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def remove_method(request: PageRequest, pk: int) -> HttpResponse:
    methods.remove(
        get_object_or_404(methods_for(request.viewer), pk=pk), viewer=request.viewer, now=market_now()
    )
    messages.success(request, _("The method is removed, here and at Stripe."))
    return redirect("payments:methods")
