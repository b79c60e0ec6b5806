"""Rows as detectors read them, made by hand: what is honest, for a test to spoil."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from marketplace.audit.findings.cases import Case, Window
from marketplace.audit.findings.detectors import DETECTORS
from marketplace.audit.findings.facts import Deal, Hour, Ownership
from marketplace.audit.findings.thresholds import thresholds_of

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = Window(START, START + timedelta(days=7))
NOBODY_RELATED = Ownership({}, {}, {})


def judged(name: str, facts: Any) -> list[Case]:
    return list(DETECTORS[name].judge(facts, WEEK, thresholds_of(name)))


def hour(place: int, *, duty: float = 0.3, cards: int = 8, tdp: int = 700, **facts: Any) -> Hour:
    """An hour whose energy is a quarter of the design power idle, all of it busy."""
    allocated = cards * 3600
    active = round(allocated * duty)
    usual = {
        "site": 1,
        "owner": 10,
        "buyer": 20,
        "delivery": 100,
        "agreement": 200,
        "cards": cards,
        "model": "h800",
        "tdp": tdp,
        "slot": START + place * HOUR,
        "allocated": allocated,
        "active": active,
        "energy": round(tdp * (0.25 * allocated + 0.75 * active) / 3600),
        "power": None,
    }
    return Hour(**(usual | facts))


def day_and_night(hours: int = 72, *, seed: int = 1, **facts: Any) -> list[Hour]:
    """Honest work: more by day, with noise in load and power."""
    luck = random.Random(seed)
    made = []
    for place in range(hours):
        duty = min(max(luck.gauss(0.4 if 8 <= place % 24 < 20 else 0.15, 0.12), 0.02), 0.98)
        one = hour(place, duty=duty, **facts)
        made.append(one._replace(energy=round((one.energy or 0) * luck.gauss(1, 0.02))))
    return made


def site(hours: Iterable[Hour], change: Callable[[Hour], Hour] = lambda one: one) -> list[list[Hour]]:
    """One site with these hours, each changed."""
    return [[change(one) for one in hours]]


def deal(
    number: int, buyer: int, owner: int, *, card_hours: int = 100, price: str = "10", **facts: Any
) -> Deal:
    usual = {
        "agreement": number,
        "kind": "spot",
        "buyer": buyer,
        "owner": owner,
        "site": owner,
        "model": 1,
        "zone": 1,
        "run": number,
        "cards": 8,
        "card_hours": card_hours,
        "value": card_hours * Decimal(price),
        "currency": "CNY",
        "concluded_at": START + number * HOUR / 10,
        "terms_digest": "0" * 64,
    }
    return Deal(**(usual | facts))


def of_many(first: int = 1000, *, pairs: int = 6, each: int = 4) -> list[Deal]:
    """A market in which everybody buys of everybody: buyers from 500 on, owners from 900 on."""
    return [
        deal(first + (b * pairs + o) * each + n, 500 + b, 900 + o)
        for b in range(pairs)
        for o in range(pairs)
        for n in range(each)
    ]
