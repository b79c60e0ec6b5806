"""The buffer: what was noted survives, and the exchange counts it once."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.agent import buffer as buffers
from marketplace.agent.buffer import Buffer, BufferBroken
from marketplace.agent.events import ALLOCATED, Metered
from marketplace.agent.exchange import Exchange, Refused, Unavailable, connect
from marketplace.agent.identity import Identity, Key
from marketplace.agent.signing import SignedBy
from marketplace.agent.usage import Span

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = 3600
NINE = 1_772_442_000
CELL = Metered(site=3, delivery=7, meter=ALLOCATED, span=Span(NINE, NINE + HOUR), quantity=28_800)
WRITER = Path(__file__).parent / "writer.py"


class Counting:
    """An exchange that keeps events as the real one does: by id, and what is named by a correction not."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {}
        self.answers: list[httpx.Response] = []
        self.lost = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.answers:
            return self.answers.pop(0)
        results = [self.take(event) for event in json.loads(request.content)]
        if self.lost:
            self.lost -= 1
            raise httpx.ReadTimeout("the line is cut")
        return httpx.Response(200, json={"results": results})

    def take(self, event: dict[str, Any]) -> dict[str, str]:
        known = self.bodies.setdefault(event["id"], event)
        status = "accepted" if known is event else "duplicate" if known == event else "conflict"
        corrections = (body["data"].get("corrects") for body in self.bodies.values())
        reason = "corrected" if status == "duplicate" and event["id"] in corrections else ""
        return {"id": event["id"], "status": status, "reason": reason, "message": ""}

    def counted(self) -> dict[str, int]:
        """The quantity of each cell: that of its newest correction, or its own."""
        newest: dict[str, dict[str, Any]] = {}
        for event in sorted(self.bodies.values(), key=lambda event: datetime.fromisoformat(event["time"])):
            newest[event["data"].get("corrects", event["id"])] = event
        return {cell: event["data"]["quantity"] for cell, event in newest.items()}


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def exchange(counting: Counting) -> Iterator[Exchange]:
    with httpx.Client(base_url="http://exchange", transport=httpx.MockTransport(counting)) as client:
        yield Exchange(client, sleep=lambda _seconds: None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "buffer.sqlite3"


@pytest.fixture
def buffer(path: Path) -> Iterator[Buffer]:
    buffer = Buffer.open(path)
    yield buffer
    buffer.close()


def test_a_cell_is_told_once_however_often_it_is_noted_and_sent(
    buffer: Buffer, exchange: Exchange, counting: Counting
) -> None:
    assert [buffer.note(CELL, now=NOW) for _ in range(3)] == [True, False, False]
    assert [buffer.send(exchange, now=NOW) for _ in range(2)] == [1, 0]
    assert counting.counted() == {CELL.first_id: 28_800}


def test_another_quantity_is_a_correction(buffer: Buffer, exchange: Exchange, counting: Counting) -> None:
    buffer.note(CELL, now=NOW)
    buffer.send(exchange, now=NOW)
    for minutes, quantity in enumerate((28_000, 27_000), start=1):
        assert buffer.note(replace(CELL, quantity=quantity), now=NOW + timedelta(minutes=minutes))
    buffer.send(exchange, now=NOW)
    assert counting.counted() == {CELL.first_id: 27_000}
    assert buffer.noted(7, ALLOCATED)[NINE].quantity == 27_000


def test_a_lost_answer_costs_another_request_and_nothing_else(
    buffer: Buffer, exchange: Exchange, counting: Counting
) -> None:
    buffer.note(CELL, now=NOW)
    counting.lost = 3
    with pytest.raises(Unavailable, match="ReadTimeout"):
        buffer.send(exchange, now=NOW)
    assert buffer.waiting() == 1
    assert buffer.send(exchange, now=NOW) == 1
    assert counting.counted() == {CELL.first_id: 28_800}


def test_an_outage_of_days_loses_nothing(
    buffer: Buffer, exchange: Exchange, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffers, "BATCH", 7)
    for hour in range(72):
        span = Span(NINE + hour * HOUR, NINE + (hour + 1) * HOUR)
        buffer.note(replace(CELL, span=span, quantity=hour), now=NOW)
        counting.answers = [httpx.Response(503)] * 3
        with pytest.raises(Unavailable, match="503"):
            buffer.send(exchange, now=NOW)
    assert buffer.waiting(7) == buffer.waiting() == 72
    assert buffer.send(exchange, now=NOW) == 72
    assert sum(counting.counted().values()) == sum(range(72))


def test_a_lost_buffer_costs_nothing_and_what_changed_since_is_corrected(
    buffer: Buffer, exchange: Exchange, counting: Counting, tmp_path: Path
) -> None:
    later = replace(CELL, span=Span(NINE + HOUR, NINE + 2 * HOUR))
    for cell in (CELL, later):
        buffer.note(cell, now=NOW)
    buffer.send(exchange, now=NOW)
    new = Buffer.open(tmp_path / "new.sqlite3")
    new.note(CELL, now=NOW)
    new.note(replace(later, quantity=5), now=NOW)
    assert new.send(exchange, now=NOW) == 2
    new.close()
    assert counting.counted() == {CELL.first_id: 28_800, later.first_id: 5}


def test_a_first_value_that_was_corrected_and_came_back_counts_though_the_buffer_is_lost(
    buffer: Buffer, exchange: Exchange, counting: Counting, tmp_path: Path
) -> None:
    """The event of the first value is known at the exchange, and does not count there."""
    for minute, quantity in enumerate((0, 1)):
        buffer.note(replace(CELL, quantity=quantity), now=NOW + timedelta(minutes=minute))
        buffer.send(exchange, now=NOW)
    buffer.note(replace(CELL, quantity=0), now=NOW + timedelta(minutes=2))
    new = Buffer.open(tmp_path / "new.sqlite3")
    later = NOW + timedelta(minutes=3)
    new.note(replace(CELL, quantity=0), now=later)
    new.send(exchange, now=later)
    assert (counting.counted(), new.waiting()) == ({CELL.first_id: 0}, 0)
    new.close()


def test_a_lost_answer_about_an_event_and_its_correction_is_no_other_correction(
    buffer: Buffer, exchange: Exchange, counting: Counting
) -> None:
    buffer.note(CELL, now=NOW)
    buffer.note(replace(CELL, quantity=5), now=NOW)
    counting.lost = 2
    buffer.send(exchange, now=NOW)
    assert (counting.counted(), len(counting.bodies)) == ({CELL.first_id: 5}, 2)


def test_what_may_be_taken_later_waits_and_what_never_will_is_shown(
    buffer: Buffer, exchange: Exchange, counting: Counting
) -> None:
    def answer(reason: str) -> httpx.Response:
        result = {"id": CELL.first_id, "status": "rejected", "reason": reason, "message": "No."}
        return httpx.Response(200, json={"results": [result]})

    buffer.note(CELL, now=NOW)
    counting.answers = [answer("not_active")]
    assert (buffer.send(exchange, now=NOW), buffer.waiting()) == (0, 1)
    counting.answers = [answer("quantity_impossible")]
    assert (buffer.send(exchange, now=NOW), buffer.waiting()) == (0, 0)
    assert buffer.refused() == [(CELL.first_id, "quantity_impossible: No.")]
    assert not buffer.note(CELL, now=NOW)
    assert buffer.note(replace(CELL, quantity=1), now=NOW)
    buffer.send(exchange, now=NOW)
    assert (counting.counted(), buffer.refused()) == ({CELL.first_id: 1}, [])


def test_what_was_told_long_ago_is_let_go(buffer: Buffer, exchange: Exchange) -> None:
    buffer.note(CELL, now=NOW)
    buffer.send(exchange, now=NOW)
    buffer.note(replace(CELL, delivery=8), now=NOW)
    buffer.forget(NOW + timedelta(days=63))
    assert (buffer.noted(7, ALLOCATED), len(buffer.noted(8, ALLOCATED))) == ({}, 1)


def test_the_first_hours_of_a_delivery_that_goes_on_for_months_stay(
    buffer: Buffer, exchange: Exchange
) -> None:
    later = replace(CELL, span=Span(CELL.span.since + 63 * 86_400, CELL.span.until + 63 * 86_400))
    buffer.note(CELL, now=NOW)
    buffer.note(later, now=NOW)
    buffer.send(exchange, now=NOW)
    buffer.forget(NOW + timedelta(days=63))
    assert buffer.noted(7, ALLOCATED) == {CELL.span.since: CELL, later.span.since: later}


def test_a_file_that_is_no_buffer_is_named(path: Path) -> None:
    path.write_text("no database at all, and long enough to be seen as such" * 40)
    with pytest.raises(BufferBroken, match=r"buffer\.sqlite3 cannot be opened"):
        Buffer.open(path)


def test_what_a_killed_process_had_noted_is_there(path: Path) -> None:
    noted = -1
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), str(noted + 1)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        with writer.stdout:
            for _ in range(random.randint(1, 40)):
                noted = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            writer.wait(timeout=10)
        buffer = Buffer.open(path)
        there = {cell.quantity for cell in buffer.noted(7, ALLOCATED).values()}
        assert set(range(noted + 1)) <= there
        noted = max(there)
        buffer.close()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("note"), st.integers(0, 3), st.integers(0, 5)),
        st.tuples(st.sampled_from(["send", "lost", "down", "new buffer"]), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=30, deadline=None)
