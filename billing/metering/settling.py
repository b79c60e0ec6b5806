"""What corrections do to what is stored: which of them are turned down, and what they take back."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from billing.metering import corrections, storage
from billing.metering.corrections import Node
from billing.metering.events import delivery_of
from billing.metering.models import ReadingCorrection
from billing.metering.rules import Reason, Rejection
from billing.metering.staging import Row


@dataclass(frozen=True, slots=True)
class Settlement:
    """The new corrections that are turned down, by key, and the events whose readings no longer count."""

    rejections: Mapping[bytes, Rejection]
    cancelled: Collection[bytes]


def settle(new: Sequence[Row], arrived: Collection[bytes]) -> Settlement:
    """Decide about new corrections, and about events that ``arrived`` after what corrects them."""
    added = {row.key: _node(row) for row in new}
    targets = {node.corrects for node in added.values() if node.corrects is not None}
    stored = storage.relatives({*added, *targets, *arrived})
    nodes = {relative.key: relative.node for relative in stored if relative.node is not None} | added
    rejections = _turned_down(added, nodes) | _out_of_reach(added, stored, nodes)
    left = {key: node for key, node in nodes.items() if key not in rejections}
    settled = {relative.key for relative in stored if relative.is_cancelled or not relative.is_here}
    return Settlement(rejections, left.keys() - corrections.counting(left) - settled)


def _node(row: Row) -> Node:
    event = row.event.event
    return Node(row.key, row.corrects, delivery_of(event.subject), event.data.meter.value, event.time)


def _turned_down(added: Mapping[bytes, Node], nodes: Mapping[bytes, Node]) -> dict[bytes, Rejection]:
    return {
        key: _why(added[key], nodes[corrects])
        for key in corrections.void(nodes) & added.keys()
        if (corrects := added[key].corrects) is not None
    }


def _why(node: Node, target: Node) -> Rejection:
    if (node.delivery, node.meter) != (target.delivery, target.meter):
        return Rejection(
            Reason.CORRECTS_ANOTHER,
            f"The event that it corrects is about delivery {target.delivery} and {target.meter}.",
        )
    return Rejection(
        Reason.CORRECTS_LATER,
        f"The event that it corrects bears the time {target.time.isoformat()}; a correction is newer.",
    )


def _out_of_reach(
    added: Mapping[bytes, Node], stored: Sequence[storage.Relative], nodes: Mapping[bytes, Node]
) -> dict[bytes, Rejection]:
    """New corrections in whose family an event counts whose month was detached: it cannot be taken back."""
    lost = {relative.key for relative in stored if not relative.is_here and not relative.is_cancelled}
    if not lost:
        return {}
    head = corrections.families(nodes.values())
    heads = {head.get(key, key) for key in lost}
    rejection = Rejection(Reason.ARCHIVED, "What it corrects was archived and does not change any more.")
    return {key: rejection for key in added if head[key] in heads}


def note(new: Sequence[Row]) -> None:
    """Write down what the stored corrections correct."""
    ReadingCorrection.objects.bulk_create(
        [
            ReadingCorrection(
                event_id=uuid.UUID(bytes=row.key),
                corrects=uuid.UUID(bytes=row.corrects),
                delivery_id=delivery_of(row.event.event.subject),
                meter=row.event.event.data.meter,
                occurred_at=row.event.event.time,
            )
            for row in new
            if row.corrects is not None
        ]
    )
