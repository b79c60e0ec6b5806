"""Bank accounts: entered by one person, confirmed by another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from stdnum import bic as bics
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError

from accounts import audit
from accounts.actors import Actor, Viewer
from accounts.models import Organisation, User
from billing.payments.intake import person_of
from billing.payments.models import BankAccount
from billing.payments.payouts import PayoutRefused, operator_of
from marketplace.errors import InvalidInput, NotAllowed

State = BankAccount.State
CNAPS_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Entered:
    currency: str
    holder: str
    iban: str = ""
    bic: str = ""
    number: str = ""
    clearing_number: str = ""

    def checked(self) -> Entered:
        """With blanks taken out; ``InvalidInput`` names what cannot be an account."""
        wrong: dict[str, str] = {}
        iban, bic = _compact(self.iban), _compact(self.bic)
        number, clearing = _compact(self.number), _compact(self.clearing_number)
        if iban and not _holds(ibans.validate, iban):
            wrong["iban"] = _("This is no IBAN: its check digits do not fit.")
        if bic and not _holds(bics.validate, bic):
            wrong["bic"] = _("This is no BIC.")
        if clearing and not (clearing.isascii() and clearing.isdigit() and len(clearing) == CNAPS_DIGITS):
            wrong["clearing_number"] = _("A CNAPS number has 12 digits.")
        if bool(iban) == bool(number) or bool(number) != bool(clearing):
            wrong["number"] = _(
                "Give either an IBAN, or an account number with the CNAPS number of its bank."
            )
        if wrong:
            raise InvalidInput(_("This is no bank account."), wrong)
        return Entered(self.currency, self.holder.strip(), iban, bic, number, clearing)


@transaction.atomic
def propose(
    *, entered: Entered, organisation: Organisation | None, viewer: Viewer, now: datetime
) -> BankAccount:
    """Enter where an owner is paid, or an account of the exchange. It is used once it is confirmed."""
    user = operator_of(viewer) if organisation is None else _member(viewer, organisation)
    facts = entered.checked()
    account = BankAccount.objects.create(
        organisation=organisation,
        currency=facts.currency,
        holder=facts.holder,
        iban=facts.iban,
        bic=facts.bic,
        number=facts.number,
        clearing_number=facts.clearing_number,
        proposed_by=user,
        proposed_at=now,
    )
    _record("payments.bank_account_proposed", account, user=user, now=now)
    return account


@transaction.atomic
def confirm(account: BankAccount, *, viewer: Viewer, now: datetime) -> BankAccount:
    """Use an account from now on, instead of the one before; not by whoever entered it."""
    user = operator_of(viewer)
    locked = BankAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
    if locked.state != State.PROPOSED:
        raise PayoutRefused(_("This account was confirmed or retired before."))
    if locked.proposed_by_id == user.pk:
        raise NotAllowed(_("Somebody else must confirm the account that you have entered."))
    replaced = BankAccount.objects.filter(
        organisation=locked.organisation_id, currency=locked.currency, state=State.CONFIRMED
    )
    replaced.update(state=State.RETIRED)
    locked.state, locked.confirmed_by = State.CONFIRMED, user
    locked.save()
    _record("payments.bank_account_confirmed", locked, user=user, now=now)
    return locked


def _member(viewer: Viewer, organisation: Organisation) -> User:
    user = person_of(viewer, organisation.pk).user
    if user is None:
        raise RuntimeError("a person was asked for")
    return user


def _compact(text: str) -> str:
    return "".join(text.split()).upper()


def _holds(validate: object, text: str) -> bool:
    try:
        validate(text)  # type: ignore[operator]
    except ValidationError:
        return False
    return True


def _record(action: str, account: BankAccount, *, user: User, now: datetime) -> None:
    audit.record(
        actor=Actor(user=user),
        action=action,
        target=account,
        organisation=account.organisation_id,
        now=now,
        data={"account": str(account), "holder": account.holder, "currency": account.currency},
    )
