"""What operators of the exchange do about money: statements of the bank, payouts, accounts, events."""

from __future__ import annotations

import uuid
from functools import wraps

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Actor
from accounts.pages import P, Page, show_refusal
from accounts.requests import PageRequest
from billing.payments import balances, bank_accounts, payouts, tasks, webhooks
from billing.payments.forms import (
    BankAccountForm,
    BatchForm,
    DecisionForm,
    FailureForm,
    HoldForm,
    StatementForm,
)
from billing.payments.models import BankLine, RailName
from billing.payments.presentation import bank_line, hold_line, payout_line, seen_line, tone_of
from billing.payments.selectors import (
    bank_accounts_for,
    bank_lines_for,
    bank_statements_for,
    batches_for,
    holds_for,
    payouts_for,
    provider_events_for,
)
from billing.payments.statements import by_hand, importing
from billing.payments.statements.parsing import LARGEST_FILE, StatementWrong
from marketplace.clock import market_now
from marketplace.errors import DomainError, InvalidInput
from marketplace.web.fields import posted
from marketplace.web.listing import page_of, refused

MOST_SHOWN = 500


def of_the_exchange(view: Page[P]) -> Page[P]:
    """To everybody but auditors and operators the page does not exist."""

    @wraps(view)
    def wrapped(request: PageRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.viewer.sees_everything:
            raise Http404
        return view(request, *args, **kwargs)

    return login_required(wrapped)


@of_the_exchange
@require_http_methods(["GET", "HEAD", "POST"])
def bank(request: PageRequest) -> HttpResponse:
    """Statements, and the lines that nobody recognised; posting uploads a statement."""
    form = StatementForm(posted(request), request.FILES or None)
    if request.method == "POST":
        payouts.operator_of(request.viewer)
        if form.is_valid():
            try:
                statement = importing.upload(
                    account=form.cleaned_data["account"],
                    file_name=form.cleaned_data["file"].name,
                    content=_content(form.cleaned_data["file"]),
                    viewer=request.viewer,
                    now=market_now(),
                )
            except DomainError as refusal:
                show_refusal(form, refusal)
            else:
                return redirect("payments:bank_statement", statement.pk)
        return refused(request, "payments/bank.html", _bank_context(request, form))
    return render(request, "payments/bank.html", _bank_context(request, form))


def _content(file: UploadedFile[bytes]) -> bytes:
    if (file.size or 0) > LARGEST_FILE:
        raise StatementWrong(_("The file is larger than 8 MiB."))
    content: bytes = file.read()
    return content


def _bank_context(request: PageRequest, form: StatementForm) -> dict[str, object]:
    unmatched = bank_lines_for(request.viewer).filter(state=BankLine.State.UNMATCHED)
    return {
        "form": form,
        "unmatched": [bank_line(each) for each in unmatched[:MOST_SHOWN]],
        "unmatched_count": unmatched.count(),
        "page": page_of(request, bank_statements_for(request.viewer)),
    }


@of_the_exchange
@require_safe
def bank_statement(request: PageRequest, pk: int) -> HttpResponse:
    """Before the import: what each line would be taken for. Afterwards: what became of it."""
    statement = get_object_or_404(bank_statements_for(request.viewer), pk=pk)
    context: dict[str, object] = {"statement": statement}
    if statement.state == statement.State.PREVIEWED:
        seen = importing.preview(statement)
        context["seen"] = [seen_line(line, match, statement.account.currency) for line, match in seen]
    else:
        lines = bank_lines_for(request.viewer).filter(statement=statement)
        context["lines"] = [bank_line(each) for each in lines]
    return render(request, "payments/bank_statement.html", context)


@of_the_exchange
@require_POST
def import_statement(request: PageRequest, pk: int) -> HttpResponse:
    statement = get_object_or_404(bank_statements_for(request.viewer), pk=pk)
    lines = importing.import_statement(statement, viewer=request.viewer, now=market_now())
    messages.success(request, _("%(count)s lines are booked.") % {"count": len(lines)})
    return redirect("payments:bank_statement", pk)


@of_the_exchange
@require_POST
def discard_statement(request: PageRequest, pk: int) -> HttpResponse:
    statement = get_object_or_404(bank_statements_for(request.viewer), pk=pk)
    importing.discard(statement, viewer=request.viewer, now=market_now())
    return redirect("payments:bank")


@of_the_exchange
@require_http_methods(["GET", "HEAD", "POST"])
def decide_line(request: PageRequest, pk: int) -> HttpResponse:
    """Say what a line of the statement is."""
    line = get_object_or_404(bank_lines_for(request.viewer), pk=pk)
    form = DecisionForm(posted(request))
    context = {"form": form, "each": bank_line(line)}
    if request.method == "POST":
        payouts.operator_of(request.viewer)
        if form.is_valid():
            try:
                by_hand.decide(line, form.decision(), viewer=request.viewer, now=market_now())
            except DomainError as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, _("The line is booked."))
                return redirect("payments:bank")
        return refused(request, "payments/bank_line.html", context)
    return render(request, "payments/bank_line.html", context)


