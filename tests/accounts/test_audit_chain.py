"""Whatever is done to the chain behind the code's back is found.

The triggers that refuse it are switched off first: this is what an attacker with the database's password
would do.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Barrier, Event

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from accounts import audit, tasks
from accounts.actors import task_actor
from accounts.models import AuditEvent, AuditSeal
from marketplace.catalogue.models import SoftwareStack
from tests.cast import Cast
from tests.triggers import without_triggers

LATER = timedelta(hours=1)


def write_events(count: int, now: datetime) -> None:
    stack = SoftwareStack.objects.get_or_create(slug="cann-8", defaults={"name": "CANN 8"})[0]
    for number in range(count):
        with transaction.atomic():
            audit.record(
                actor=task_actor("test"),
                action="stack.renamed",
                target=stack,
                now=now,
                data={"name": f"{number} 号", "price": "1.50"},
            )


TABLES = ("accounts_auditevent", "accounts_auditseal")


@pytest.fixture
def without_foreign_key(transactional_db: None) -> Iterator[None]:
    """An owner of the tables can also drop the key from a link to its event."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'accounts_auditseal'::regclass AND contype = 'f'"
        )
        ((name, definition),) = cursor.fetchall()
        cursor.execute(f'ALTER TABLE accounts_auditseal DROP CONSTRAINT "{name}"')
        yield
        with pgtrigger.ignore():
            cursor.execute("TRUNCATE accounts_auditseal")
        cursor.execute(f'ALTER TABLE accounts_auditseal ADD CONSTRAINT "{name}" {definition}')


def run(sql: str, *parameters: object) -> None:
    with without_triggers(*TABLES), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def problems() -> list[str]:
    return [found.problem for found in audit.verify_chain(now=datetime.now(UTC) + LATER)]


@pytest.fixture
def chain(db: None, now: datetime) -> list[AuditSeal]:
    write_events(5, now)
    assert audit.seal() == 5
    return list(AuditSeal.objects.order_by("position"))


def test_a_chain_that_nobody_touched_holds(chain: list[AuditSeal], now: datetime) -> None:
    write_events(3, now)
    assert tasks.seal() == 3
    assert tasks.seal() == 0

    assert problems() == []
    assert [seal.position for seal in AuditSeal.objects.order_by("position")] == list(range(1, 9))


def test_an_event_is_only_written_with_its_change(now: datetime) -> None:
    with pytest.raises(RuntimeError, match="outside of a transaction"):
        audit.record(actor=task_actor("test"), action="x", target=SoftwareStack(pk=1), now=now)


@pytest.mark.parametrize("table", ["accounts_auditevent", "accounts_auditseal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET digest = ''", "DELETE FROM {}"])
def test_the_database_refuses_changes(chain: list[AuditSeal], table: str, statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match="Cannot update or delete"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))


@pytest.mark.parametrize(
    "change",
    [
        'data = \'{"name": "another"}\'',
        "action = 'stack.deleted'",
        "object_id = '99'",
        "task = 'somebody else'",
        "occurred_at = occurred_at + interval '1 microsecond'",
    ],
)
def test_an_altered_event_is_found(chain: list[AuditSeal], change: str) -> None:
    run(f"UPDATE accounts_auditevent SET {change} WHERE id = %s", chain[2].event_id)

    assert problems() == ["the event was altered"]


def test_an_altered_event_with_a_matching_digest_is_found(chain: list[AuditSeal]) -> None:
    event = AuditEvent.objects.get(pk=chain[2].event_id)
    event.action = "stack.deleted"
    run(
        "UPDATE accounts_auditevent SET action = %s, digest = %s WHERE id = %s",
        event.action,
        audit.event_digest(event),
        event.pk,
    )

    assert problems() == ["the link was altered"]


def test_a_relinked_event_breaks_the_next_link(chain: list[AuditSeal]) -> None:
    event = AuditEvent.objects.get(pk=chain[2].event_id)
    event.action = "stack.deleted"
    event.digest = audit.event_digest(event)
    run(
        "UPDATE accounts_auditevent SET action=%s, digest=%s WHERE id=%s",
        event.action,
        event.digest,
        event.pk,
    )
    link = audit._sha256(chain[2].previous + event.digest)
    run("UPDATE accounts_auditseal SET digest = %s WHERE position = 3", link)

    assert problems() == ["the link names another predecessor"]


def test_a_deleted_link_is_found(chain: list[AuditSeal]) -> None:
    run("DELETE FROM accounts_auditseal WHERE position = 3")

    assert problems() == [
        "link 3 is missing",
        "the link names another predecessor",
        "the event was inserted behind the chain, or its link was removed",
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("without_foreign_key")
def test_a_deleted_event_is_found(chain: list[AuditSeal]) -> None:
    run("DELETE FROM accounts_auditevent WHERE id = %s", chain[2].event_id)
    assert problems() == [
        "link 3 is missing",
        "the link names another predecessor",
        "the event was removed",
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("without_foreign_key")
def test_the_last_event_deleted_is_found(chain: list[AuditSeal]) -> None:
    run("DELETE FROM accounts_auditevent WHERE id = %s", chain[4].event_id)

    assert problems() == ["the event was removed"]


def test_an_inserted_event_is_found(chain: list[AuditSeal]) -> None:
    """An id between those of sealed events, and no link: it was not there when they were sealed."""
    run("DELETE FROM accounts_auditseal WHERE position = 5")
    run("UPDATE accounts_auditevent SET id = %s WHERE id = %s", chain[0].event_id - 1, chain[4].event_id)

    assert problems() == ["the event was inserted behind the chain, or its link was removed"]


def test_the_command_names_each_break(chain: list[AuditSeal]) -> None:
    out, err = StringIO(), StringIO()
    call_command("verify_audit", stdout=out, stderr=err)
    assert out.getvalue() == "5 links are whole, 0 breaks\n"

    run("UPDATE accounts_auditevent SET action = 'x' WHERE id = %s", chain[2].event_id)
    out = StringIO()
    with pytest.raises(SystemExit) as exit_code:
        call_command("verify_audit", stdout=out, stderr=err)

    assert exit_code.value.code == 1
    assert err.getvalue() == f"link 3, event {chain[2].event_id}: the event was altered\n"
    assert out.getvalue() == "4 links are whole, 1 breaks\n"


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    def test_sealers_make_one_chain(self, now: datetime) -> None:
        write_events(60, now)
        start = Barrier(4)

        def one(_: int) -> int:
            try:
                start.wait(20)
                return sum(audit.seal(limit=7) for _ in range(12))
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as threads:
            sealed = sum(threads.map(one, range(4)))
        while more := audit.seal():
            sealed += more

        assert sealed == 60
        assert problems() == []

    def test_an_event_that_commits_late_is_sealed_later(self, now: datetime) -> None:
        """Ids are given before commits, so the chain's order is that of the commits."""
        written, go_on = Event(), Event()

        def slow() -> None:
            try:
                with transaction.atomic():
                    write_events(1, now)
                    written.set()
                    assert go_on.wait(20)
            finally:
                connection.close()

        SoftwareStack.objects.create(slug="cann-8", name="CANN 8")
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(slow)
            assert written.wait(20)
            write_events(2, now)
            assert audit.seal() == 2
            go_on.set()
            waiting.result(20)

        assert audit.seal() == 1
        assert problems() == []
        in_order = list(AuditSeal.objects.order_by("position").values_list("event_id", flat=True))
        assert in_order != sorted(in_order)


def test_the_cast_is_not_in_the_chain(cast: Cast) -> None:
    assert cast.owner_admin
    assert not AuditEvent.objects.exists()
