"""A bank's statement of one account: ISO 20022 camt.053.001.08, as much of it as a small bank says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from billing.money import from_minor
from billing.payments.models import BankAccount

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


@dataclass(frozen=True, slots=True)
class Movement:
    """``amount`` in minor units, below zero where it leaves the account. ``batch`` is that of a pain.001."""

    bank_id: str
    amount: int
    party: str
    text: str = ""
    batch: str = ""


def statement(
    account: BankAccount, movements: Sequence[Movement], *, opening: int, name: str, now: datetime
) -> bytes:
    """The statement of what happened since the balance was ``opening``, minor units."""
    document = etree.Element(_name("Document"), nsmap={None: NAMESPACE})
    message = _add(document, "BkToCstmrStmt")
    header = _add(message, "GrpHdr")
    _add(header, "MsgId", name)
    _add(header, "CreDtTm", f"{now:%Y-%m-%dT%H:%M:%SZ}")
    body = _add(message, "Stmt")
    _add(body, "Id", name)
    of_account = _add(body, "Acct")
    _add(_add(of_account, "Id"), "IBAN", account.iban)
    _add(of_account, "Ccy", account.currency)
    closing = opening + sum(each.amount for each in movements)
    _balance(body, "OPBD", opening, account.currency, now)
    _balance(body, "CLBD", closing, account.currency, now)
    for movement in movements:
        _entry(body, movement, account.currency, now)
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _balance(body: etree._Element, code: str, amount: int, currency: str, now: datetime) -> None:
    balance = _add(body, "Bal")
    _add(_add(_add(balance, "Tp"), "CdOrPrtry"), "Cd", code)
    _amount(balance, amount, currency)
    _add(_add(balance, "Dt"), "Dt", f"{now:%F}")


def _entry(body: etree._Element, movement: Movement, currency: str, now: datetime) -> None:
    entry = _add(body, "Ntry")
    _amount(entry, movement.amount, currency)
    _add(_add(entry, "Sts"), "Cd", "BOOK")
    _add(_add(entry, "BookgDt"), "Dt", f"{now:%F}")
    _add(entry, "AcctSvcrRef", movement.bank_id)
    details = _add(entry, "NtryDtls")
    if movement.batch:
        _add(_add(details, "Btch"), "PmtInfId", movement.batch)
    transaction = _add(details, "TxDtls")
    other = _add(_add(transaction, "RltdPties"), "Dbtr" if movement.amount > 0 else "Cdtr")
    _add(_add(other, "Pty"), "Nm", movement.party)
    if movement.text:
        _add(_add(transaction, "RmtInf"), "Ustrd", movement.text)


def _amount(parent: etree._Element, amount: int, currency: str) -> None:
    """An amount has no sign in camt: what leaves the account is a debit."""
    _add(parent, "Amt", str(from_minor(abs(amount), currency))).set("Ccy", currency)
    _add(parent, "CdtDbtInd", "CRDT" if amount >= 0 else "DBIT")


def _add(parent: etree._Element, tag: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, _name(tag))
    element.text = text
    return element


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"
