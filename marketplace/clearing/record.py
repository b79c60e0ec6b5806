"""What of a run can be taken home.

A run's package shows every party's limits and asks, so only those who see everything may have it. A
party may have its part: its own orders as the run was given them, and what the run gave it.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from msgspec import Raw

from accounts.actors import Capability, Viewer
from marketplace.clearing import services
from marketplace.clearing.models import MarketRun
from marketplace.engine.replay import RESULT, SNAPSHOT, SUMS

README = """\
Market run {run} of Cardhour, cleared by engine {engine}

snapshot.json   every order of the market, as the run was given it
result.json     what the run decided, with the shadow prices that prove its bound
SHA256SUMS      the SHA-256 of both; the run's page shows the same figures

To clear the run again on your own machine and compare the result byte for byte:

    pip install ./packaging/engine      in a checkout of Cardhour
    cardhour-replay {package}

docs/replay.md of the checkout says what is compared.

The limits and asks of every party are in this package: keep it to yourself.
"""


def package_name(run: MarketRun) -> str:
    return f"cardhour-run-{run.pk}.zip"


def write_package(run: MarketRun, file: IO[bytes]) -> None:
    """The package of a committed run as a zip. The same run gives the same bytes."""
    with ZipFile(file, "w") as package:
        readme = README.format(run=run, engine=run.engine, package=package_name(run))
        sums = f"{run.snapshot_digest}  {SNAPSHOT}\n{run.result_digest}  {RESULT}\n"
        package.writestr(_member("README.txt"), readme)
        package.writestr(_member(SUMS), sums)
        for name, compressed in ((SNAPSHOT, run.snapshot), (RESULT, run.result)):
            with gzip.open(BytesIO(compressed or b"")) as source, package.open(_member(name), "w") as target:
                shutil.copyfileobj(source, target)


def _member(name: str) -> ZipInfo:
    member = ZipInfo(name)
    member.compress_type = ZIP_DEFLATED
    return member


# A national snapshot is large. Rows are told apart by their heads and handed on as they are.
class _Snapshot(msgspec.Struct):
    format: int
    horizon_start: str
    slots: int
    base_currency: str
    currencies: Raw
    models: Raw
    sites: list[Raw]
    offers: list[Raw]
    requests: list[Raw]
    budgets: list[Raw]
    choices: list[Raw]
    owner_caps: list[Raw]
    carbon_price: int


class _Bound(msgspec.Struct):
    value: int


class _Result(msgspec.Struct):
    format: int
    engine: str
    snapshot: str
    surplus: int
    objective: int
    bound: _Bound
    repriced: int
    placements: list[Raw]
    prices: Raw
    explanations: list[Raw]
    offers: list[Raw]


class _Head(msgspec.Struct):
    """What tells whose a row is; each kind of row has some of these."""

    id: int = 0
    owner: int = 0
    buyer: int = 0
    site: int = 0
    request: int = 0
    offer: int = 0
    requests: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Mine:
    """Whose rows are handed on: ids of organisations, and of their offers and requests."""

    organisations: frozenset[int]
    offers: frozenset[int]
    requests: frozenset[int]


def part_for(viewer: Viewer, run: MarketRun) -> bytes | None:
    """The viewer's part of a committed run as JSON, or ``None`` where it had no order in it.

    All clearing prices are in it, since they are public, and the digests of the whole.
    """
    mine = frozenset(viewer.organisations_with(Capability.READ))
    if not _took_part(mine, run):
        return None
    given = msgspec.json.decode(services.stored_snapshot(run), type=_Snapshot)
    made = msgspec.json.decode(services.stored_result(run), type=_Result)
    sites = _ids(given.sites, lambda site: site.owner in mine)
    own = _Mine(
        mine,
        offers=_ids(given.offers, lambda offer: offer.site in sites),
        requests=_ids(given.requests, lambda request: request.buyer in mine),
    )
    return msgspec.json.encode(
        {
            "run": run.pk,
            "snapshot_digest": run.snapshot_digest,
            "result_digest": run.result_digest,
            "snapshot": _snapshot_part(given, own),
            "result": _result_part(made, own),
        }
    )


def _took_part(organisations: Iterable[int], run: MarketRun) -> bool:
    return (
        run.explanations.filter(request__organisation__in=organisations).exists()
        or run.offer_outcomes.filter(offer__fleet__site__owner__in=organisations).exists()
    )


def _snapshot_part(given: _Snapshot, own: _Mine) -> dict[str, Any]:
    return msgspec.structs.asdict(given) | {
        "sites": _rows(given.sites, lambda site: site.owner in own.organisations),
        "offers": _rows(given.offers, lambda offer: offer.id in own.offers),
        "requests": _rows(given.requests, lambda request: request.id in own.requests),
        "budgets": _rows(given.budgets, lambda budget: bool(budget.requests & own.requests)),
        "choices": _rows(given.choices, lambda choice: bool(choice.requests & own.requests)),
        "owner_caps": _rows(given.owner_caps, lambda cap: cap.buyer in own.organisations),
    }


def _result_part(made: _Result, own: _Mine) -> dict[str, Any]:
    """Without the shadow prices, which tell more about the asks of others than the prices do."""
    return msgspec.structs.asdict(made) | {
        "placements": _rows(
            made.placements, lambda each: each.request in own.requests or each.offer in own.offers
        ),
        "explanations": _rows(made.explanations, lambda each: each.request in own.requests),
        "offers": _rows(made.offers, lambda each: each.offer in own.offers),
    }


def _ids(rows: Iterable[Raw], is_wanted: Callable[[_Head], bool]) -> frozenset[int]:
    return frozenset(head.id for _, head in _heads(rows) if is_wanted(head))


def _rows(rows: Iterable[Raw], is_wanted: Callable[[_Head], bool]) -> list[Raw]:
    return [row for row, head in _heads(rows) if is_wanted(head)]


def _heads(rows: Iterable[Raw]) -> Iterator[tuple[Raw, _Head]]:
    decoder = msgspec.json.Decoder(_Head)
    return ((row, decoder.decode(row)) for row in rows)
