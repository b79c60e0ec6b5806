"""Two at once, or one killed half-way: everything is counted once all the same.

Where a lock keeps two apart, the same race is run without it too, to see that it happens and that
the database then refuses the second.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, connections, transaction

from accounts.actors import Viewer, task_actor, viewer_of_token
from accounts.models import Organisation
from billing.invoicing import services as invoicing
from billing.invoicing.issuers import issuer_now
from billing.invoicing.models import BillingPeriod, Document, InvoicedCharge, Issuer
from billing.invoicing.numbering import number_of, take_numbers
from billing.ledger.models import Account, Journal
from billing.ledger.services import Leg, post_journal
from billing.metering.models import Reading, ReadingConflict
from billing.rating import services as rating
from billing.rating.models import Charge, ParkedUsage, RatingRun
from billing.rating.replay import replay_run
from marketplace.delivery.models import Delivery
from tests.billing.builders import (
    HOUR,
    LONG_AFTER,
    MINUTE,
    RATER,
    START,
    agent_of,
    event,
    make_delivery,
    rate_at,
    refused,
    send,
    statuses,
)
from tests.cast import Cast
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
CLOSER = task_actor("billing.close_periods")
APRIL = datetime(2026, 4, 2, tzinfo=UTC)


def _used(cast: Cast, deliveries: int = 3) -> None:
    agent = agent_of(cast.owner)
    for number in range(deliveries):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
        send(agent, *(event(delivery, f"{number}-{hour}", at=START + hour * HOUR) for hour in range(4)))


def _meet(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Both transactions get past the lock, and wait for each other once they have read what is due."""
    original, barrier = getattr(module, name), threading.Barrier(2)

    def read_and_wait(*args: Any) -> Any:
        result = original(*args)
        barrier.wait(10)
        return result

    monkeypatch.setattr(module, "try_billing_lock", lambda: True)
    monkeypatch.setattr(module, name, read_and_wait)


def test_two_raters_make_one_charge_a_slot(cast: Cast) -> None:
    _used(cast)
    results = at_once(rate_at, rate_at)
    assert not [result for result in results if isinstance(result, Exception)]
    assert (Charge.objects.count(), RatingRun.objects.count()) == (12, 1)


