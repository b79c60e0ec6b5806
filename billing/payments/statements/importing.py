"""Statements of the bank: looked at, then imported line by line, each line booked once for ever.

What a line is about is found by its references. What nobody recognises is booked to the suspense account,
so that our books always say what the bank says, and waits for an operator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Actor, Viewer
from billing.ledger.models import Account, Journal
from billing.payments import payouts
from billing.payments.allocating import lock_party
from billing.payments.booking import BANK, IN_TRANSIT, SUSPENSE, Cause, move
from billing.payments.intake import finish
from billing.payments.models import BankAccount, BankLine, BankStatement, Payment, RailName
from billing.payments.statements import camt053, csv_form
from billing.payments.statements.matching import Kind, Match, match
from billing.payments.statements.parsing import LARGEST_FILE, ParsedLine, ParsedStatement, StatementWrong

State = BankStatement.State
Seen = Sequence[tuple[ParsedLine, Match]]


def parse(content: bytes) -> ParsedStatement:
    """By what the file begins with: XML is camt.053, everything else is CSV."""
    if len(content) > LARGEST_FILE:
        raise StatementWrong(_("The file is larger than 8 MiB."))
    return (
        camt053.read(content)
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        else csv_form.read(content)
    )


@transaction.atomic
def upload(
    *, account: BankAccount, file_name: str, content: bytes, viewer: Viewer, now: datetime
) -> BankStatement:
    """Keep a file to be looked at. Nothing is booked; a file that cannot be read is refused."""
    user = payouts.operator_of(viewer)
    _check_account(parse(content), account)
    sha256 = hashlib.sha256(content).hexdigest()
    if BankStatement.objects.filter(sha256=sha256).exclude(state=State.DISCARDED).exists():
        raise StatementWrong(_("This very file was uploaded before."))
    statement = BankStatement.objects.create(
        account=account,
        file_name=file_name[:120],
        content=content,
        sha256=sha256,
        uploaded_by=user,
        uploaded_at=now,
    )
    _record("payments.bank_statement_uploaded", statement, actor=Actor(user=user), now=now)
    return statement


def _check_account(parsed: ParsedStatement, account: BankAccount) -> None:
    if parsed.currency != account.currency:
        raise StatementWrong(
            _("The statement is in %(currency)s, the account in %(account)s.")
            % {"currency": parsed.currency, "account": account.currency}
        )
    if parsed.account and parsed.account not in {account.iban, account.number}:
        raise StatementWrong(
            _("The statement is of account %(account)s, which is another one.") % {"account": parsed.account}
        )


def preview(statement: BankStatement) -> Seen:
    """Each line with what it would be taken for."""
    lines = parse(bytes(statement.content)).lines
    return [(line, match(line, statement.account)) for line in lines]


@transaction.atomic
def discard(statement: BankStatement, *, viewer: Viewer, now: datetime) -> None:
    user = payouts.operator_of(viewer)
    locked = _lock(statement)
    locked.state = State.DISCARDED
    locked.save(update_fields=["state"])
    _record("payments.bank_statement_discarded", locked, actor=Actor(user=user), now=now)


@transaction.atomic
def import_statement(statement: BankStatement, *, viewer: Viewer, now: datetime) -> list[BankLine]:
    """Book every line that was not booked before: all of them or none."""
    actor = Actor(user=payouts.operator_of(viewer))
    locked = _lock(statement)
    BankAccount.objects.select_for_update(no_key=True).get(pk=locked.account_id)
    lines = []
    for line in parse(bytes(locked.content)).lines:
        # Matched one by one: an earlier line may pay what a later one names.
        found = match(line, locked.account)
        if found.kind is Kind.CHANGED:
            raise StatementWrong(
                _("Line %(id)s was imported before with another amount or date. Ask the bank.")
                % {"id": line.bank_id}
            )
        if found.kind is not Kind.KNOWN:
            lines.append(_import_line(locked, line, found, actor=actor, now=now))
    locked.state = State.IMPORTED
    locked.save(update_fields=["state"])
    _record("payments.bank_statement_imported", locked, actor=actor, now=now)
    return lines


def _lock(statement: BankStatement) -> BankStatement:
    rows = BankStatement.objects.select_related("account")
    locked = rows.select_for_update(of=("self",), no_key=True).get(pk=statement.pk)
    if locked.state != State.PREVIEWED:
        raise StatementWrong(_("This statement was imported or discarded before."))
    return locked


def _import_line(
    statement: BankStatement, line: ParsedLine, found: Match, *, actor: Actor, now: datetime
) -> BankLine:
    key = _key_of(statement.account, line.bank_id)
    cause = Cause(key, f"Bank line {line.bank_id}"[:200], actor, now)
    if found.kind is Kind.INVOICES:
        return _received(statement, line, found, cause)
    if found.kind is Kind.PAYOUTS:
        return _paid_out(statement, line, found, cause)
    if found.kind is Kind.RETURN:
        payout = payouts.lock_payout(found.payouts[0].pk)
        journal = payouts.give_back_to_owner(payout, line.amount, cause=cause, debit=BANK)
        return _write(statement, line, BankLine.State.MATCHED, journal)
    debit, credit = (BANK, SUSPENSE) if line.amount > 0 else (SUSPENSE, BANK)
    currency = statement.account.currency
    journal = move(cause, amount=abs(line.amount), currency=currency, debit=debit, credit=credit)
    return _write(statement, line, BankLine.State.UNMATCHED, journal)


def _paid_out(statement: BankStatement, line: ParsedLine, found: Match, cause: Cause) -> BankLine:
    currency = statement.account.currency
    journal = move(cause, amount=-line.amount, currency=currency, debit=IN_TRANSIT, credit=BANK)
    for each in found.payouts:
        payouts.executed(payouts.lock_payout(each.pk), actor=cause.actor, now=cause.now)
    return _write(statement, line, BankLine.State.MATCHED, journal)


def _key_of(account: BankAccount, bank_id: str) -> str:
    """Journals have keys of 80 characters, and so have the bank's ids."""
    return f"bank:{account.pk}:{hashlib.sha256(bank_id.encode()).hexdigest()[:40]}"


