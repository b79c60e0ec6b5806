"""The schematic of the nation: a tile for each hub, lines from who buys to where it runs. Pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketplace.audit.utilisation.models import LEVELS
from marketplace.audit.utilisation.nation import MOST_FLOWS, Flow, Hub

WIDE, HIGH, GAP = 150, 84, 18
BAR = 130
ORIGIN_HIGH = 28


@dataclass(frozen=True, slots=True)
class Tile:
    """Where a hub is drawn; ``bars`` are the levels by name, each with its length."""

    hub: Hub
    x: int
    y: int
    bars: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the buyers of a jurisdiction are drawn: below the tiles."""

    jurisdiction: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Line:
    flow: Flow
    path: str
    width: str


@dataclass(frozen=True, slots=True)
class Map:
    tiles: Sequence[Tile]
    origins: Sequence[Origin]
    lines: Sequence[Line]
    width: int
    height: int


def map_of(hubs: Sequence[Hub], flows: Sequence[Flow]) -> Map:
    """The tiles, and the largest of the flows that end at one of them."""
    tiles = [_tile(hub) for hub in hubs]
    rows = max((hub.row for hub in hubs), default=0) + 1
    columns = max((hub.column for hub in hubs), default=0) + 1
    at = {tile.hub.pk: tile for tile in tiles}
    shown = [flow for flow in flows if flow.hub.pk in at][:MOST_FLOWS]
    below = rows * (HIGH + GAP) + GAP * 2
    width = columns * (WIDE + GAP)
    names = sorted({flow.jurisdiction for flow in shown})
    pitch = width // (len(names) + 1)
    origins = {name: Origin(name, pitch * (place + 1), below) for place, name in enumerate(names)}
    most = max((flow.card_hours for flow in shown), default=0)
    lines = [_line(flow, at[flow.hub.pk], origins[flow.jurisdiction], most) for flow in shown]
    return Map(tiles, list(origins.values()), lines, width, below + ORIGIN_HIGH + GAP)


def _tile(hub: Hub) -> Tile:
    return Tile(hub, hub.column * (WIDE + GAP), hub.row * (HIGH + GAP), _bars(hub))


def _bars(hub: Hub) -> list[tuple[str, str]]:
    if hub.figures is None:
        return []
    shares = [(name, hub.figures.share(name)) for name in LEVELS]
    return [(name, f"{min(share, Decimal(1)) * BAR:.1f}") for name, share in shares if share is not None]


def _line(flow: Flow, tile: Tile, origin: Origin, most: int) -> Line:
    x, y = tile.x + WIDE // 2, tile.y + HIGH
    bend = (y + origin.y) // 2
    width = Decimal(flow.card_hours) / most * 6 if most else Decimal(0)
    return Line(flow, f"M{origin.x} {origin.y}C{origin.x} {bend} {x} {bend} {x} {y}", f"{max(width, 1):.1f}")
