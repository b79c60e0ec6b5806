"""Pay-in, pay-out, the bank's statements, and what the providers tell us."""

from billing.payments.models.bank import BankAccount, BankLine, BankStatement
from billing.payments.models.events import ProviderEvent
from billing.payments.models.intake import (
    UNDER_WAY,
    Allocation,
    Customer,
    Dispute,
    Payment,
    RailName,
    Refund,
    SavedMethod,
)
from billing.payments.models.payouts import ConnectedAccount, Hold, Payout, PayoutBatch

__all__ = [
    "UNDER_WAY",
    "Allocation",
    "BankAccount",
    "BankLine",
    "BankStatement",
    "ConnectedAccount",
    "Customer",
    "Dispute",
    "Hold",
    "Payment",
    "Payout",
    "PayoutBatch",
    "ProviderEvent",
    "RailName",
    "Refund",
    "SavedMethod",
]
