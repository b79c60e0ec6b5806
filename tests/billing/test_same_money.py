"""Whatever the order of late readings, repetitions, ratings and closings: the same money as at once.

The oracle adds each reading once, in fractions, and knows nothing of charges, corrections or periods.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.actors import Viewer, task_actor
from billing.invoicing.models import Document, InvoicedCharge, Line
from billing.invoicing.services import close_due_periods
from billing.ledger.models import Account
from billing.ledger.selectors import balance, trial_balance
from billing.metering.models import Reading
from billing.rating.models import Charge, ParkedUsage
from marketplace.delivery.models import Delivery
from tests.billing.builders import (
    HOUR,
    LONG_AFTER,
    MINUTE,
    START,
    agent_of,
    event,
    make_delivery,
    rate_at,
    send,
)
from tests.cast import Cast

pytestmark = pytest.mark.django_db
CLOSER = task_actor("billing.close_periods")
PRICES = (["10", "0.07", "3.333333", "0.000001"], ["11.37", "7", "0.01", "2.5"])
RATES = ("0.03", "0.012345")
SLOTS = 4

readings = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, SLOTS - 1), st.integers(0, 59), st.integers(0, 480)),
    unique_by=lambda one: one[:3],
    min_size=1,
    max_size=14,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(st.integers(0, 13), max_size=6)),
        st.tuples(st.just("contradict"), st.integers(0, 13)),
        st.tuples(st.just("rate"), st.integers(0, 150)),
        st.tuples(st.just("close"), st.integers(0, 150)),
    ),
    max_size=12,
)


@pytest.fixture
def deliveries(cast: Cast, settings: Any) -> list[Delivery]:
    settings.BILLING_PERIOD = "hours:2"
    return [
        make_delivery(owner=cast.owner, buyer=cast.buyer, prices=prices, rate=rate)
        for prices, rate in zip(PRICES, RATES, strict=True)
    ]


@pytest.fixture
def agent(cast: Cast) -> Viewer:
    return agent_of(cast.owner)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(facts=readings, history=steps)
def test_the_order_of_events_leaves_no_trace_in_the_money(
    deliveries: list[Delivery], agent: Viewer, facts: list[Any], history: list[Any]
) -> None:
    with transaction.atomic():
        _live_through(deliveries, agent, facts, history)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        _compare(deliveries, facts)
        transaction.set_rollback(True)


def _event(deliveries: list[Delivery], fact: tuple[int, int, int, int], change: int = 0) -> dict[str, Any]:
    number, slot, minute, quantity = fact
    at = START + slot * HOUR + minute * MINUTE
    return event(deliveries[number], f"{slot}:{minute}", at=at, quantity=abs(quantity - change))


def _live_through(deliveries: list[Delivery], agent: Viewer, facts: list[Any], history: list[Any]) -> None:
    """Every step at its time; at the end everything is sent once more, rated and closed."""
    clock = START
    for kind, detail in history:
        if kind == "send":
            chosen = [facts[index % len(facts)] for index in detail]
            send(agent, *(_event(deliveries, fact) for fact in chosen), now=clock)
        elif kind == "contradict":
            fact = facts[detail % len(facts)]
            send(agent, _event(deliveries, fact), _event(deliveries, fact, change=7), now=clock)
        else:
            clock += timedelta(minutes=detail)
            rate_at(clock) if kind == "rate" else _close(clock)
    send(agent, *(_event(deliveries, fact) for fact in facts), now=max(clock, START + 5 * HOUR))
    rate_at(LONG_AFTER)
    _close(clock + 10 * HOUR)


def _close(now: datetime) -> None:
    close_due_periods(now=now, actor=CLOSER)


def _exact(quantity: int, price: str) -> Decimal:
    with localcontext(prec=200):
        exact = Fraction(quantity) * Fraction(price) / 3600
        return (Decimal(exact.numerator) / exact.denominator).quantize(Decimal("1e-12"), ROUND_HALF_EVEN)


def _compare(deliveries: list[Delivery], facts: list[Any]) -> None:
    used: dict[tuple[int, int], int] = defaultdict(int)
    for number, slot, _minute, quantity in facts:
        used[number, slot] += quantity
    assert Reading.objects.count() == len(facts)
    for (number, slot), quantity in used.items():
        _compare_slot(deliveries[number], slot, quantity, PRICES[number][slot], RATES[number])
    unused = {
        (deliveries[n].agreement_id, START + s * HOUR)
        for n in (0, 1)
        for s in range(SLOTS)
        if (n, s) not in used
    }
    parked = ParkedUsage.objects.filter(resolved_at=None)
    assert {(row.agreement_id, row.slot) for row in parked} == unused
    _compare_documents(deliveries, used)


def _compare_slot(delivery: Delivery, slot: int, quantity: int, price: str, rate: str) -> None:
    charges = Charge.objects.filter(agreement=delivery.agreement_id, slot=START + slot * HOUR)
    amount = _exact(quantity, price)
    with localcontext(prec=200):
        commission = (amount * Decimal(rate)).quantize(Decimal("1e-12"), ROUND_HALF_EVEN)
    assert sum(one.quantity for one in charges) == quantity
    assert sum(one.amount for one in charges) == amount
    assert sum(one.commission for one in charges) == commission
    assert all(one.commission + one.credit == one.amount for one in charges)
    assert [one.sequence for one in charges.order_by("sequence")] == list(range(len(charges)))


def _compare_documents(deliveries: list[Delivery], used: dict[tuple[int, int], int]) -> None:
    """Every charge is on one invoice line and one statement line; the ledger holds what they say."""
    assert InvoicedCharge.objects.count() == Charge.objects.count()
    invoiced = Line.objects.filter(document__kind="invoice")
    for number, delivery in enumerate(deliveries):
        exact = sum((_exact(q, PRICES[n][s]) for (n, s), q in used.items() if n == number), Decimal(0))
        lines = list(invoiced.filter(agreement=delivery.agreement_id))
        assert sum((line.exact for line in lines), Decimal(0)) == exact
        assert all(line.amount == _fen(line.exact) for line in lines)
        # Each line is rounded once, by half a fen at most; one line is exactly the perfect stream's.
        assert abs(sum(line.amount for line in lines) - exact * 100) <= Decimal(len(lines)) / 2
    held: dict[str, int] = defaultdict(int)
    for account in Account.objects.all():
        held[account.kind] = balance(account)
    totals = {
        kind: sum(one.total for one in Document.objects.filter(kind=kind))
        for kind in ("invoice", "statement")
    }
    assert (held["receivable"], held["payable"]) == (totals["invoice"], -totals["statement"])
    assert sum(held.values()) == 0
    assert trial_balance().balances


def _fen(exact: Decimal) -> int:
    return int((exact * 100).quantize(Decimal(1), ROUND_HALF_UP))
