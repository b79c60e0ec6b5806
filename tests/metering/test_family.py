"""Which events count where some correct others, against an oracle that follows the words one by one."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.metering.corrections import Node, counting, families, may_correct, void
from tests.billing.builders import START

SECOND = timedelta(seconds=1)


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    """Events that name earlier ones or some that never come; other deliveries and times among them."""
    count = draw(st.integers(1, 9))
    return [
        Node(
            key=bytes([number]),
            corrects=draw(st.sampled_from([None, *(bytes([n]) for n in range(number)), b"x", b"y"])),
            delivery=draw(st.sampled_from([1, 1, 1, 2])),
            meter=draw(st.sampled_from(["a", "a", "a", "b"])),
            time=START + draw(st.integers(0, 6)) * SECOND,
        )
        for number in range(count)
    ]


def counting_by_the_words(events: list[Node]) -> set[bytes]:
    """Each event names none that comes after it, so whether one is void is known when its turn comes."""
    there: list[Node] = []
    for event in events:
        target = next((one for one in there if one.key == event.corrects), None)
        if target is None or may_correct(event, target):
            there.append(event)
    keys = {event.key for event in there}
    counted = set()
    for event in there:
        place = None if event.corrects in keys else event.corrects
        rivals = [
            one
            for one in there
            if place is not None
            and (one.corrects, one.delivery, one.meter) == (place, event.delivery, event.meter)
        ]
        if event.corrects not in keys and all(newest(event, rival) for rival in rivals):
            counted.add(stands_for(event, there).key)
    return counted


def newest(event: Node, rival: Node) -> bool:
    return (event.time, event.key) >= (rival.time, rival.key)


def stands_for(event: Node, there: list[Node]) -> Node:
    corrections = [one for one in there if one.corrects == event.key]
    if not corrections:
        return event
    return stands_for(max(corrections, key=lambda one: (one.time, one.key)), there)


@settings(max_examples=500, deadline=None)
@given(nodes(), st.randoms())
def test_one_of_each_family_counts_whatever_the_order(events: list[Node], rng: random.Random) -> None:
    shuffled = {node.key: node for node in rng.sample(events, len(events))}
    assert counting(shuffled) == counting_by_the_words(events)


@settings(max_examples=200, deadline=None)
@given(nodes())
def test_what_is_void_may_be_left_out(events: list[Node]) -> None:
    all_of_them = {node.key: node for node in events}
    left = {key: node for key, node in all_of_them.items() if key not in void(all_of_them)}
    assert counting(left) == counting(all_of_them)
    assert not void(left)


def test_an_event_belongs_to_the_family_of_what_it_names_there_or_not() -> None:
    events = [
        Node(b"a", None, 1, "m", START),
        Node(b"b", b"a", 1, "m", START),
        Node(b"c", b"x", 1, "m", START),
        Node(b"d", b"x", 1, "m", START),
    ]
    head = families(events)
    assert head[b"a"] == head[b"b"]
    assert head[b"c"] == head[b"d"] == head[b"x"] != head[b"a"]


def test_a_long_chain_of_corrections_is_followed_to_its_end() -> None:
    chain = {
        bytes(f"{n:05}", "ascii"): Node(
            bytes(f"{n:05}", "ascii"),
            bytes(f"{n - 1:05}", "ascii") if n else None,
            1,
            "m",
            START + n * SECOND,
        )
        for n in range(10_000)
    }
    assert counting(chain) == {b"09999"}
    backwards = {
        key: Node(node.key, node.corrects, 1, "m", START - (node.time - START)) for key, node in chain.items()
    }
    assert len(void(backwards)) == 5_000
