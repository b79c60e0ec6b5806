"""Paying owners: one operator puts a batch together, another one approves it, then it goes out.

A payout is booked when its batch is approved, before anything is sent: what is on its way is owed no more,
so nothing is sent twice. If it fails, a journal of its own puts it back.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Viewer, task_actor
from accounts.models import Organisation, User
from billing.ledger.models import Account, Journal
from billing.ledger.services import Leg
from billing.money import from_minor
from billing.payments import pain001, telling
from billing.payments.balances import Balance, balance_of, balances_of, statements_paid_by
from billing.payments.booking import IN_TRANSIT, STRIPE, Cause, book, move, reverse
from billing.payments.models import BankAccount, ConnectedAccount, Payout, PayoutBatch, RailName
from billing.payments.rails import Answer, Outcome, PayOut
from billing.payments.rails.choice import rail_of
from marketplace.errors import DomainError, NotAllowed
from marketplace.notifications.models import Kind
from marketplace.notifications.services import notify

SENDER = task_actor("payments.send_payouts")
State = Payout.State
BatchState = PayoutBatch.State
MOST_TRIES = 4


class PayoutRefused(DomainError):
    code = "payout_refused"
    title = gettext_noop("The payouts cannot go out like this")


def operator_of(viewer: Viewer) -> User:
    """The person who works for the exchange; auditors only look."""
    user = viewer.actor.user if viewer.actor else None
    if user is None or not viewer.is_operator:
        raise NotAllowed(_("Only operators of the exchange do this."))
    return user


@transaction.atomic
def make_batch(*, viewer: Viewer, rail: str, currency: str, now: datetime) -> PayoutBatch:
    """Draft a payout of everything that is available, for every owner with a place to send it to."""
    maker = operator_of(viewer)
    account = _own_account(currency) if rail == RailName.BANK else None
    batch = PayoutBatch.objects.create(
        rail=rail, currency=currency, account=account, made_by=maker, made_at=now
    )
    drafts = [draft for draft in _drafts(batch) if draft is not None]
    if not drafts:
        raise PayoutRefused(_("No owner has an amount in this currency and a confirmed place to send it to."))
    for draft in drafts:
        draft.save(force_insert=True)
    _record_batch("payments.payouts_drafted", batch, user=maker, now=now)
    return batch


def _own_account(currency: str) -> BankAccount:
    found = BankAccount.objects.filter(organisation=None, currency=currency, state="confirmed").first()
    if found is None:
        raise PayoutRefused(_("The exchange has no confirmed bank account in this currency."))
    return found


def _drafts(batch: PayoutBatch) -> list[Payout | None]:
    owners = Organisation.objects.filter(kind=Organisation.Kind.OWNER)
    return [
        _draft(batch, each)
        for each in balances_of(owners)
        if each.currency == batch.currency and each.available > 0
    ]


def _draft(batch: PayoutBatch, owed: Balance) -> Payout | None:
    facts = {
        "batch": batch,
        "organisation": owed.organisation,
        "currency": owed.currency,
        "amount": owed.available,
    }
    if batch.rail == RailName.BANK:
        accounts = BankAccount.objects.filter(organisation=owed.organisation, currency=owed.currency)
        account = accounts.filter(state=BankAccount.State.CONFIRMED).first()
        return Payout(**facts, account=account) if account else None
    connected = ConnectedAccount.objects.filter(organisation=owed.organisation, may_receive=True).first()
    return Payout(**facts, connected=connected) if connected else None


@transaction.atomic
def approve(batch: PayoutBatch, *, viewer: Viewer, now: datetime) -> PayoutBatch:
    """Let a batch go out. Whoever made it may not; the database refuses that as well."""
    approver = operator_of(viewer)
    locked = _lock(batch)
    if locked.made_by_id == approver.pk:
        raise NotAllowed(_("Somebody else must approve what you have put together."))
    payouts = list(locked.payouts.select_related("organisation", "account", "connected").order_by("pk"))
    for payout in payouts:
        _check_owed(payout)
    if locked.rail == RailName.BANK:
        content = pain001.file_of(locked, payouts, now=now)
        locked.file, locked.sha256 = content, hashlib.sha256(content).hexdigest()
    locked.state, locked.decided_by, locked.decided_at = BatchState.APPROVED, approver, now
    locked.save()
    actor = Actor(user=approver)
    for payout in payouts:
        payout.journal = _take_from_owner(payout, actor=actor, now=now)
        payout.state = State.INSTRUCTED
        payout.save()
    _record_batch("payments.payouts_approved", locked, user=approver, now=now)
    return locked


@transaction.atomic
def reject(batch: PayoutBatch, *, viewer: Viewer, now: datetime) -> None:
    """Give a draft up, by its maker or anybody else; what it would have paid is available again."""
    user = operator_of(viewer)
    locked = _lock(batch)
    locked.payouts.update(state=State.DROPPED)
    locked.state, locked.decided_by, locked.decided_at = BatchState.REJECTED, user, now
    locked.save()
    _record_batch("payments.payouts_rejected", locked, user=user, now=now)


def _lock(batch: PayoutBatch) -> PayoutBatch:
    locked = PayoutBatch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    if locked.state != BatchState.DRAFTED:
        decided = locked.get_state_display()
        raise PayoutRefused(_("This batch was decided before: it is %(state)s.") % {"state": decided})
    return locked


def _check_owed(payout: Payout) -> None:
    """The balance may have fallen since the draft was made: by a correction, or by a hold."""
    accounts = Account.objects.filter(
        kind=Account.Kind.PAYABLE, organisation=payout.organisation, currency=payout.currency
    )
    accounts.select_for_update(no_key=True).get()
    now_owed = balance_of(payout.organisation, payout.currency)
    if now_owed.owed - now_owed.held < payout.amount:
        raise PayoutRefused(
            _("%(owner)s is owed less than when this batch was drafted. Reject it and make a new one.")
            % {"owner": payout.organisation}
        )


def send_batch(batch_id: int, *, now: datetime) -> None:
    """Send the payouts of an approved batch, each outside of a transaction. The bank's go with the file.

    Each is claimed first: whoever sets ``sent_at`` sends it, and a second worker finds nothing to do.
    """
    payouts = Payout.objects.filter(batch=batch_id, batch__rail=RailName.STRIPE, state=State.INSTRUCTED)
    for payout in payouts.filter(sent_at=None).select_related("connected", "batch").order_by("pk"):
        claim = Payout.objects.filter(pk=payout.pk, sent_at=None)
        if claim.update(sent_at=datetime.now(UTC)) == 1:
            send(payout, now=now)


def send(payout: Payout, *, now: datetime) -> Payout:
    """Send a payout, once or again: its operation's id makes the transfer happen once."""
    Payout.objects.filter(pk=payout.pk).update(tries=F("tries") + 1)
    answer = rail_of(payout.batch.rail).pay_out(order_of(payout))
    return apply(payout.pk, answer, actor=SENDER, now=now)