@given(steps)
def test_whatever_fails_in_between_the_last_quantity_of_each_cell_counts(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, int, int]]
) -> None:
    counting, wanted, folder = Counting(), {}, tmp_path_factory.mktemp("story")
    with httpx.Client(base_url="http://exchange", transport=httpx.MockTransport(counting)) as client:
        exchange = Exchange(client, sleep=lambda _seconds: None)
        buffer = Buffer.open(folder / "0")
        for turn, (what, cell, quantity) in enumerate([*story, ("send", 0, 0)], start=1):
            now = NOW + timedelta(days=1, minutes=turn)
            if what == "note":
                span = Span(NINE + cell * HOUR, NINE + (cell + 1) * HOUR)
                metered = replace(CELL, span=span, quantity=quantity)
                wanted[metered.first_id] = metered
                buffer.note(metered, now=now)
                continue
            if what == "new buffer":
                buffer.close()
                buffer = Buffer.open(folder / str(turn))
                for metered in wanted.values():
                    buffer.note(metered, now=now)
                continue
            counting.lost = 3 if what == "lost" else 0
            counting.answers = [httpx.Response(503)] * 3 if what == "down" else []
            try:
                buffer.send(exchange, now=now)
            except Unavailable:
                counting.lost = 0
        assert buffer.waiting() == 0
        buffer.close()
    assert counting.counted() == {cell: metered.quantity for cell, metered in wanted.items()}


