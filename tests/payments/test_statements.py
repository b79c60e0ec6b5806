"""What the bank's files say, and what they are refused for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.payments.statements import camt053, csv_form
from billing.payments.statements.importing import parse
from billing.payments.statements.parsing import LARGEST_FILE, StatementWrong
from tests.payments.statements_of_bank import IBAN, Entry, as_csv, camt


@pytest.mark.parametrize("version", ["02", "08", "13"])
def test_camt_is_read_in_all_its_versions(version: str) -> None:
    first = Entry("160.00", "INV-2026-000001", end_to_end="E2E")
    second = Entry("40.05", "Payout", "REF-2", debit=True, batch="B" * 32)
    statement = camt053.read(camt(first, second, version=version))
    assert (statement.account, statement.currency) == (IBAN, "CNY")
    line, out = statement.lines
    assert (line.bank_id, line.amount, line.booked_on) == ("REF-1", 16_000, date(2026, 5, 19))
    assert (line.text, line.end_to_end, line.counterparty) == ("INV-2026-000001", "E2E", "Morning Light AI")
    assert (out.amount, out.batch_reference, out.end_to_end) == (-4_005, "B" * 32, "")


def test_what_is_only_announced_does_not_count() -> None:
    pending = Entry("9.00", bank_id="REF-2", status="PDNG")
    assert [line.bank_id for line in camt053.read(camt(Entry("1.00"), pending)).lines] == ["REF-1"]


def test_an_entry_of_several_transactions_is_a_line_for_each() -> None:
    single = camt(Entry("10.00", "together")).decode()
    details = "".join(
        f'<TxDtls><Refs><EndToEndId>E{n}</EndToEndId></Refs><Amt Ccy="CNY">{amount}</Amt>'
        f"<RmtInf><Ustrd>invoice {n}</Ustrd></RmtInf></TxDtls>"
        for n, amount in ((1, "4.00"), (2, "6.00"))
    )
    start, end = single.index("<TxDtls>"), single.index("</TxDtls>") + len("</TxDtls>")
    lines = camt053.read((single[:start] + details + single[end:]).encode()).lines
    assert [(line.bank_id, line.amount, line.text) for line in lines] == [
        ("REF-1/1", 400, "invoice 1"),
        ("REF-1/2", 600, "invoice 2"),
    ]
    # If they do not add up to the entry, the entry is one line, and names nothing that differs.
    wrong = (single[:start] + details.replace("6.00", "5.00") + single[end:]).encode()
    (line,) = camt053.read(wrong).lines
    assert (line.amount, line.end_to_end, line.text) == (1_000, "", "invoice 1 invoice 2")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (camt(Entry("1.00"), closing="1000.00"), "is missing"),
        (camt(Entry("1.00"), Entry("2.00")), "same id"),
        (camt(Entry("1.005")), "no amount of CNY"),
        (camt(Entry("1.00")).replace(b">1.00<", b">1e999999999<"), "no amount"),
        (camt(Entry("1.00")).replace(b">1.00<", b">NaN<"), "no amount"),
        (camt(Entry("1.00")).replace(b">1.00<", b">99999999999999999<"), "no amount"),
        (camt(Entry("1.00"), currency="JPY"), "no currency of the exchange"),
        (camt(Entry("1.00")).replace(b"2026-05-19</Dt></BookgDt>", b"soon</Dt></BookgDt>"), "no date"),
        (
            camt(Entry("1.00")).replace(b"<CdtDbtInd>CRDT</CdtDbtInd>\n        <Sts>", b"<Sts>"),
            "credit or debit",
        ),
        (camt(Entry("1.00")).replace(b"camt.053", b"camt.054"), "no camt.053"),
        (b"<Document", "not XML"),
        (b"<a/>", "no camt.053"),
        (
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">]>' + camt(Entry("1.00")).split(b"?>", 1)[1],
            "document type",
        ),
        (
            b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd">'
            + camt(Entry("1.00")).split(b"?>", 1)[1],
            "document type",
        ),
    ],
)
def test_camt_that_makes_no_sense_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(StatementWrong, match=problem):
        parse(content)


def test_a_bomb_of_entities_does_not_go_off() -> None:
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{lol}]><x>&l9;</x>'
    with pytest.raises(StatementWrong):
        parse(bomb.encode())


def test_csv_is_read_in_any_order_of_columns() -> None:
    header, *lines = (
        b"amount,currency,bank_id,booked_on,text",
        b"160.00,CNY,A1,2026-05-19,INV-1",
        b"-5,CNY,A2,2026-05-20,",
    )
    content = b"\xef\xbb\xbf" + b"\r\n".join([header, *lines, b""])
    statement = parse(content)
    assert [(line.bank_id, line.amount, line.text) for line in statement.lines] == [
        ("A1", 16_000, "INV-1"),
        ("A2", -500, ""),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (as_csv(), "one to"),
        (as_csv("A,2026-05-19,1.00,CNY", header="bank_id,booked_on,amount"), "must name the columns"),
        (
            as_csv("A,2026-05-19,1.00,CNY", header="bank_id,booked_on,amount,currency,fee"),
            "must name the columns",
        ),
        (as_csv("A,2026-05-19,1.00,CNY,,,,surplus"), "more or fewer"),
        (as_csv("A,2026-05-19,1.00"), "more or fewer"),
        (as_csv("A,19.05.2026,1.00,CNY,,,"), "Line 2.*no date"),
        (as_csv('A,2026-05-19,"1,00",CNY,,,'), "Line 2.*no amount"),
        (as_csv("A,2026-05-19,0,CNY,,,"), "missing"),
        (as_csv(",2026-05-19,1.00,CNY,,,"), "missing"),
        (as_csv("A,2026-05-19,1.00,CNY,,,", "A,2026-05-19,1.00,CNY,,,"), "same id"),
        (as_csv("A,2026-05-19,1.00,CNY,,,", "B,2026-05-19,1.00,USD,,,"), "several currencies"),
        ("bank_id,金额".encode("gb18030"), "UTF-8"),
        (b'bank_id,booked_on,amount,currency\n"A', "not CSV|more or fewer"),
        (b"x" * (LARGEST_FILE + 1), "larger than"),
    ],
)
def test_csv_that_makes_no_sense_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(StatementWrong, match=problem):
        parse(content)


@given(st.decimals(min_value="0.01", max_value="999999999.99", places=2), st.booleans())
def test_an_amount_survives_both_formats_exactly(amount: Decimal, debit: bool) -> None:
    wanted = int(amount * 100) * (-1 if debit else 1)
    (line,) = camt053.read(camt(Entry(f"{amount:f}", debit=debit))).lines
    assert line.amount == wanted
    (row,) = csv_form.read(as_csv(f"A,2026-05-19,{'-' if debit else ''}{amount:f},CNY,,,")).lines
    assert row.amount == wanted


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    for start in (b"", b"<", b"<?xml version='1.0'?>"):
        with pytest.raises(StatementWrong):
            parse(start + content)
