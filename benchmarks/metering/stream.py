"""The events: one a card and minute, as a site of 125 deliveries with 8 cards each sends them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DELIVERIES, CARDS = 125, 8
MOST_REMEMBERED = 50_000
METERS = ("card-seconds.allocated", "card-seconds.active", "utilisation.mean", "energy.wh")
MOST = {"card-seconds.allocated": 60, "card-seconds.active": 60, "utilisation.mean": 10_000, "energy.wh": 12}


class Stream:
    """New events without end, the same for the same seed and name."""

    def __init__(self, site: int, deliveries: Sequence[int], *, name: str, seed: int) -> None:
        self._site, self._deliveries, self._name = site, deliveries, name
        self._random = random.Random(f"{seed} {name}")  # noqa: S311 a benchmark, no secret
        self._events = self._all()
        self._sent: deque[bytes] = deque(maxlen=MOST_REMEMBERED)

    def new(self, count: int) -> list[bytes]:
        events = list(islice(self._events, count))
        self._sent += events
        return events

    def batch(self, count: int, duplicates: int) -> list[bytes]:
        """So many events, of which a percentage was sent before."""
        known = count * duplicates // 100
        events = self._random.sample(self._sent, known) + self.new(count - known)
        self._random.shuffle(events)
        return events

    def _all(self) -> Iterator[bytes]:
        for number in range(44_640 * len(METERS)):
            minute, meter = divmod(number, len(METERS))
            for delivery in self._deliveries:
                for card in range(CARDS):
                    yield self._event(delivery, card, START + minute * MINUTE, METERS[meter])

    def _event(self, delivery: int, card: int, at: datetime, meter: str) -> bytes:
        begins, ends = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (at, at + MINUTE))
        quantity = self._random.randint(0, MOST[meter])
        return (
            f'{{"specversion":"1.0","id":"{self._name}/{delivery}/{card}/{meter}/{at:%m%dT%H%M}",'
            f'"source":"urn:cardhour:site:{self._site}","type":"org.cardhour.meter.v1","time":"{ends}",'
            f'"subject":"delivery/{delivery}","data":{{"meter":"{meter}","starts_at":"{begins}",'
            f'"ends_at":"{ends}","quantity":{quantity}}}}}'
        ).encode()