def order_of(payout: Payout) -> PayOut:
    destination = payout.connected.provider_id if payout.connected else ""
    return PayOut(payout.operation, payout.amount, payout.currency, destination, payout.provider_id)


def look_up(payout: Payout, *, now: datetime) -> Payout:
    """Ask what became of a payout; send it again only when the rail has never heard of it."""
    answer = rail_of(payout.batch.rail).find_pay_out(order_of(payout))
    Payout.objects.filter(pk=payout.pk).update(looked_up_at=datetime.now(UTC))
    if answer is not None:
        return apply(payout.pk, answer, actor=SENDER, now=now)
    if payout.tries < MOST_TRIES:
        return send(payout, now=now)
    never = Answer(Outcome.FAILED, reason=_("It never reached Stripe. Nothing was paid."))
    return apply(payout.pk, never, actor=SENDER, now=now)


@transaction.atomic
def apply(payout_id: int, answer: Answer, *, actor: Actor, now: datetime) -> Payout:
    """Bring a payout to where the rail says that it is; nothing happens when it is there or beyond."""
    payout = lock_payout(payout_id)
    payout.provider_id = payout.provider_id or answer.provider_id
    open_still = payout.state in {State.INSTRUCTED, State.UNKNOWN}
    if answer.outcome is Outcome.SUCCEEDED and payout.state != State.EXECUTED:
        _check_amount(payout, answer)
        cause = _cause(payout, "executed", actor=actor, now=now)
        move(cause, amount=payout.amount, currency=payout.currency, debit=IN_TRANSIT, credit=STRIPE)
        executed(payout, actor=actor, now=now)
    elif answer.outcome is Outcome.FAILED and open_still:
        _fail(payout, answer.reason, actor=actor, now=now)
    elif answer.outcome is Outcome.UNKNOWN and open_still:
        payout.state, payout.reason = State.UNKNOWN, answer.reason[:300]
        payout.save()
    else:
        payout.save(update_fields=["provider_id"])
    return payout


def lock_payout(payout_id: int) -> Payout:
    rows = Payout.objects.select_related("organisation", "batch", "journal")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=payout_id)