def test_a_refusal_is_told_from_an_outage(exchange: Exchange, counting: Counting) -> None:
    counting.answers = [httpx.Response(422, json={"code": "invalid_input", "detail": "no"})]
    with pytest.raises(Refused, match="422 invalid_input: no"):
        exchange.send_events(["{}"])
    counting.answers = [httpx.Response(200, text="<html>a proxy's page</html>")] * 3
    with pytest.raises(Unavailable, match="JSONDecodeError"):
        exchange.send_events(["{}"])
    counting.answers = [httpx.Response(302, headers={"Location": "http://elsewhere"})]
    with pytest.raises(Refused, match="302"):
        exchange.send_events(["{}"])


def test_pages_are_followed_on_the_exchange_alone() -> None:
    asked = []

    def page(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.host, request.url.query.decode()))
        following = "http://elsewhere/api/v1/agent/deliveries?cursor=2" if len(asked) == 1 else None
        clock = {"market_time": "2026-03-02T08:20:00Z", "clock_speed": 1}
        return httpx.Response(200, json=clock | {"next": following, "results": [{"id": len(asked)}]})

    with httpx.Client(base_url="http://exchange", transport=httpx.MockTransport(page)) as client:
        clock, rows = Exchange(client).deliveries()
    assert asked == [("exchange", "limit=500"), ("exchange", "cursor=2")]
    assert rows == [{"id": 1}, {"id": 2}]
    assert clock.now() >= datetime(2026, 3, 2, 8, 20, tzinfo=UTC)


def test_neither_token_nor_key_is_shown() -> None:
    identity = Identity("http://exchange", Key.new(), "chk_secret", Key.new())
    assert identity.next_key is not None
    shown = repr(identity) + repr(SignedBy(lambda: identity))
    assert not [one for one in ("chk_", identity.key.secret, identity.next_key.secret) if one in shown]


def test_no_wait_is_without_end() -> None:
    with connect("http://exchange", httpx.Auth()) as client:
        assert None not in (client.timeout.connect, client.timeout.read, client.timeout.write)
        assert not client.follow_redirects