def _received(statement: BankStatement, line: ParsedLine, found: Match, cause: Cause) -> BankLine:
    """A transfer that names invoices: an announced payment of that amount, or a new one."""
    lock_party(found.invoices[0].organisation_id)
    payment = _announced(line, found) or Payment(
        rail=RailName.BANK,
        organisation_id=found.invoices[0].organisation_id,
        invoice=found.invoices[0] if len(found.invoices) == 1 else None,
        amount=line.amount,
        currency=statement.account.currency,
        created_at=cause.now,
    )
    journal = finish(payment, found.invoices, cause=cause, debit=Account.Kind.BANK)
    bank_line = _write(statement, line, BankLine.State.MATCHED, journal)
    Payment.objects.filter(pk=payment.pk).update(bank_line=bank_line)
    return bank_line


def _announced(line: ParsedLine, found: Match) -> Payment | None:
    waiting = Payment.objects.filter(
        rail=RailName.BANK,
        state=Payment.State.REQUIRES_ACTION,
        invoice__in=[invoice.pk for invoice in found.invoices],
        amount=line.amount,
    )
    return waiting.select_for_update(no_key=True, of=("self",)).order_by("pk").first()


def _write(statement: BankStatement, line: ParsedLine, state: str, journal: Journal) -> BankLine:
    return BankLine.objects.create(
        statement=statement,
        account=statement.account,
        bank_id=line.bank_id,
        amount=line.amount,
        booked_on=line.booked_on,
        text=line.text,
        end_to_end=line.end_to_end,
        batch_reference=line.batch_reference,
        counterparty=line.counterparty,
        return_reason=line.return_reason,
        state=state,
        journal=journal,
    )


def _record(action: str, statement: BankStatement, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=statement,
        now=now,
        data={"file": statement.file_name, "sha256": statement.sha256, "account": str(statement.account)},
    )
