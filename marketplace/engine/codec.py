"""Snapshots and results as canonical bytes.

Canonical bytes are compact JSON in UTF-8: keys sorted, no spaces, integers only, rows sorted by id
or slug, tuples that are sets sorted too. Equal markets therefore have equal bytes and one digest.
Decoding refuses bytes that are not canonical, so a round trip is exact in both directions.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any, TypeVar

import msgspec

from marketplace.engine.result import Result
from marketplace.engine.snapshot import Alternative, Budget, Choice, Model, Request, Site, Snapshot
from marketplace.engine.validation import HOURLY_FORMAT

Kind = TypeVar("Kind")
Group = TypeVar("Group", Budget, Choice)
Row = TypeVar("Row", Alternative, Budget, Choice, Model, Request, Site)


class CodecError(ValueError):
    """The bytes are not the canonical form of a snapshot or a result."""


def canonical(snapshot: Snapshot) -> Snapshot:
    """The same market with every row and every set in its one agreed order."""
    return replace(
        snapshot,
        currencies=tuple(sorted(snapshot.currencies, key=lambda row: row.code)),
        models=tuple(sorted(map(_model, snapshot.models), key=lambda row: row.slug)),
        sites=tuple(sorted(map(_site, snapshot.sites), key=lambda row: row.id)),
        offers=tuple(sorted(snapshot.offers, key=lambda row: row.id)),
        requests=tuple(sorted(map(_request, snapshot.requests), key=lambda row: row.id)),
        budgets=_groups(snapshot.budgets),
        choices=_groups(snapshot.choices),
        owner_caps=tuple(sorted(snapshot.owner_caps, key=lambda cap: (cap.buyer, cap.owner))),
        site_hours=tuple(sorted(snapshot.site_hours, key=lambda hours: hours.site)),
    )


def _groups(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    ordered = (_in_order(group, requests=tuple(sorted(group.requests))) for group in groups)
    return tuple(sorted(ordered, key=lambda group: group.id))


def _model(model: Model) -> Model:
    return _in_order(
        model,
        precisions=tuple(sorted(model.precisions)),
        rates=tuple(sorted(model.rates, key=lambda rate: rate.workload)),
    )


def _site(site: Site) -> Site:
    return _in_order(site, round_trips=tuple(sorted(site.round_trips, key=lambda trip: trip.place)))


def _request(request: Request) -> Request:
    ordered = sorted(map(_alternative, request.alternatives), key=lambda row: row.position)
    return _in_order(request, alternatives=tuple(ordered))


def _alternative(alternative: Alternative) -> Alternative:
    return _in_order(
        alternative,
        models=tuple(sorted(alternative.models)),
        jurisdictions=tuple(sorted(alternative.jurisdictions)),
        stacks=tuple(sorted(alternative.stacks)),
    )


def _in_order(row: Row, **ordered: Any) -> Row:
    """``row`` with these fields; the row itself if it has them, for there are many and few need it."""
    if all(getattr(row, name) == value for name, value in ordered.items()):
        return row
    return replace(row, **ordered)


def digest(data: bytes) -> str:
    """SHA-256 of ``data`` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def snapshot_bytes(snapshot: Snapshot) -> bytes:
    """Canonical bytes of a snapshot, whatever the order of its rows."""
    ordered = canonical(snapshot)
    if ordered.format >= HOURLY_FORMAT:
        return msgspec.json.encode(ordered, order="sorted")
    known = {each.name: getattr(ordered, each.name) for each in fields(ordered) if each.name != "site_hours"}
    return msgspec.json.encode(known, order="sorted")


def snapshot_from_bytes(data: bytes) -> Snapshot:
    """The snapshot that ``data`` encodes; raises ``CodecError`` unless ``data`` is canonical."""
    snapshot = _decode(data, Snapshot)
    if snapshot_bytes(snapshot) != data:
        raise CodecError("these bytes are not the canonical form of the snapshot they hold")
    return snapshot


def result_bytes(result: Result) -> bytes:
    """Canonical bytes of a result; its rows are in order already."""
    return msgspec.json.encode(result, order="sorted")


def result_from_bytes(data: bytes) -> Result:
    """The result that ``data`` encodes; raises ``CodecError`` unless ``data`` is canonical."""
    result = _decode(data, Result)
    if result_bytes(result) != data:
        raise CodecError("these bytes are not the canonical form of the result they hold")
    return result


def _decode(data: bytes, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(data, type=kind, strict=True)
    except msgspec.DecodeError as error:
        raise CodecError(f"these bytes do not hold a {kind.__name__.lower()}: {error}") from error
