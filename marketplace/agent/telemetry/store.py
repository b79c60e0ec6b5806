"""Samples, kept until the hour that they are of is told: a file that outlives the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from marketplace.agent.buffer import BufferBroken
from marketplace.agent.telemetry.samples import Card, Figures, Sample
from marketplace.agent.usage import Span

SCHEMA = """
CREATE TABLE IF NOT EXISTS sample (
    node TEXT NOT NULL, card TEXT NOT NULL, at INTEGER NOT NULL, delivery INTEGER NOT NULL,
    utilisation REAL, memory REAL, power REAL, energy REAL,
    PRIMARY KEY (node, card, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sample_in_time ON sample (at);
CREATE TABLE IF NOT EXISTS told_hour (since INTEGER PRIMARY KEY) STRICT;
"""
IDLE = 0
"""The delivery of a card that none holds."""


@dataclass(frozen=True, slots=True)
class Samples:
    database: sqlite3.Connection

    @classmethod
    def open(cls, path: Path) -> Self:
        try:
            database = sqlite3.connect(path, timeout=10)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")  # a loss of power may cost the last samples
            database.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise BufferBroken(f"The samples {path} cannot be opened ({error}): remove the file.") from error
        return cls(database)

    def close(self) -> None:
        self.database.close()

    def keep(self, samples: Iterable[Sample], holders: Mapping[Card, int]) -> None:
        rows = [
            (one.card.node, one.card.index, one.at, holders.get(one.card, IDLE), *astuple(one.figures))
            for one in samples
        ]
        with self.database:
            self.database.executemany("INSERT OR IGNORE INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def newest(self) -> int:
        return int(self.database.execute("SELECT coalesce(max(at), 0) FROM sample").fetchone()[0])

    def of(self, delivery: int, span: Span) -> dict[Card, list[Sample]]:
        """Those of a delivery's cards in a span, in their order, by card; or of ``IDLE`` ones."""
        query = "SELECT * FROM sample WHERE delivery = ? AND at >= ? AND at < ? ORDER BY node, card, at"
        found: dict[Card, list[Sample]] = {}
        for node, index, at, _, *figures in self.database.execute(query, (delivery, span.since, span.until)):
            card = Card(node, index)
            found.setdefault(card, []).append(Sample(card, at, Figures(*figures)))
        return found

    def untold_hours(self, until: int) -> list[int]:
        """Whole hours of UTC of which there are samples, that are over and that were not told yet."""
        query = (
            "SELECT DISTINCT at - at % 3600 FROM sample WHERE at < ? - ? % 3600 "
            "AND at - at % 3600 NOT IN (SELECT since FROM told_hour) ORDER BY 1"
        )
        return [since for (since,) in self.database.execute(query, (until, until))]

    def told(self, since: int) -> None:
        with self.database:
            self.database.execute("INSERT OR IGNORE INTO told_hour VALUES (?)", (since,))

    def forget(self, before: int) -> None:
        with self.database:
            self.database.execute("DELETE FROM sample WHERE at < ?", (before,))
            self.database.execute("DELETE FROM told_hour WHERE since < ?", (before - 7_200,))
