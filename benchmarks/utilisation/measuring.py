"""The answers that pages and the API give, asked for by whom it costs most."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count

from accounts.actors import Capability, Viewer
from benchmarks.utilisation.answers import Answer
from marketplace.audit.utilisation.nation import nation
from marketplace.audit.utilisation.selectors import By, as_of, cascade, site_hours, trend
from marketplace.clock import HOUR
from marketplace.supply.models import Site

GROUPS: tuple[By, ...] = ("hub", "nation", "model", "owner", "site")
AUDITOR = Viewer(actor=None, is_auditor=True)


def measure(*, rounds: int) -> list[Answer]:
    return [_measured(name, ask, rounds) for name, ask in _questions()]


def _measured(name: str, ask: Callable[[], Sequence[Any]], rounds: int) -> Answer:
    rows = len(ask())
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began)
    return Answer(name, rows, seconds)


def _questions() -> Iterator[tuple[str, Callable[[], Sequence[Any]]]]:
    seen = as_of()
    if seen is None:
        raise ValueError("nothing is added up: make the market anew with --fresh")
    month, end = seen.until.replace(day=1, hour=0), seen.until
    week, day = end - 168 * HOUR, end - 24 * HOUR
    windows = {"the month": month, "30 days": seen.since, "a week": week, "a day": day}
    for window, start in windows.items():
        for by in GROUPS:
            yield f"auditor: {window} by {by}", _asked(AUDITOR, start, end, by)
    largest = Site.objects.values("owner").annotate(sites=Count("pk")).order_by("-sites", "owner")[0]["owner"]
    owner = Viewer(actor=None, capabilities={largest: frozenset({Capability.READ})})
    site = Site.objects.filter(owner=largest).earliest("pk")
    yield "owner: the month by site", _asked(owner, month, end, "site")
    yield "one site: the month", lambda: cascade(owner, start=month, end=end, by="site", site=site.pk)
    yield "one site: its hours of a day", lambda: site_hours(site, day, end)
    yield "auditor: 30 days, day by day", lambda: trend(AUDITOR, start=seen.since, end=end, grain="day")
    yield "owner: 30 days, day by day", lambda: trend(owner, start=seen.since, end=end, grain="day")
    yield "national view: the month", lambda: nation(AUDITOR, start=month, end=end).inland


def _asked(viewer: Viewer, start: datetime, end: datetime, by: By) -> Callable[[], Sequence[Any]]:
    return lambda: cascade(viewer, start=start, end=end, by=by)
