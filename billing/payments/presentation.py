"""How payments and payouts look on pages: units for minor units, and a tone for each state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from billing.money import from_minor
from billing.payments.balances import Balance
from billing.payments.models import BankLine, Hold, Payment, Payout, PayoutBatch, ProviderEvent
from billing.payments.statements.matching import Match
from billing.payments.statements.parsing import ParsedLine

TONES: Mapping[str, str] = {
    Payment.State.CREATED: "open",
    Payment.State.UNKNOWN: "attention",
    Payment.State.REQUIRES_ACTION: "attention",
    Payment.State.PROCESSING: "open",
    Payment.State.SUCCEEDED: "good",
    Payment.State.FAILED: "harm",
    Payment.State.CANCELLED: "quiet",
    Payout.State.DRAFTED: "open",
    Payout.State.DROPPED: "quiet",
    Payout.State.INSTRUCTED: "open",
    Payout.State.EXECUTED: "good",
    PayoutBatch.State.APPROVED: "good",
    PayoutBatch.State.REJECTED: "quiet",
    BankLine.State.MATCHED: "good",
    BankLine.State.ALLOCATED: "good",
    BankLine.State.UNMATCHED: "attention",
    ProviderEvent.State.RECEIVED: "open",
    ProviderEvent.State.DONE: "good",
    ProviderEvent.State.IGNORED: "quiet",
    ProviderEvent.State.WAITING: "attention",
}


def tone_of(state: str) -> str:
    return TONES.get(state, "quiet")


@dataclass(frozen=True, slots=True)
class PaymentLine:
    payment: Payment
    amount: Decimal
    tone: str


def payment_line(payment: Payment) -> PaymentLine:
    return PaymentLine(payment, from_minor(payment.amount, payment.currency), tone_of(payment.state))


@dataclass(frozen=True, slots=True)
class PayoutLine:
    payout: Payout
    amount: Decimal
    returned: Decimal
    tone: str


def payout_line(payout: Payout) -> PayoutLine:
    return PayoutLine(
        payout,
        from_minor(payout.amount, payout.currency),
        from_minor(payout.returned, payout.currency),
        tone_of(payout.state),
    )


@dataclass(frozen=True, slots=True)
class BalanceLine:
    balance: Balance
    owed: Decimal
    held: Decimal
    drafted: Decimal
    available: Decimal


def balance_line(balance: Balance) -> BalanceLine:
    amounts = (balance.owed, balance.held, balance.drafted, balance.available)
    return BalanceLine(balance, *(from_minor(amount, balance.currency) for amount in amounts))


@dataclass(frozen=True, slots=True)
class BankLineLine:
    line: BankLine
    amount: Decimal
    tone: str


def bank_line(line: BankLine) -> BankLineLine:
    return BankLineLine(line, from_minor(line.amount, line.account.currency), tone_of(line.state))


@dataclass(frozen=True, slots=True)
class SeenLine:
    """A line of a statement that is not imported yet, and what it would be taken for."""

    line: ParsedLine
    match: Match
    amount: Decimal


def seen_line(line: ParsedLine, match: Match, currency: str) -> SeenLine:
    return SeenLine(line, match, from_minor(line.amount, currency))


@dataclass(frozen=True, slots=True)
class HoldLine:
    hold: Hold
    amount: Decimal


def hold_line(hold: Hold) -> HoldLine:
    return HoldLine(hold, from_minor(hold.amount, hold.currency))
