"""Which accelerator models stand in for the trace's, and where.

The trace is of one production cluster: T4, P100, V100 and A10 cards, and two anonymised models, G2 and
G3. A market of many sites has more kinds of cards than that. So the trace gives the inventory's shape
(how many nodes of how many cards, of old, current and newest models), and this table says which models
they are shown as: G2 as those of current clusters, G3 as the newest, and a part of the old cards as
inference cards of their size. Nothing here is a claim about who owns what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from demo.draw import share_out

INVENTORY_SCALE = 4
"""Nodes in the market for each node of the trace: 1,213 nodes are thin for 220 sites."""

CHINA = "china"
ABROAD = "abroad"

SHARES: Mapping[str, Mapping[tuple[str, str], int]] = {
    "G2": {
        (CHINA, "ascend-910b2"): 110,
        (CHINA, "ascend-910b3"): 100,
        (CHINA, "a800-sxm-80gb"): 70,
        (CHINA, "h800-sxm"): 60,
        (CHINA, "h20"): 60,
        (CHINA, "hygon-k100-ai"): 45,
        (CHINA, "ascend-910b1"): 40,
        (CHINA, "mlu370-x8"): 40,
        (CHINA, "ascend-910a"): 35,
        (CHINA, "ascend-910c"): 30,
        (CHINA, "metax-c500"): 25,
        (CHINA, "mtt-s4000"): 25,
        (CHINA, "kunlunxin-p800"): 20,
        (CHINA, "tiangai-100"): 10,
        (CHINA, "biren-br104"): 10,
        (ABROAD, "h100-sxm"): 90,
        (ABROAD, "a100-sxm-80gb"): 70,
        (ABROAD, "h200-sxm"): 45,
        (ABROAD, "mi300x"): 35,
        (ABROAD, "l40s"): 30,
        (ABROAD, "gaudi2"): 15,
        (ABROAD, "b200-sxm"): 15,
        (ABROAD, "gaudi3"): 10,
        (ABROAD, "mi250x"): 10,
    },
    "G3": {
        (CHINA, "ascend-910c"): 350,
        (CHINA, "h20"): 200,
        (ABROAD, "b200-sxm"): 250,
        (ABROAD, "mi325x"): 100,
        (ABROAD, "mi355x"): 100,
    },
    "T4": {
        (CHINA, "t4"): 300,
        (CHINA, "ascend-310p-300i-duo"): 150,
        (CHINA, "l20"): 100,
        (CHINA, "kunlunxin-r200"): 100,
        (CHINA, "enflame-t20"): 50,
        (ABROAD, "t4"): 120,
        (ABROAD, "l4"): 120,
        (ABROAD, "a10"): 60,
    },
    "P100": {
        (CHINA, "p100-sxm2"): 300,
        (CHINA, "mlu370-x8"): 200,
        (CHINA, "hygon-z100"): 100,
        (ABROAD, "p100-sxm2"): 200,
        (ABROAD, "rtx-a6000"): 200,
    },
    "V100M16": {(CHINA, "v100-sxm2-16gb"): 600, (ABROAD, "v100-sxm2-16gb"): 300, (ABROAD, "a30"): 100},
    "V100M32": {(CHINA, "v100-sxm2-32gb"): 600, (ABROAD, "v100-sxm2-32gb"): 300, (ABROAD, "a40"): 100},
    "A10": {(CHINA, "a10"): 500, (ABROAD, "a10"): 500},
}
"""Trace model → (where, model shown) → share of its nodes, per mille."""


@dataclass(frozen=True, slots=True)
class TraceNodes:
    """Nodes of one kind in the trace."""

    model: str
    cards_per_node: int
    nodes: int


@dataclass(frozen=True, slots=True)
class NodeKind:
    """Nodes of one kind to be dealt to the sites of one part of the world."""

    trace_model: str
    where: str
    model: str
    node_size: int
    nodes: int


def node_kinds(trace: tuple[TraceNodes, ...]) -> Iterator[NodeKind]:
    """The trace's nodes, scaled, as nodes of the models shown. No node is lost or added."""
    for kind in trace:
        shares = SHARES[kind.model]
        parts = share_out(kind.nodes * INVENTORY_SCALE, list(shares.values()))
        for (where, model), nodes in zip(shares, parts, strict=True):
            if nodes:
                yield NodeKind(kind.model, where, model, kind.cards_per_node, nodes)
