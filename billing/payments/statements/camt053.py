"""ISO 20022 camt.053, the statement that banks send: any version, read by the local names of its elements.

Only booked entries count. An entry of several transactions becomes a line for each, if it says how much each
of them is. Files with a document type are refused: entities are how XML attacks its reader.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from lxml import etree

from billing.payments.statements.parsing import ParsedLine, ParsedStatement, StatementWrong, day_of, minor_of

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
OPENING, CLOSING = ("OPBD", "PRCD"), ("CLBD",)
Element = etree._Element  # noqa: SLF001 lxml's public name for what it gives


def read(content: bytes) -> ParsedStatement:
    """All statements of the file, one after the other; they must be of one account and currency."""
    statements = [_statement(each) for each in _all(_root(content), "BkToCstmrStmt/Stmt")]
    if not statements:
        raise StatementWrong(_("The file holds no statement."))
    if len({(each.account, each.currency) for each in statements}) > 1:
        raise StatementWrong(_("The file is about several accounts. Import one file for each."))
    for each in statements:
        each.check()
    whole = ParsedStatement(
        account=statements[0].account,
        currency=statements[0].currency,
        lines=[line for each in statements for line in each.lines],
    )
    whole.check()
    return whole


def _root(content: bytes) -> Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise StatementWrong(_("This is not XML: %(error)s.") % {"error": error}) from error
    if root.getroottree().docinfo.doctype:
        raise StatementWrong(_("The file defines a document type. Statements have none."))
    if not str(root.tag).startswith(f"{{{NAMESPACE}"):
        raise StatementWrong(_("This is XML, but no camt.053 statement."))
    return root


def _statement(element: Element) -> ParsedStatement:
    account = _text(element, "Acct/Id/IBAN") or _text(element, "Acct/Id/Othr/Id")
    currency = _text(element, "Acct/Ccy") or _currency_of(element)
    name = _text(element, "Id")
    lines = [
        line
        for number, entry in enumerate(_all(element, "Ntry"), 1)
        if _status(entry) == "BOOK"
        for line in _lines(entry, currency, name=name, number=number)
    ]
    return ParsedStatement(
        account, currency, lines, _balance(element, OPENING, currency), _balance(element, CLOSING, currency)
    )


def _lines(entry: Element, currency: str, *, name: str, number: int) -> Iterator[ParsedLine]:
    where = _("Entry %(number)s") % {"number": number}
    total = _signed(entry, entry, currency, where)
    bank_id = _text(entry, "AcctSvcrRef") or _text(entry, "NtryRef") or f"{name}#{number}"
    booked_on = day_of(_text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm"), where=where)
    details = _all(entry, "NtryDtls/TxDtls")
    parts = [_signed(entry, each, currency, where) for each in details if _amount(each) is not None]
    if len(details) > 1 and len(parts) == len(details) and sum(parts) == total:
        for index, (part, each) in enumerate(zip(parts, details, strict=True), 1):
            yield _line(f"{bank_id}/{index}", part, booked_on, entry, [each])
    else:
        yield _line(bank_id, total, booked_on, entry, details)


def _line(bank_id: str, amount: int, booked_on: object, entry: Element, details: list[Element]) -> ParsedLine:
    texts = [
        text
        for each in details
        for path in ("RmtInf/Ustrd", "RmtInf/Strd/CdtrRefInf/Ref")
        for text in _texts(each, path)
    ]
    other = "Dbtr" if amount > 0 else "Cdtr"
    return ParsedLine(
        bank_id=bank_id[:80],
        amount=amount,
        booked_on=booked_on,  # type: ignore[arg-type]
        text=" ".join(texts or _texts(entry, "AddtlNtryInf"))[:500],
        end_to_end=_only(details, "Refs/EndToEndId"),
        batch_reference=_text(entry, "NtryDtls/Btch/PmtInfId")[:35] or _only(details, "Refs/PmtInfId"),
        counterparty=(
            _only(details, f"RltdPties/{other}/Pty/Nm", 140) or _only(details, f"RltdPties/{other}/Nm", 140)
        ),
        return_reason=_only(details, "RtrInf/Rsn/Cd", 140) or _only(details, "RtrInf/AddtlInf", 140),
    )


def _signed(entry: Element, of: Element, currency: str, where: str) -> int:
    amount = _amount(of)
    if amount is None:
        raise StatementWrong(_("%(where)s: there is no amount.") % {"where": where})
    if amount.get("Ccy") != currency:
        raise StatementWrong(
            _("%(where)s: the amount is in %(other)s, the account in %(currency)s.")
            % {"where": where, "other": amount.get("Ccy"), "currency": currency}
        )
    minor = minor_of(amount.text or "", currency, where=where)
    return _by_sign(_text(entry, "CdtDbtInd"), minor, where)


def _by_sign(indicator: str, minor: int, where: str) -> int:
    if indicator not in {"CRDT", "DBIT"} or minor < 0:
        raise StatementWrong(
            _("%(where)s: it does not say whether it is credit or debit.") % {"where": where}
        )
    return minor if indicator == "CRDT" else -minor


def _amount(element: Element) -> Element | None:
    found = _all(element, "Amt") or _all(element, "AmtDtls/TxAmt/Amt")
    return found[0] if found else None


def _balance(statement: Element, codes: tuple[str, ...], currency: str) -> int | None:
    for each in _all(statement, "Bal"):
        if _text(each, "Tp/CdOrPrtry/Cd") in codes:
            where = _("The balance")
            minor = minor_of(_text(each, "Amt"), currency, where=where)
            return _by_sign(_text(each, "CdtDbtInd"), minor, where)
    return None


def _currency_of(statement: Element) -> str:
    for each in _all(statement, "Bal"):
        amount = _amount(each)
        if amount is not None:
            return amount.get("Ccy") or ""
    return ""


def _status(entry: Element) -> str:
    """Written differently from version 8 on."""
    return _text(entry, "Sts/Cd") or _text(entry, "Sts")


def _only(details: list[Element], path: str, most: int = 35) -> str:
    """What all of the transactions say alike; nothing where they differ, for then it names no line."""
    found = {text for each in details for text in _texts(each, path)}
    text = found.pop() if len(found) == 1 else ""
    return "" if text == "NOTPROVIDED" else text[:most]


def _text(element: Element, path: str) -> str:
    texts = _texts(element, path)
    return texts[0] if texts else ""


def _texts(element: Element, path: str) -> list[str]:
    return [text for each in _all(element, path) if (text := (each.text or "").strip())]


def _all(element: Element, path: str) -> list[Element]:
    steps = "/".join(f"{{*}}{step}" for step in path.split("/"))
    return element.findall(steps)