@of_the_exchange
@require_http_methods(["GET", "HEAD", "POST"])
def batches(request: PageRequest) -> HttpResponse:
    """Batches of payouts; posting drafts one of everything that can be paid."""
    form = BatchForm(posted(request))
    if request.method == "POST":
        payouts.operator_of(request.viewer)
        if form.is_valid():
            try:
                batch = payouts.make_batch(viewer=request.viewer, now=market_now(), **form.cleaned_data)
            except DomainError as refusal:
                show_refusal(form, refusal)
            else:
                return redirect("payments:batch", batch.pk)
        return refused(request, "payments/batches.html", _batches_context(request, form))
    return render(request, "payments/batches.html", _batches_context(request, form))


def _batches_context(request: PageRequest, form: BatchForm) -> dict[str, object]:
    page = page_of(request, batches_for(request.viewer))
    page.object_list = [{"batch": each, "tone": tone_of(each.state)} for each in page.object_list]
    return {
        "form": form,
        "page": page,
        "holds": [hold_line(each) for each in holds_for(request.viewer)],
        "hold_form": HoldForm(),
    }


@of_the_exchange
@require_safe
def batch(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(batches_for(request.viewer), pk=pk)
    lines = [payout_line(each) for each in payouts_for(request.viewer).filter(batch=shown).order_by("pk")]
    mine = request.viewer.actor is not None and request.viewer.actor.user == shown.made_by
    context = {
        "batch": shown,
        "tone": tone_of(shown.state),
        "lines": lines,
        "total": sum(line.amount for line in lines),
        "may_approve": request.viewer.is_operator and not mine,
        "by_bank": shown.rail == RailName.BANK,
    }
    return render(request, "payments/batch.html", context)


@of_the_exchange
@require_POST
def approve(request: PageRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(batches_for(request.viewer), pk=pk)
    payouts.approve(batch, viewer=request.viewer, now=market_now())
    if batch.rail == RailName.STRIPE:
        tasks.send_payouts.delay(batch.pk)
    messages.success(request, _("The batch is approved, and its payouts are on their way."))
    return redirect("payments:batch", pk)


@of_the_exchange
@require_POST
def reject(request: PageRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(batches_for(request.viewer), pk=pk)
    payouts.reject(batch, viewer=request.viewer, now=market_now())
    messages.success(request, _("The batch is rejected. Nothing is paid."))
    return redirect("payments:batch", pk)


@of_the_exchange
@require_safe
def batch_file(request: PageRequest, pk: int) -> HttpResponse:
    """The pain.001 file as it was approved."""
    batch = get_object_or_404(batches_for(request.viewer).exclude(file=None), pk=pk)
    response = HttpResponse(bytes(batch.file or b""), content_type="application/xml")
    response["Content-Disposition"] = f'attachment; filename="cardhour-payouts-{batch.pk}.xml"'
    return response


@of_the_exchange
@require_POST
def payout_failed(request: PageRequest, operation: uuid.UUID) -> HttpResponse:
    """The bank refused one payment of the file."""
    payout = get_object_or_404(payouts_for(request.viewer), operation=operation)
    form = FailureForm(request.POST)
    payouts.operator_of(request.viewer)
    if not form.is_valid():
        raise InvalidInput(_("Say what the bank said."))
    payouts.fail_by_hand(payout, viewer=request.viewer, why=form.cleaned_data["why"], now=market_now())
    return redirect("payments:batch", payout.batch_id)


@of_the_exchange
@require_POST
def hold(request: PageRequest) -> HttpResponse:
    """Keep a part of what an owner is owed from being paid out."""
    user = payouts.operator_of(request.viewer)
    form = HoldForm(request.POST)
    if not form.is_valid():
        wrong = {name: " ".join(map(str, problems)) for name, problems in form.errors.items()}
        raise InvalidInput(_("Nothing is held."), wrong)
    balances.hold(
        organisation=form.cleaned_data["organisation"],
        currency=form.cleaned_data["currency"],
        amount=form.minor(),
        cause=f"operator:{uuid.uuid4()}",
        why=form.cleaned_data["why"],
        actor=Actor(user=user),
        now=market_now(),
    )
    return redirect("payments:batches")


@of_the_exchange
@require_POST
def release(request: PageRequest, pk: int) -> HttpResponse:
    user = payouts.operator_of(request.viewer)
    held = get_object_or_404(holds_for(request.viewer), pk=pk)
    balances.release(held, actor=Actor(user=user), now=market_now())
    return redirect("payments:batches")


@of_the_exchange
@require_http_methods(["GET", "HEAD", "POST"])
def accounts(request: PageRequest) -> HttpResponse:
    """All bank accounts; posting enters one of the exchange's own."""
    form = BankAccountForm(posted(request))
    if request.method == "POST":
        payouts.operator_of(request.viewer)
        if form.is_valid():
            try:
                bank_accounts.propose(
                    entered=form.entered(), organisation=None, viewer=request.viewer, now=market_now()
                )
            except DomainError as refusal:
                show_refusal(form, refusal)
            else:
                return redirect("payments:accounts")
        return refused(request, "payments/accounts.html", _accounts_context(request, form))
    return render(request, "payments/accounts.html", _accounts_context(request, form))


def _accounts_context(request: PageRequest, form: BankAccountForm) -> dict[str, object]:
    user = request.viewer.actor.user if request.viewer.actor else None
    page = page_of(request, bank_accounts_for(request.viewer))
    page.object_list = [
        {"account": each, "may_confirm": request.viewer.is_operator and each.proposed_by != user}
        for each in page.object_list
    ]
    return {"form": form, "page": page}


@of_the_exchange
@require_POST
def confirm_account(request: PageRequest, pk: int) -> HttpResponse:
    account = get_object_or_404(bank_accounts_for(request.viewer), pk=pk)
    bank_accounts.confirm(account, viewer=request.viewer, now=market_now())
    messages.success(request, _("The account is confirmed, and used from now on."))
    return redirect("payments:accounts")


@of_the_exchange
@require_safe
def events(request: PageRequest) -> HttpResponse:
    """What Stripe told us: what is open first, then everything, newest first."""
    rows = provider_events_for(request.viewer)
    open_ones = rows.filter(state__in=webhooks.OPEN)
    page = page_of(request, rows)
    page.object_list = [{"event": each, "tone": tone_of(each.state)} for each in page.object_list]
    context = {
        "page": page,
        "open": [{"event": each, "tone": tone_of(each.state)} for each in open_ones[:MOST_SHOWN]],
        "open_count": open_ones.count(),
    }
    return render(request, "payments/events.html", context)


@of_the_exchange
@require_POST
def retry_event(request: PageRequest, pk: int) -> HttpResponse:
    """Handle an event that waits or failed, now."""
    payouts.operator_of(request.viewer)
    event = get_object_or_404(provider_events_for(request.viewer), pk=pk)
    webhooks.handle(event.pk, now=market_now())
    return redirect("payments:events")
