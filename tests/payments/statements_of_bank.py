"""Files as banks write them: camt.053 in two of its versions, and our CSV."""

from __future__ import annotations

from dataclasses import dataclass

IBAN = "DE75512108001245126199"


@dataclass(frozen=True)
class Entry:
    """``amount`` as the bank writes it, without a sign; what left the account is a debit."""

    amount: str
    text: str = ""
    bank_id: str = "REF-1"
    debit: bool = False
    end_to_end: str = ""
    batch: str = ""
    status: str = "BOOK"
    reason: str = ""
    name: str = "Morning Light AI"


def camt(
    *entries: Entry, opening: str = "1000.00", closing: str = "", version: str = "08", **more: str
) -> bytes:
    """A statement of the exchange's account; without a closing balance, the one that the lines lead to."""
    booked = [each for each in entries if each.status == "BOOK"]
    moved = sum(_cents(each.amount) * (-1 if each.debit else 1) for each in booked)
    end = _cents(opening) + moved
    closing = closing or f"{abs(end) // 100}.{abs(end) % 100:02}"
    currency, iban = more.get("currency", "CNY"), more.get("iban", IBAN)
    body = "".join(_entry(each, currency, version) for each in entries)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">
  <BkToCstmrStmt>
    <GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-05-20T06:00:00</CreDtTm></GrpHdr>
    <Stmt>
      <Id>{more.get("name", "S1")}</Id>
      <CreDtTm>2026-05-20T06:00:00</CreDtTm>
      <Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>{currency}</Ccy></Acct>
      <Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{opening}</Amt>
        <CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-05-19</Dt></Dt></Bal>
      <Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{closing}</Amt>
        <CdtDbtInd>{"CRDT" if end >= 0 else "DBIT"}</CdtDbtInd><Dt><Dt>2026-05-19</Dt></Dt></Bal>
      {body}
    </Stmt>
  </BkToCstmrStmt>
</Document>""".encode()


def _entry(entry: Entry, currency: str, version: str) -> str:
    status = f"<Cd>{entry.status}</Cd>" if version >= "08" else entry.status
    name = f"<Pty><Nm>{entry.name}</Nm></Pty>" if version >= "08" else f"<Nm>{entry.name}</Nm>"
    party = "Cdtr" if entry.debit else "Dbtr"
    batch = f"<Btch><PmtInfId>{entry.batch}</PmtInfId></Btch>" if entry.batch else ""
    refs = f"<Refs><EndToEndId>{entry.end_to_end or 'NOTPROVIDED'}</EndToEndId></Refs>"
    remittance = f"<RmtInf><Ustrd>{entry.text}</Ustrd></RmtInf>" if entry.text else ""
    returned = f"<RtrInf><Rsn><Cd>{entry.reason}</Cd></Rsn></RtrInf>" if entry.reason else ""
    return f"""
      <Ntry>
        <Amt Ccy="{currency}">{entry.amount}</Amt>
        <CdtDbtInd>{"DBIT" if entry.debit else "CRDT"}</CdtDbtInd>
        <Sts>{status}</Sts>
        <BookgDt><Dt>2026-05-19</Dt></BookgDt>
        <AcctSvcrRef>{entry.bank_id}</AcctSvcrRef>
        <BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>
        <NtryDtls>{batch}<TxDtls>{refs}
          <RltdPties><{party}>{name}</{party}></RltdPties>{remittance}{returned}</TxDtls></NtryDtls>
      </Ntry>"""


def _cents(amount: str) -> int:
    return int(amount.replace(".", "")) if "." in amount else int(amount) * 100


def as_csv(
    *lines: str, header: str = "bank_id,booked_on,amount,currency,text,counterparty,end_to_end"
) -> bytes:
    return "\n".join([header, *lines, ""]).encode()