def test_without_the_lock_the_database_refuses_the_second_rater(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    _used(cast)
    _meet(monkeypatch, rating, "work_until")
    results = at_once(rate_at, rate_at)
    assert sorted(type(result).__name__ for result in results) == ["IntegrityError", "RatingRun"]
    assert Charge.objects.count() == 12


def _close() -> list[BillingPeriod]:
    return invoicing.close_due_periods(now=APRIL, actor=CLOSER)


def test_two_closers_make_one_invoice(cast: Cast) -> None:
    _used(cast)
    rate_at()
    results = at_once(_close, _close)
    assert sorted(map(len, results)) == [0, 1]
    assert sorted(Document.objects.values_list("number", flat=True)) == ["INV-2026-000001", "STM-2026-000001"]


def test_without_the_lock_the_database_refuses_the_second_closer(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    _used(cast)
    rate_at()
    _meet(monkeypatch, invoicing, "next_interval")

    def close_one() -> BillingPeriod | None:
        return invoicing._close_next(now=APRIL, actor=CLOSER)

    results = at_once(close_one, close_one)
    assert sorted(type(result).__name__ for result in results) == ["BillingPeriod", "IntegrityError"]
    assert (Document.objects.count(), InvoicedCharge.objects.count()) == (2, 12)


def test_rating_and_closing_at_once_lose_no_charge(cast: Cast) -> None:
    _used(cast, 1)
    rate_at()
    agent, delivery = agent_of(cast.owner), Delivery.objects.get()
    send(agent, event(delivery, "late", at=START + MINUTE))
    at_once(rate_at, _close)
    rate_at()
    invoicing.close_due_periods(now=LONG_AFTER, actor=CLOSER)
    assert (Charge.objects.count(), Charge.objects.filter(invoiced=None).count()) == (5, 0)


def test_a_reading_that_commits_while_rating_runs_is_counted_by_the_next_run(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    agent = agent_of(cast.owner)
    send(agent, event(delivery, "first"))
    with transaction.atomic():
        send(agent, event(delivery, "under way", at=START + MINUTE))
        at_once(rate_at)
    assert [charge.quantity for charge in Charge.objects.all()] == [480]
    rate_at()
    assert [charge.quantity for charge in Charge.objects.order_by("sequence")] == [480, 480]


def test_a_batch_that_commits_after_a_later_one_is_counted_by_the_run_after_its_commit(cast: Cast) -> None:
    """Its readings have the lower numbers: the cutoff stays before them, and both runs replay."""
    early, late = (make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"]) for _ in range(2))
    agent = agent_of(cast.owner)
    send(agent, event(early, "first"))
    with transaction.atomic():
        send(agent, event(early, "slow", at=START + MINUTE))
        at_once(lambda: send(agent, event(late, "fast")))
        at_once(rate_at)
    first = RatingRun.objects.get()
    assert [(one.agreement_id, one.quantity) for one in first.charges.all()] == [(early.agreement_id, 480)]
    assert not ParkedUsage.objects.exists()
    rate_at()
    second = RatingRun.objects.latest("pk")
    assert {(one.agreement_id, one.quantity) for one in second.charges.all()} == {
        (early.agreement_id, 480),
        (late.agreement_id, 480),
    }
    assert first.last_reading < second.last_reading
    assert [replay_run(run).is_same for run in (first, second)] == [True, True]
    assert rate_at() is None


def test_readings_of_a_delivery_commit_in_the_order_of_their_ids(cast: Cast) -> None:
    """So ``last_reading`` of a charge separates what it counted from what came later."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    agent, stored = agent_of(cast.owner), threading.Event()
    second: list[Any] = []

    def late_comer() -> None:
        second.extend(send(agent, event(delivery, "second", at=START + MINUTE)))
        stored.set()
        connections.close_all()

    with transaction.atomic():
        send(agent, event(delivery, "first"))
        thread = threading.Thread(target=late_comer)
        thread.start()
        assert not stored.wait(0.5)
    thread.join(10)
    assert statuses(second) == ["accepted"]
    assert list(Reading.objects.order_by("pk").values_list("event_id", flat=True)) == ["first", "second"]


def test_two_batches_with_the_same_events_store_each_once_and_never_deadlock(cast: Cast) -> None:
    deliveries = [make_delivery(owner=cast.owner, buyer=cast.buyer) for _ in range(4)]
    agent = agent_of(cast.owner)
    events = [
        event(one, f"{one.pk}-{m}", at=START + m * MINUTE)
        for one, m in itertools.product(deliveries, range(30))
    ]
    shuffled = random.Random(1).sample(events, len(events))
    results = at_once(
        *(lambda batch=batch: send(agent, *batch) for batch in (events, events[::-1], shuffled))
    )
    counts = [sorted({answer.status.value for answer in answers}) for answers in results]
    assert sorted(counts) == [["accepted"], ["duplicate"], ["duplicate"]]
    assert Reading.objects.count() == 120


def test_one_id_for_two_deliveries_at_once_is_stored_once_and_the_other_is_a_conflict(cast: Cast) -> None:
    fleet_site = make_delivery(owner=cast.owner, buyer=cast.buyer)
    one, two = fleet_site, make_delivery(owner=cast.owner, buyer=cast.buyer)
    Delivery.objects.filter(pk=two.pk).update(site=one.site)
    two.refresh_from_db()
    agent = agent_of(cast.owner)
    for number in range(5):
        results = at_once(*(lambda d=d, n=number: send(agent, event(d, f"same {n}")) for d in (one, two)))
        assert sorted(statuses(itertools.chain(*results))) == ["accepted", "conflict"]
    assert (Reading.objects.count(), ReadingConflict.objects.count()) == (5, 5)


def test_numbers_have_no_gaps_whoever_fails(cast: Cast) -> None:
    """At commit the database counts: without a document for each number nobody could take them."""
    taken: list[int] = []
    period = BillingPeriod.objects.create(starts_at=START, ends_at=APRIL, closed_at=APRIL)
    issuer, buyer = issuer_now(), cast.buyer

    def finalise(number: int) -> None:
        rng = random.Random(number)
        for _ in range(12):
            with transaction.atomic():
                count = rng.randint(1, 3)
                first = take_numbers("", "invoice", year=2026, count=count)
                for sequence in range(first, first + count):
                    _empty_invoice(buyer, issuer, period, sequence)
                time.sleep(rng.random() / 200)
                if rng.random() < 0.4:
                    transaction.set_rollback(True)
                else:
                    taken.extend(range(first, first + count))

    at_once(*(lambda number=number: finalise(number) for number in range(4)))
    assert len(taken) > 20
    assert sorted(taken) == list(range(1, len(taken) + 1))


def _empty_invoice(buyer: Organisation, issuer: Issuer, period: BillingPeriod, sequence: int) -> None:
    Document.objects.create(
        kind="invoice",
        number=number_of(issuer, "invoice", 2026, sequence),
        issuer=issuer,
        year=2026,
        sequence=sequence,
        period=period,
        part=sequence,
        currency="CNY",
        net=0,
        tax=0,
        total=0,
        line_count=0,
        finalised_at=APRIL,
        **invoicing.facts_of(buyer),
    )


def test_a_number_without_a_document_is_not_given(cast: Cast) -> None:
    with refused("counts to 1"):
        take_numbers("", "invoice", year=2026, count=1)


def test_the_same_journal_at_once_is_booked_once(cast: Cast) -> None:
    legs = [
        Leg(Account.Kind.RECEIVABLE, cast.buyer.pk, "CNY", 5),
        Leg(Account.Kind.PAYABLE, cast.owner.pk, "CNY", -5),
    ]

    def post() -> Journal:
        return post_journal(key="k", description="x", booked_at=START, legs=legs, actor=RATER)

    results = at_once(*[post] * 4)
    assert len({journal.pk for journal in results}) == 1
    assert (Journal.objects.count(), Account.objects.count()) == (1, 2)


SITE = """
    import json, sys
    import django
    django.setup()
    from django.db import transaction
    from accounts.actors import viewer_of_token
    from accounts.models import ApiToken
    from marketplace.delivery.models import Delivery
    from tests.billing.builders import MINUTE, send, event, HOUR
    agent = viewer_of_token(ApiToken.objects.get())
    delivery = Delivery.objects.get()
    def at(hour, minute):
        return event(delivery, f"{hour}-{minute}", at=delivery.starts_at + hour * HOUR + minute * MINUTE)

    batches = [[at(hour, minute) for minute in range(60)] for hour in range(4)]
"""
HANGS_BEFORE_COMMIT = """
    with transaction.atomic():
        send(agent, *batches[0])
        print("written", flush=True)
        sys.stdin.read()
"""
SENDS_FOR_EVER = """
    print("ready", flush=True)
    while True:
        for number, batch in enumerate(batches):
            send(agent, *batch)
            print(number, flush=True)
"""


def _site(script: str) -> subprocess.Popen[str]:
    """Another process that writes to the database of this test."""
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SITE) + textwrap.dedent(script)],
        env=os.environ
        | {
            "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}",
            "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _kill(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    return output


def _batches(delivery: Delivery) -> list[list[dict[str, Any]]]:
    return [
        [
            event(delivery, f"{hour}-{minute}", at=START + hour * HOUR + minute * MINUTE)
            for minute in range(60)
        ]
        for hour in range(4)
    ]


def _resend(agent: Viewer, delivery: Delivery) -> None:
    for batch in _batches(delivery):
        assert not {"conflict", "rejected"} & {answer.status.value for answer in send(agent, *batch)}
    rate_at()
    assert [charge.quantity for charge in Charge.objects.order_by("slot")] == [28_800] * 4
    assert not ParkedUsage.objects.exists()


def test_a_site_killed_before_its_commit_has_stored_nothing(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    agent = agent_of(cast.owner)
    process = _site(HANGS_BEFORE_COMMIT)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    _kill(process)
    assert not Reading.objects.exists()
    _resend(agent, delivery)


def test_a_site_killed_at_any_moment_has_stored_whole_batches_and_all_that_were_acknowledged(
    cast: Cast,
) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    agent = viewer_of_token(agent_of(cast.owner).actor.token)
    process = _site(SENDS_FOR_EVER)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(random.Random().uniform(0, 0.05))
    acknowledged = {int(line) for line in _kill(process).split()}
    # What the dead process had under way ends when its connection does: wait for its lock.
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=delivery.pk)
    stored = [Reading.objects.filter(slot=START + hour * HOUR).count() for hour in range(4)]
    assert set(stored) <= {0, 60}
    assert acknowledged <= {hour for hour, count in enumerate(stored) if count}
    _resend(agent, delivery)