def executed(payout: Payout, *, actor: Actor, now: datetime) -> None:
    """The money has left, and that is booked: here for Stripe, by its line of the statement for the bank."""
    payout.state, payout.reason = State.EXECUTED, ""
    payout.save()
    _record("payments.payout_executed", payout, actor=actor, now=now)
    notify(telling.payout(Kind.PAYOUT_SENT, payout), now=now)


@transaction.atomic
def fail_by_hand(payout: Payout, *, viewer: Viewer, why: str, now: datetime) -> None:
    """The bank refused a payment of the file; only for what is on its way, and only by an operator."""
    actor = Actor(user=operator_of(viewer))
    locked = lock_payout(payout.pk)
    if locked.batch.rail != RailName.BANK or locked.state != State.INSTRUCTED:
        raise PayoutRefused(_("Only a bank payout that is on its way can be marked as refused."))
    _fail(locked, why, actor=actor, now=now)


def _fail(payout: Payout, reason: str, *, actor: Actor, now: datetime) -> None:
    if payout.journal is None:
        raise RuntimeError(f"payout {payout.operation} fails and was never booked")
    cause = _cause(payout, "failed", actor=actor, now=now, corrects=payout.journal)
    against = Leg(IN_TRANSIT, None, payout.currency, payout.amount)
    reverse(cause, payout.journal, kind=Account.Kind.PAYABLE, against=against)
    payout.state, payout.reason = State.FAILED, reason[:300]
    payout.save()
    _record("payments.payout_failed", payout, actor=actor, now=now)
    notify(telling.payout(Kind.PAYOUT_FAILED, payout), now=now)


@transaction.atomic
def came_back(payout_id: int, *, returned: int, actor: Actor, now: datetime) -> None:
    """``returned`` is the sum of what Stripe took back so far, told in whatever order; the rest is booked."""
    payout = lock_payout(payout_id)
    if returned <= payout.returned:
        return
    cause = _cause(payout, f"returned:{returned}", actor=actor, now=now)
    give_back_to_owner(payout, returned - payout.returned, cause=cause, debit=STRIPE)


def give_back_to_owner(payout: Payout, amount: int, *, cause: Cause, debit: Account.Kind) -> Journal:
    """A part or all of an executed payout is here again, and owed to its owner again."""
    owner = Leg(Account.Kind.PAYABLE, payout.organisation_id, payout.currency, -amount)
    journal = book(cause, [Leg(debit, None, payout.currency, amount), owner])
    payout.returned += amount
    payout.save(update_fields=["returned"])
    _record("payments.payout_returned", payout, actor=cause.actor, now=cause.now)
    return journal


def _take_from_owner(payout: Payout, *, actor: Actor, now: datetime) -> Journal:
    """The owner is owed this no more: by the statements that are paid with it, the oldest first."""
    owner = payout.organisation_id, payout.currency
    parts = statements_paid_by(payout.amount, *owner)
    legs = [Leg(Account.Kind.PAYABLE, *owner, part, item=item) for item, part in parts]
    return book(
        _cause(payout, "", actor=actor, now=now),
        [*legs, Leg(IN_TRANSIT, None, payout.currency, -payout.amount)],
    )


def _cause(
    payout: Payout, what: str, *, actor: Actor, now: datetime, corrects: Journal | None = None
) -> Cause:
    key = f"payout:{payout.operation}:{what}".rstrip(":")
    return Cause(key, f"Payout to {payout.organisation.name_en} {what}".strip(), actor, now, corrects)


def _check_amount(payout: Payout, answer: Answer) -> None:
    if (answer.amount, answer.currency) != (payout.amount, payout.currency):
        raise PayoutRefused(
            _("Payout %(operation)s moved another amount than was asked. Look at it at Stripe.")
            % {"operation": payout.operation}
        )


def _record(action: str, payout: Payout, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=payout,
        organisation=payout.organisation_id,
        now=now,
        data={
            "operation": str(payout.operation),
            "amount": str(from_minor(payout.amount, payout.currency)),
            "currency": payout.currency,
            "returned": payout.returned,
            "reason": payout.reason,
        },
    )


def _record_batch(action: str, batch: PayoutBatch, *, user: User, now: datetime) -> None:
    payouts = batch.payouts.order_by("pk").values_list("organisation", "amount")
    audit.record(
        actor=Actor(user=user),
        action=action,
        target=batch,
        now=now,
        data={"rail": batch.rail, "currency": batch.currency, "payouts": [list(row) for row in payouts]},
    )
