"""What was metered and what became of it: a file that outlives the process, the machine's power and an
exchange that does not answer for days.

A quantity that was noted is on disk. It is sent until the exchange has said what became of it. A cell that
turns out otherwise later is corrected, never told twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from marketplace.agent import events
from marketplace.agent.errors import AgentError
from marketplace.agent.events import Metered
from marketplace.agent.exchange import Exchange
from marketplace.agent.usage import Span

BATCH = 1_000
KEPT = timedelta(days=62)
HEALS = frozenset({"not_active", "in_future"})
"""Reasons for which the same event may be taken later."""

CORRECTED = "corrected"
"""The exchange has the event, and a correction of it that counts instead."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    site INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    meter TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'told', 'conflict', 'refused')),
    reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS event_of_a_cell ON event (delivery, meter, since, number);
CREATE INDEX IF NOT EXISTS event_waiting ON event (number) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS last_told (row TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS clock (since INTEGER PRIMARY KEY, offset INTEGER NOT NULL) STRICT;
"""


class BufferBroken(AgentError):
    """The file is no buffer, or the disk refuses it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a cell: its last event."""

    event_id: str
    state: str
    metered: Metered


@dataclass(frozen=True, slots=True)
class Buffer:
    database: sqlite3.Connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Made where there is none. ``synchronous = FULL``: what was committed survives a loss of power."""
        try:
            database = sqlite3.connect(path, isolation_level=None, timeout=10)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise BufferBroken(
                f"The buffer {path} cannot be opened ({error}). Give the agent another file: it meters "
                "from accounting again what that one held."
            ) from error
        return cls(database)

    def close(self) -> None:
        self.database.close()

    def note(self, *metered: Metered, now: datetime) -> bool:
        """Keep quantities, all of them or none; whether any is news."""
        with self._written():
            news = [self._note(one, now) for one in metered]
        return any(news)

    def _note(self, metered: Metered, now: datetime) -> bool:
        """A correction, where the cell was told before."""
        last = self._last(metered)
        if last is None:
            self._add(*events.first(metered), metered)
            return True
        if last.metered == metered:
            return False
        if last.state == "refused" and last.event_id == metered.first_id:
            self._instead(metered)
        else:
            self._add(*events.correction(metered, at=now), metered)
        return True

    def send(self, exchange: Exchange, *, now: datetime) -> int:
        """Tell the exchange what waits, oldest first; returns how much was told."""
        told, after = 0, 0
        while batch := self._waiting(after):
            answers = exchange.send_events([body for _, _, body in batch])
            with self._written():
                for (_, event_id, _), answer in zip(batch, answers, strict=True):
                    told += self._settle(event_id, answer, now)
            after = batch[-1][0]
        return told

    def waiting(self, delivery: int | None = None) -> int:
        """How many events the exchange has not answered; of one delivery, or of all."""
        query = "SELECT count(*) FROM event WHERE state = 'waiting' AND delivery = coalesce(?, delivery)"
        return int(self.database.execute(query, (delivery,)).fetchone()[0])

    def waiting_since(self) -> int | None:
        """When the oldest of them was metered."""
        query = "SELECT min(until) FROM event WHERE state = 'waiting'"
        since: int | None = self.database.execute(query).fetchone()[0]
        return since

    def refused(self) -> list[tuple[str, str]]:
        """Events that the exchange will not take, with its reason: for the site's people."""
        query = "SELECT id, reason FROM event WHERE state = 'refused' ORDER BY number"
        return list(self.database.execute(query))

    def noted(self, delivery: int, meter: str) -> dict[int, Metered]:
        """What was last noted of each cell of a delivery, by the moment at which the cell begins."""
        query = "SELECT * FROM event WHERE delivery = ? AND meter = ? ORDER BY number"
        cursor = self.database.execute(query, (delivery, meter))
        return {told.metered.span.since: told.metered for told in _told(cursor)}

    def remember(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """What the exchange last wanted, for when it does not answer."""
        if rows == self.remembered():
            return
        with self._written():
            self.database.execute("DELETE FROM last_told")
            told = [(json.dumps(row),) for row in rows]
            self.database.executemany("INSERT INTO last_told (row) VALUES (?)", told)

    def remembered(self) -> list[dict[str, Any]]:
        rows = self.database.execute("SELECT row FROM last_told ORDER BY rowid")
        return [json.loads(row) for (row,) in rows]

    def clock_offset(self) -> tuple[int, int] | None:
        """How far the site's clock is ahead of the exchange's, in seconds, and since when, by the exchange's;
        None before they were compared."""
        query = "SELECT offset, since FROM clock ORDER BY since DESC LIMIT 1"
        found: tuple[int, int] | None = self.database.execute(query).fetchone()
        return found

    def keep_clock_offset(self, seconds: int, *, since: int) -> None:
        with self._written():
            self.database.execute(
                "INSERT OR REPLACE INTO clock (since, offset) VALUES (?, ?)", (since, seconds)
            )

    def forget(self, now: datetime) -> None:
        """Let go of deliveries of which all was told long ago. What waits or was refused stays.

        Not of the first hours of one that goes on: what is not known is metered again, from an accounting
        that may have let go of them too.
        """
        until = int((now - KEPT).timestamp())
        self.database.execute(
            "DELETE FROM event WHERE state IN ('told', 'conflict') AND delivery NOT IN "
            "(SELECT delivery FROM event WHERE until >= ?)",
            (until,),
        )

    def _last(self, metered: Metered) -> Told | None:
        query = (
            "SELECT * FROM event WHERE delivery = ? AND meter = ? AND since = ? ORDER BY number DESC LIMIT 1"
        )
        cell = (metered.delivery, metered.meter, metered.span.since)
        return next(_told(self.database.execute(query, cell)), None)

    def _add(self, event_id: str, body: str, metered: Metered) -> None:
        self.database.execute(
            "INSERT INTO event (id, site, delivery, meter, since, until, quantity, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event_id,
                metered.site,
                metered.delivery,
                metered.meter,
                metered.span.since,
                metered.span.until,
                metered.quantity,
                body,
            ),
        )

    def _instead(self, metered: Metered) -> None:
        """The first event of a cell was refused, so nothing of it counts: its id is free for another."""
        event_id, body = events.first(metered)
        self.database.execute(
            "UPDATE event SET until = ?, quantity = ?, body = ?, state = 'waiting', reason = '' WHERE id = ?",
            (metered.span.until, metered.quantity, body, event_id),
        )

    def _waiting(self, after: int) -> Sequence[tuple[int, str, str]]:
        query = "SELECT number, id, body FROM event WHERE state = 'waiting' AND number > ? ORDER BY 1 LIMIT ?"
        return self.database.execute(query, (after, BATCH)).fetchall()

    def _settle(self, event_id: str, answer: Mapping[str, Any], now: datetime) -> int:
        """Keep the exchange's answer; 1 where the event is stored there.

        A conflict means that this cell was told before and the buffer that knew it is lost: what it holds
        now becomes a correction. The same holds for a duplicate that was corrected since, where no correction
        is known here.
        """
        status, reason = answer["status"], answer.get("reason", "")
        if status == "rejected" and reason in HEALS:
            return 0
        state = {"accepted": "told", "duplicate": "told", "conflict": "conflict"}.get(status, "refused")
        why = f"{reason}: {answer.get('message', '')}" if state == "refused" else reason
        self.database.execute("UPDATE event SET state = ?, reason = ? WHERE id = ?", (state, why, event_id))
        if state == "conflict" or reason == CORRECTED:
            told = next(_told(self.database.execute("SELECT * FROM event WHERE id = ?", (event_id,))))
            self._correct(told, now)
        return int(state == "told")

    def _correct(self, told: Told, now: datetime) -> None:
        last = self._last(told.metered)
        if last is not None and last.event_id != told.event_id:
            return  # it was noted anew, as a correction, which waits or was told
        self._add(*events.correction(told.metered, at=now), told.metered)

    @contextmanager
    def _written(self) -> Iterator[None]:
        """All of it or nothing, and on disk when it is over."""
        try:
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.database.rollback()
                raise
            self.database.execute("COMMIT")
        except sqlite3.Error as error:
            raise BufferBroken(
                f"The buffer cannot be written ({error}): nothing was noted, and it is metered again. "
                "Make room on its disk, and see that its file is the agent's."
            ) from error


def _told(cursor: sqlite3.Cursor) -> Iterator[Told]:
    for row in cursor:
        _, event_id, site, delivery, meter, since, until, quantity, _, state, _ = row
        yield Told(event_id, state, Metered(site, delivery, meter, Span(since, until), quantity))
