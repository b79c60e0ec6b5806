"""Whose card it is at a moment: from the jobs that hold it, or from what the site's people wrote down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from marketplace.agent.errors import SiteProblem
from marketplace.agent.slurm.commands import Commands
from marketplace.agent.slurm.objects import delivery_of
from marketplace.agent.telemetry.samples import Card

_FIELD = re.compile(r"(\w+)=(\S+)")
_NODE = re.compile(r"Nodes=(\S+) CPU_IDs=\S+ Mem=\S+ GRES=(\S*)")
_INDICES = re.compile(r"\(IDX:([0-9,-]+)\)")


class Holders(Protocol):
    def __call__(self) -> Mapping[Card, int]:
        """The deliveries that hold cards now. What is not named is idle."""


@dataclass(frozen=True, slots=True)
class Configured:
    """Cards that were handed over by hand, as the configuration says."""

    cards: Mapping[Card, int]

    def __call__(self) -> Mapping[Card, int]:
        return self.cards


@dataclass(frozen=True, slots=True)
class SlurmJobs:
    """The running jobs under the QOS of deliveries, with the indices that they were given."""

    run: Commands

    def __call__(self) -> Mapping[Card, int]:
        text = self.run("scontrol", "--oneliner", "show", "job", "--details")
        return {card: delivery for line in text.splitlines() for card, delivery in cards_of_job(line)}


def cards_of_job(line: str) -> Iterator[tuple[Card, int]]:
    """Those that a job of a delivery holds. One that does not run holds none."""
    told = dict(_FIELD.findall(line.partition(" Nodes=")[0]))
    delivery = delivery_of(told.get("QOS", ""))
    if delivery is None or told.get("JobState") != "RUNNING":
        return
    for nodes, gres in _NODE.findall(line):
        for node in hosts(nodes):
            for indices in _INDICES.findall(gres):
                yield from ((Card(node, str(index)), delivery) for index in numbers(indices))


def hosts(text: str) -> list[str]:
    """``n1``, ``n[1-3,7]``, ``a,b``: as Slurm writes several nodes in one word."""
    found: list[str] = []
    for prefix, listed, suffix in re.findall(r"([^,\[\]]+)(?:\[([^\]]+)\])?([^,\[\]]*)", text):
        if not listed:
            found.append(prefix + suffix)
            continue
        for part in listed.split(","):
            first, _, last = part.partition("-")
            found += [f"{prefix}{n:0{len(first)}}{suffix}" for n in range(int(first), int(last or first) + 1)]
    return found


def numbers(text: str) -> list[int]:
    """``0-1,3``"""
    try:
        parts = [part.partition("-") for part in text.split(",")]
        return [n for first, _, last in parts for n in range(int(first), int(last or first) + 1)]
    except ValueError as error:
        raise SiteProblem(f"“{text}” are no indices of cards.") from error
