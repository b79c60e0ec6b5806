"""What the pages of trade show: offers, requests, and an agreement that was delivered and billed."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.actors import task_actor
from accounts.models import AuditEvent, User
from billing.invoicing.credit_notes import issue_credit_note
from billing.invoicing.models import Document
from billing.invoicing.services import close_due_periods
from billing.rating.disputes import open_dispute
from billing.rating.models import Charge, Dispute
from marketplace.agreements.models import Agreement
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, LONG_AFTER, START, agent_of, event, make_delivery, rate_at, send
from tests.cast import Cast

__all__ = ["HOUR", "START", "agent_of", "event", "make_delivery", "rate_at", "send"]
CST = timedelta(hours=8)


@dataclass(frozen=True)
class Billed:
    delivery: Delivery
    invoice: Document
    statement: Document

    @property
    def agreement(self) -> Agreement:
        return self.delivery.agreement

    @property
    def charge(self) -> Charge:
        return Charge.objects.order_by("slot").first()


def billed(cast: Cast, hours: int = 2) -> Billed:
    """8 cards for some hours at ¥10, one full hour of card-seconds each, on an invoice and a statement."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"] * hours)
    agent = agent_of(cast.owner)
    for number in range(hours):
        at = START + number * HOUR
        send(agent, event(delivery, f"{delivery.pk}-{number}", at=at, seconds=3600, quantity=8 * 3600))
    rate_at()
    close_due_periods(now=LONG_AFTER, actor=task_actor("billing.close_periods"))
    invoice = Document.objects.filter(kind="invoice").latest("pk")
    return Billed(delivery, invoice, Document.objects.filter(kind="statement").latest("pk"))


def credited(cast: Cast, amount: int = 1_000) -> Document:
    """A credit note on the invoice of ``billed``, borne by the owner."""
    return issue_credit_note(
        viewer=cast.viewer_of(cast.operator),
        invoice=billed(cast).invoice,
        amount=amount,
        borne_by="owners",
        reason="The fabric was slow",
        now=LONG_AFTER,
    )


def disputed(cast: Cast) -> Dispute:
    """What the buyer opened about the first charge of ``billed``."""
    charge = billed(cast).charge
    return open_dispute(
        viewer=cast.viewer_of(cast.buyer_finance),
        agreement=charge.agreement,
        charge=charge,
        reason="We had six cards",
        now=LONG_AFTER,
    )


def signed_in(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def status(user: User | None, address: str) -> int:
    return signed_in(user).get(address).status_code


def page(user: User, address: str) -> str:
    answer = signed_in(user).get(address)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def rows_of_csv(user: User, address: str) -> list[dict[str, str]]:
    joint = "&" if "?" in address else "?"
    answer = signed_in(user).get(f"{address}{joint}format=csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def queries_of(user: User, address: str) -> int:
    """How many queries a page takes; it must be shown."""
    client = signed_in(user)
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def local(moment: datetime) -> str:
    """A moment as the browser's picker sends it from Shanghai, the zone of the cast."""
    return (moment + CST).strftime("%Y-%m-%dT%H:%M")


def events(action: str) -> list[dict[str, Any]]:
    return list(AuditEvent.objects.filter(action=action).values("user__email", "organisation", "data"))
