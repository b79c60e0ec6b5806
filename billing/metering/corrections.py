"""Which events count, where some correct others. Pure: no database, no clock.

A correction takes the place of the event that it names. Of several corrections of one event the
newest counts, by its own time and then by its key; a correction may be corrected in turn. While the
event that it names is not there, a correction counts all the same. So the order in which events
arrive leaves no trace in what counts in the end.

A correction is of the same delivery and meter as the event that it names, and newer. One that turns
out to be otherwise, when the event arrives after it, is void: as if it had come second and had been
rejected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

Key = bytes


@dataclass(frozen=True, slots=True)
class Node:
    """An event, and the one that it names. Times are those that the events bear."""

    key: Key
    corrects: Key | None
    delivery: int
    meter: str
    time: datetime


def may_correct(node: Node, target: Node) -> bool:
    return (node.delivery, node.meter) == (target.delivery, target.meter) and node.time > target.time


def void(nodes: Mapping[Key, Node]) -> set[Key]:
    """Those that name an event which they may not correct, and which is there and not void itself."""
    is_void: dict[Key, bool] = {}
    for first in nodes:
        key = first
        path: dict[Key, None] = {}
        while key not in is_void and key not in path and (target := _wrong_target(key, nodes)) is not None:
            path[key] = None
            key = target
        verdict = is_void.setdefault(key, False)
        for step in reversed(path):
            verdict = is_void[step] = not verdict
    return {key for key, verdict in is_void.items() if verdict}


def _wrong_target(key: Key, nodes: Mapping[Key, Node]) -> Key | None:
    target = _target(nodes[key], nodes)
    return target.key if target is not None and not may_correct(nodes[key], target) else None


def _target(node: Node, nodes: Mapping[Key, Node]) -> Node | None:
    return nodes.get(node.corrects) if node.corrects is not None else None


def counting(nodes: Mapping[Key, Node]) -> set[Key]:
    """The events that count: one of each family, the newest correction of the newest, and so on."""
    left_out = void(nodes)
    there = {key: node for key, node in nodes.items() if key not in left_out}
    corrections: dict[Key, list[Node]] = defaultdict(list)
    orphans: dict[Hashable, list[Node]] = defaultdict(list)
    for node in there.values():
        if node.corrects is None:
            orphans[node.key].append(node)
        elif node.corrects in there:
            corrections[node.corrects].append(node)
        else:
            # What it corrects is not there: it stands first, beside others of its kind.
            orphans[node.corrects, node.delivery, node.meter].append(node)
    return {_last(_newest(group), corrections).key for group in orphans.values()}


def _last(node: Node, corrections: Mapping[Key, Collection[Node]]) -> Node:
    while found := corrections.get(node.key):
        node = _newest(found)
    return node


def _newest(nodes: Collection[Node]) -> Node:
    return max(nodes, key=lambda node: (node.time, node.key))


def families(nodes: Iterable[Node]) -> dict[Key, Key]:
    """Each event, there or only named, with one that stands for its family."""
    head: dict[Key, Key] = {}

    def find(key: Key) -> Key:
        while head.setdefault(key, key) != key:
            head[key] = key = head[head[key]]
        return key

    for node in nodes:
        find(node.key)
        if node.corrects is not None:
            head[find(node.key)] = find(node.corrects)
    return {key: find(key) for key in list(head)}
