"""A batch of payouts as the bank takes it: ISO 20022 pain.001.001.09, customer credit transfer initiation.

Accounts with an IBAN are written as such; others as a number with the bank's number in the Chinese national
clearing (CNAPS). The tests validate the file against the schema of the standard.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from lxml import etree

from billing.money import from_minor
from billing.payments.models import BankAccount, Payout, PayoutBatch

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
LONGEST_NAME = 70


def file_of(batch: PayoutBatch, payouts: Sequence[Payout], *, now: datetime) -> bytes:
    """The file of a batch. What the bank says about a payment later names it by ``EndToEndId``."""
    if batch.account is None:
        raise ValueError(f"batch {batch.pk} is not paid from a bank account")
    count = str(len(payouts))
    total = _amount(sum(payout.amount for payout in payouts), batch.currency)
    document = etree.Element(_name("Document"), nsmap={None: NAMESPACE})
    message = _add(document, "CstmrCdtTrfInitn")
    header = _add(message, "GrpHdr")
    _add(header, "MsgId", batch.reference.hex)
    _add(header, "CreDtTm", now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _add(header, "NbOfTxs", count)
    _add(header, "CtrlSum", total)
    _party(header, "InitgPty", batch.account)
    block = _add(message, "PmtInf")
    _add(block, "PmtInfId", batch.reference.hex)
    _add(block, "PmtMtd", "TRF")
    _add(block, "NbOfTxs", count)
    _add(block, "CtrlSum", total)
    _add(_add(block, "ReqdExctnDt"), "Dt", f"{now.astimezone(UTC):%F}")
    _party(block, "Dbtr", batch.account)
    _account(block, "DbtrAcct", batch.account)
    _agent(block, "DbtrAgt", batch.account)
    for payout in payouts:
        _transfer(block, payout)
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def end_to_end_of(payout: Payout) -> str:
    """35 characters are allowed; the operation's id has 32."""
    return payout.operation.hex


def _transfer(block: etree._Element, payout: Payout) -> None:
    if payout.account is None:
        raise ValueError(f"payout {payout.operation} has no bank account")
    transfer = _add(block, "CdtTrfTxInf")
    _add(_add(transfer, "PmtId"), "EndToEndId", end_to_end_of(payout))
    amount = _add(_add(transfer, "Amt"), "InstdAmt", _amount(payout.amount, payout.currency))
    amount.set("Ccy", payout.currency)
    _agent(transfer, "CdtrAgt", payout.account)
    _party(transfer, "Cdtr", payout.account)
    _account(transfer, "CdtrAcct", payout.account)
    _add(_add(transfer, "RmtInf"), "Ustrd", f"Cardhour payout {payout.batch_id}")


def _party(parent: etree._Element, name: str, account: BankAccount) -> None:
    _add(_add(parent, name), "Nm", account.holder[:LONGEST_NAME])


def _account(parent: etree._Element, name: str, account: BankAccount) -> None:
    element = _add(parent, name)
    identity = _add(element, "Id")
    if account.iban:
        _add(identity, "IBAN", account.iban)
    else:
        _add(_add(identity, "Othr"), "Id", account.number)
    _add(element, "Ccy", account.currency)


def _agent(parent: etree._Element, name: str, account: BankAccount) -> None:
    bank = _add(_add(parent, name), "FinInstnId")
    if account.bic:
        _add(bank, "BICFI", account.bic)
    if account.clearing_number:
        member = _add(bank, "ClrSysMmbId")
        _add(_add(member, "ClrSysId"), "Cd", "CNAPS")
        _add(member, "MmbId", account.clearing_number)
    if not account.bic and not account.clearing_number:
        _add(_add(bank, "Othr"), "Id", "NOTPROVIDED")


def _amount(minor: int, currency: str) -> str:
    amount: Decimal = from_minor(minor, currency)
    return f"{amount:f}"


def _add(parent: etree._Element, name: str, text: str = "") -> etree._Element:
    element = etree.SubElement(parent, _name(name))
    if text:
        element.text = text
    return element


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
