"""How money moves: one interface, two rails. Our database owns what is owed; a rail only carries it.

A rail never touches the database. It is asked outside of transactions, after the operation's id was
committed, and whatever happens it gives an ``Answer``: that the outcome is not known is one too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Outcome(StrEnum):
    """``UNKNOWN``: the call may or may not have had an effect. Look it up before sending it again."""

    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """``amount`` and ``currency`` are what the provider says it moved; the caller compares them."""

    outcome: Outcome
    provider_id: str = ""
    reason: str = ""
    action_url: str = ""
    amount: int | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class PayIn:
    """``operation`` makes it happen once. ``return_url`` is where the buyer comes back to from its bank."""

    operation: UUID
    amount: int
    currency: str
    invoice: str
    customer: str = ""
    method: str = ""
    return_url: str = ""
    provider_id: str = ""
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PayOut:
    operation: UUID
    amount: int
    currency: str
    destination: str
    provider_id: str = ""


class PaymentRail(Protocol):
    """``find_…`` gives ``None`` where the provider has nothing of that operation, so it may be sent again."""

    def pay_in(self, order: PayIn) -> Answer: ...

    def find_pay_in(self, order: PayIn) -> Answer | None: ...

    def cancel_pay_in(self, order: PayIn) -> Answer: ...

    def pay_out(self, order: PayOut) -> Answer: ...

    def find_pay_out(self, order: PayOut) -> Answer | None: ...
