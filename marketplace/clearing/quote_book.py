"""The book that quotes are read from: made by a task, kept in the cache, held by each process that quotes.

To read the market takes seconds at national scale, and nobody who asks for a quote waits for it. A process
takes over the newest book when it is asked next, which takes it about a tenth of a second; in between it
has it in memory.
"""

from __future__ import annotations

import hashlib
import pickle
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import ClassVar

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from marketplace.catalogue.selectors import profiles_in_force
from marketplace.clearing import snapshot
from marketplace.clearing.models import ClearingPrice
from marketplace.clearing.selectors import committed_runs, last_committed
from marketplace.clearing.snapshot.units import Window
from marketplace.clock import HOUR, next_hour
from marketplace.engine import Price, QuoteBook
from marketplace.errors import DomainError

log = structlog.get_logger(__name__)

NEWEST = "quotes/newest"
KEPT_SECONDS = 3600
"""How long a book is quoted from when no newer one is made. The hour that it is as of is always told."""

LAST_RUNS = 24
"""So many runs say what others buy: enough to tell rare from frequent, few enough to be of these days."""


class QuotesInPreparation(DomainError):
    """``wait`` is in seconds; the API sends it as ``Retry-After``."""

    code = "quotes_in_preparation"
    title = gettext_noop("Quotes are being prepared")
    status = 503
    wait: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """A book of the market at a moment, over ``slots`` hours from ``start``."""

    book: QuoteBook
    start: datetime

    @property
    def window(self) -> Window:
        return Window(self.start, self.book.slots)


@dataclass(frozen=True, slots=True)
class Newest:
    """Which book the cache has, and of which moment. While the market stands still, the digest stays."""

    digest: str
    at: datetime


def prepare(*, now: datetime) -> None:
    """Make the book of the market as it is now, at the prices of the last run."""
    start = next_hour(now)
    market = snapshot.build(
        horizon_start=start,
        slots=settings.MARKET_HORIZON_SLOTS,
        base_currency=settings.MARKET_BASE_CURRENCY,
        profiles=profiles_in_force(),
        now=now,
        requests=(),
    )
    packed = _pack(Prepared(QuoteBook(market, _prices(start), sold_by_last_runs().values()), start))
    digest = hashlib.sha256(packed).hexdigest()
    # First the book, then its name: whoever reads the name finds the book.
    cache.set(_key(digest), packed, 2 * KEPT_SECONDS)
    cache.set(NEWEST, Newest(digest, now), KEPT_SECONDS)
    log.info("quotes_prepared", offers=len(market.offers), size=len(packed))


def _pack(prepared: Prepared) -> bytes:
    return zlib.compress(pickle.dumps(prepared, pickle.HIGHEST_PROTOCOL), level=1)


def _prices(start: datetime) -> Iterator[Price]:
    run = last_committed()
    if run is None:
        return
    rows = run.prices.filter(slot__gte=start).values_list(
        "model__slug", "zone__slug", "slot", "currency", "price"
    )
    for model, zone, slot, currency, price in rows.iterator():
        yield Price(model, zone, (slot - start) // HOUR, currency, int(price.scaleb(6)))


def sold_by_last_runs() -> Mapping[int, Mapping[tuple[str, str, str], int]]:
    """The most cards of each product that each of the last runs sold in any hour, by run."""
    runs = committed_runs().values_list("pk", flat=True)[:LAST_RUNS]
    sold: dict[int, dict[tuple[str, str, str], int]] = {run: {} for run in runs}
    rows = ClearingPrice.objects.filter(run__in=list(sold)).order_by()
    peaks = rows.values_list("run", "model__slug", "zone__slug", "currency").annotate(peak=Max("cards"))
    for run, model, zone, currency, peak in peaks:
        sold[run][model, zone, currency] = peak
    return sold


def _key(digest: str) -> str:
    return f"quotes/book/{digest}"


class _Held:
    """The book that this process has in memory. Threads take over a new one once, not each for itself."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._digest, self._prepared = "", None

    def of(self, digest: str) -> Prepared | None:
        with self._lock:
            if self._digest != digest:
                packed = cache.get(_key(digest))
                if packed is None:
                    return None
                # The cache is as trusted as Django, which pickles all that it puts there.
                self._prepared = pickle.loads(zlib.decompress(packed))  # noqa: S301
                self._digest = digest
            return self._prepared


_held = _Held()


def current() -> tuple[Prepared, datetime]:
    """The newest book and the moment of which it is; ``QuotesInPreparation`` where there is none yet."""
    newest: Newest | None = cache.get(NEWEST)
    prepared = None if newest is None else _held.of(newest.digest)
    if newest is None or prepared is None:
        raise QuotesInPreparation(
            _("The market is being read for quotes. Try again in %(seconds)s seconds.")
            % {"seconds": QuotesInPreparation.wait}
        )
    return prepared, newest.at
