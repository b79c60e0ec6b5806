"""The bank of the demo market, the two operators who deal with it, and a buyer's finance department.

Buyers pay their invoices some hours after they get them, one of them by card (``demo.cards``) and the others
by bank transfer; one invoice in six is never paid, so that there is something to remind of and to pay by
hand. The bank's statement is imported as an operator would do it. The treasurer drafts payouts; whoever
signs in as the operator may approve them, and else the operator does so by itself after a while. The file
goes to the bank's folder, the bank executes it, and the next statement says so. One invoice is credited for
a slow hour, and one charge is disputed, which waits for the operator.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import QuerySet, Sum
from stdnum.iso7064 import mod_97_10

from accounts.actors import Capability, Viewer, viewer_of_user
from accounts.models import Organisation, User
from billing.invoicing.credit_notes import issue_credit_note
from billing.invoicing.models import Document
from billing.payments import payouts
from billing.payments.balances import balances_of
from billing.payments.due import dues_of
from billing.payments.models import BankAccount, BankLine, Payout, PayoutBatch, RailName
from billing.payments.statements import importing
from billing.payments.statements.references import creditor_reference
from billing.rating.disputes import open_dispute
from billing.rating.models import Charge, Dispute
from billing.rating.usage_reports import Seen, report_usage
from demo.camt import Movement, statement
from demo.cards import has_stand_in, pay_by_card
from demo.people import FINANCE, OPERATOR, TREASURER
from marketplace.catalogue.models import CurrencyCode
from marketplace.clock import HOUR
from marketplace.supply.models import Offer

# One buyer in so many never pays by itself; the others take up to so many hours.
NEVER_PAYS = 6
LONGEST_WAIT = 8
BETWEEN_BATCHES = 6 * HOUR
APPROVED_AFTER = 4 * HOUR
MOST_A_STATEMENT = 200
MISSED = "One card in ten did not answer for the whole hour."
SLOW = "The fabric was slow for an hour; a tenth is given back."


def load_accounts(*, now: datetime) -> None:
    """Confirmed accounts of the exchange, and of each owner in the currencies that it asks in."""
    treasurer, operator = (User.objects.get(email=email) for email in (TREASURER, OPERATOR))
    facts: list[dict[str, object]] = [
        {"holder": "Cardhour Exchange", "currency": code, "iban": _iban(place, 0)}
        for place, code in enumerate(CurrencyCode.values)
    ]
    asked_in = Offer.objects.order_by().values_list("fleet__site__owner", "currency").distinct()
    owners = Organisation.objects.in_bulk({owner for owner, _ in asked_in})
    facts += [_account_of(owners[owner], currency) for owner, currency in asked_in]
    BankAccount.objects.bulk_create(
        BankAccount(
            **each,
            state=BankAccount.State.CONFIRMED,
            proposed_by=treasurer,
            proposed_at=now,
            confirmed_by=operator,
        )
        for each in facts
    )


def _account_of(owner: Organisation, currency: str) -> dict[str, object]:
    facts = {"organisation": owner, "holder": owner.name_en, "currency": currency}
    if owner.jurisdiction == "CN":
        return facts | {"number": f"62220202001{owner.pk:08}", "clearing_number": "102100099996"}
    return facts | {"iban": _iban(CurrencyCode.values.index(currency), owner.pk)}


def _iban(branch: int, number: int) -> str:
    """An account that no bank has, with check digits that fit."""
    plain = f"99999{branch:03}{number:010}"
    return f"DE{mod_97_10.calc_check_digits(plain + 'DE')}{plain}"


@dataclass(frozen=True, slots=True)
class Bank:
    """``folder`` is where the files of payouts go."""

    folder: Path
    treasurer: Viewer
    operator: Viewer
    finance: Viewer

    @classmethod
    def at(cls, folder: Path) -> Bank:
        people = (viewer_of_user(User.objects.get(email=email)) for email in (TREASURER, OPERATOR, FINANCE))
        return cls(folder, *people)

    def turn(self, now: datetime) -> list[str]:
        """What a few hours of the market bring; says what was done."""
        done = [*self._credit_one(now), *self._dispute_one(now)]
        by_card: list[Document] = []
        if has_stand_in():
            by_card = self._for_card(now)
            done += pay_by_card(by_card, viewer=self.finance, now=now)
        for account in BankAccount.objects.filter(organisation=None, state=BankAccount.State.CONFIRMED):
            done += self._import(account, now, but={invoice.pk for invoice in by_card})
            done += self._approve(account, now)
            done += self._draft(account, now)
        return done

    def _credit_one(self, now: datetime) -> Iterator[str]:
        """The first invoice that is large enough, once."""
        invoice = Document.objects.filter(kind=Document.Kind.INVOICE, total__gte=1_000).order_by("pk").first()
        if invoice is None or Document.objects.filter(kind=Document.Kind.CREDIT_NOTE).exists():
            return
        note = issue_credit_note(
            viewer=self.operator,
            invoice=invoice,
            amount=invoice.total // 10,
            borne_by="owners",
            reason=SLOW,
            now=now,
        )
        yield f"{note.number} credits {invoice.number}"

    def _dispute_one(self, now: datetime) -> Iterator[str]:
        """The newest charge, once: the buyer saw nine tenths of the card-seconds."""
        mine = self.finance.organisations_with(Capability.FINANCE)
        charges = Charge.objects.filter(kind=Charge.Kind.USAGE, agreement__buyer__in=mine, corrects=None)
        charge = charges.select_related("agreement").order_by("-pk").first()
        if charge is None or Dispute.objects.exists():
            return
        seen = Seen(name="demo", slot=charge.slot, quantity=charge.quantity * 9 // 10, note=MISSED)
        report_usage(viewer=self.finance, agreement=charge.agreement, seen=seen, now=now)
        dispute = open_dispute(
            viewer=self.finance, agreement=charge.agreement, charge=charge, reason=MISSED, now=now
        )
        yield f"dispute {dispute.pk} about {charge}"

    def _for_card(self, now: datetime) -> list[Document]:
        mine = self.finance.organisations_with(Capability.FINANCE)
        return _to_pay(Document.objects.filter(organisation__in=mine), now)

    def _import(self, account: BankAccount, now: datetime, *, but: Collection[int]) -> Iterator[str]:
        movements = [*_transfers(account, now, but=but), *_executed(account)][:MOST_A_STATEMENT]
        if not movements:
            return
        opening = BankLine.objects.filter(account=account).aggregate(total=Sum("amount"))["total"] or 0
        name = f"{account.currency}-{now:%Y%m%dT%H%M%S}"
        content = statement(account, movements, opening=opening, name=name, now=now)
        uploaded = importing.upload(
            account=account, file_name=f"{name}.xml", content=content, viewer=self.operator, now=now
        )
        lines = importing.import_statement(uploaded, viewer=self.operator, now=now)
        yield f"statement {name}: {len(lines)} lines"

    def _approve(self, account: BankAccount, now: datetime) -> Iterator[str]:
        waiting = account.batches.filter(state=PayoutBatch.State.DRAFTED, made_at__lte=now - APPROVED_AFTER)
        for batch in waiting.exclude(made_by__email=OPERATOR):
            approved = payouts.approve(batch, viewer=self.operator, now=now)
            path = self.folder / f"pain.001-{approved.reference.hex}.xml"
            path.write_bytes(bytes(approved.file or b""))
            yield f"{path.name} to the bank"

    def _draft(self, account: BankAccount, now: datetime) -> Iterator[str]:
        if account.batches.filter(made_at__gt=now - BETWEEN_BATCHES).exists():
            return
        owners = Organisation.objects.filter(kind=Organisation.Kind.OWNER)
        if any(each.currency == account.currency and each.available > 0 for each in balances_of(owners)):
            batch = payouts.make_batch(
                viewer=self.treasurer, rail=RailName.BANK, currency=account.currency, now=now
            )
            yield f"payouts in {batch.currency} drafted"


def _to_pay(documents: QuerySet[Document], now: datetime) -> list[Document]:
    """The invoices among them whose buyers have taken the time that they take."""
    invoices = documents.filter(kind=Document.Kind.INVOICE, finalised_at__lte=now)
    return [each for each in invoices.select_related("organisation") if _paid_at(each) <= now]


def _transfers(account: BankAccount, now: datetime, *, but: Collection[int]) -> Iterator[Movement]:
    """What buyers have paid by now, and no statement has said yet; ``but`` are paid otherwise."""
    told = set(BankLine.objects.filter(account=account).values_list("bank_id", flat=True))
    invoices = _to_pay(Document.objects.filter(currency=account.currency).exclude(pk__in=but), now)
    waiting = [each for each in invoices if _transfer_id(each) not in told]
    dues = dues_of(waiting)
    for invoice in waiting:
        if dues[invoice.pk].payable:
            yield Movement(
                bank_id=_transfer_id(invoice),
                amount=dues[invoice.pk].payable,
                party=invoice.organisation.name_en,
                text=creditor_reference(invoice),
            )


def _transfer_id(invoice: Document) -> str:
    return f"IN-{invoice.number}"


def _paid_at(invoice: Document) -> datetime:
    """Always the same for an invoice; for some of them never."""
    chance = zlib.crc32(invoice.number.encode())
    if chance % NEVER_PAYS == 0:
        return datetime.max.replace(tzinfo=invoice.finalised_at.tzinfo)
    return invoice.finalised_at + timedelta(hours=chance // NEVER_PAYS % LONGEST_WAIT)


def _executed(account: BankAccount) -> Iterator[Movement]:
    """Files that went to the bank: it books each of them in one amount."""
    for batch in account.batches.filter(state=PayoutBatch.State.APPROVED):
        under_way = batch.payouts.filter(state=Payout.State.INSTRUCTED)
        total = under_way.aggregate(total=Sum("amount"))["total"]
        if total:
            reference = batch.reference.hex
            yield Movement(bank_id=f"OUT-{reference}", amount=-total, party="Payouts", batch=reference)
