"""How many cards pods held, and when. Kubernetes forgets a pod when it is deleted, so this is written down.

What counts is what a pod was given: the sum over its containers, since they hold them together, or the
largest initialising one; from when a node took it, to the end of its last container, or to its deletion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from marketplace.agent.errors import Unreadable
from marketplace.agent.usage import Holding

OVER = ("Succeeded", "Failed")
WRITTEN_EVERY = 60


@dataclass(frozen=True, slots=True)
class Record:
    """Holdings by the pod's uid, complete up to a version of the list of pods, read ``at`` a moment."""

    version: str
    at: int
    holdings: Mapping[str, Holding]

    @classmethod
    def read(cls, text: str) -> Record:
        told = json.loads(text)
        return cls(
            told["version"], told["at"], {uid: Holding(**one) for uid, one in told["holdings"].items()}
        )

    def text(self) -> str:
        holdings = {uid: asdict(one) for uid, one in sorted(self.holdings.items())}
        return json.dumps(
            {"version": self.version, "at": self.at, "holdings": holdings}, separators=(",", ":")
        )

    def says_more_than(self, other: Record) -> bool:
        """Whether it is worth writing down: what pods did, and now and then that nothing ended."""
        if (self.version, self.holdings) != (other.version, other.holdings):
            return True
        return self.at >= other.at + WRITTEN_EVERY and any(
            one.until is None for one in self.holdings.values()
        )


def seen(
    holdings: Mapping[str, Holding], pods: Iterable[Mapping[str, Any]], resource: str
) -> dict[str, Holding]:
    """With what these pods hold now."""
    known = dict(holdings)
    for pod in pods:
        holding = holding_of(pod, resource)
        if holding is not None:
            known[pod["metadata"]["uid"]] = holding
    return known


def ended(holdings: Mapping[str, Holding], uid: str, at: int) -> dict[str, Holding]:
    """With one pod gone: what had no end ends now."""
    known = dict(holdings)
    if uid in known and known[uid].until is None:
        known[uid] = Holding(known[uid].cards, known[uid].since, max(known[uid].since, at))
    return known


def holding_of(pod: Mapping[str, Any], resource: str) -> Holding | None:
    """None where it holds no card, or no node has taken it yet."""
    cards, started = cards_of(pod, resource), pod.get("status", {}).get("startTime")
    if not cards or started is None:
        return None
    return Holding(cards, moment(started), _end_of(pod))


def cards_of(pod: Mapping[str, Any], resource: str) -> int:
    spec = pod["spec"]
    together = sum(_asked(one, resource) for one in spec["containers"])
    first = max((_asked(one, resource) for one in spec.get("initContainers", [])), default=0)
    return max(together, first)


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _end_of(pod: Mapping[str, Any]) -> int | None:
    status = pod["status"]
    if status.get("phase") not in OVER:
        return None
    states = [one.get("state", {}).get("terminated") for one in status.get("containerStatuses", [])]
    ends = [moment(state["finishedAt"]) for state in states if state and state.get("finishedAt")]
    return max(ends) if ends else moment(status["startTime"])


def _asked(container: Mapping[str, Any], resource: str) -> int:
    resources = container.get("resources", {})
    asked = resources.get("requests", {}).get(resource, resources.get("limits", {}).get(resource, "0"))
    if not str(asked).isdecimal():
        raise Unreadable(f"A pod asks for {asked} of {resource}; cards are whole.")
    return int(asked)
