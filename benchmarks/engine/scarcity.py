"""How scarce a market is: card-hours asked for, whatever their limit, per card-hour free.

A request counts at its first alternative. An amount in nP counts as the cards that would do it at the mean
rate of the cards on offer. Cards of an offer follow from how many nodes it has for a unit of its weight, so
the number of nodes that makes a market as scarce as wanted is found by bisection over arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketplace.engine import Model, Request, Snapshot, Unit, Workload

LARGEST_SCALE = 1_000.0
HALVINGS = 40
CLOSE_ENOUGH = 0.05

Floats = NDArray[np.float64]


class Supply(Protocol):
    """Something whose cards grow with ``scale``."""

    def card_hours(self, scale: float) -> Floats:
        """Card-hours free, by model in the order of the models."""


class Demand:
    """Card-hours and nP-hours asked for; and what the models do of each class of work."""

    def __init__(self, models: Sequence[Model], requests: Iterable[Request]) -> None:
        self.card_hours = 0
        self.work = dict.fromkeys(Workload, 0)
        for request in requests:
            first = request.alternatives[0]
            if first.unit is Unit.CARDS:
                self.card_hours += first.amount * first.duration
            else:
                self.work[first.workload] += first.amount * first.duration
        self._rates = {workload: _rates(models, workload) for workload in Workload}

    def per(self, supply: Floats) -> float:
        """Asked for, per card-hour of a supply (by model)."""
        asked = float(self.card_hours)
        for workload, work in self.work.items():
            if work:
                rates = self._rates[workload]
                asked += work / float((rates * supply).sum()) * float(supply[rates > 0].sum())
        return asked / float(supply.sum())


def demand_per_supply(snapshot: Snapshot) -> float:
    number = {model.slug: index for index, model in enumerate(snapshot.models)}
    free = np.zeros(len(number))
    for offer in snapshot.offers:
        free[number[offer.model]] += sum(offer.free)
    return Demand(snapshot.models, snapshot.requests).per(free)


def scale_for(
    models: Mapping[str, Model], supply: Supply, requests: Iterable[Request], wanted: float
) -> float:
    """Nodes for a unit of weight: more nodes, less scarcity.

    Raises ``ValueError`` where one node an offer is too much already.
    """
    demand = Demand(tuple(models.values()), requests)
    low, high = 0.0, LARGEST_SCALE
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        scarce = demand.per(supply.card_hours(middle)) > wanted
        low, high = (middle, high) if scarce else (low, middle)
    found = demand.per(supply.card_hours(high))
    if abs(found / wanted - 1) > CLOSE_ENOUGH:
        raise ValueError(f"the market can be {found:.2f} scarce, not {wanted:.2f}: it has one node an offer")
    return high


def _rates(models: Sequence[Model], workload: Workload) -> Floats:
    """Micro-nP of a card of each model; 0 where nobody knows it."""
    known = [next((rate.point for rate in model.rates if rate.workload is workload), 0) for model in models]
    return np.array(known, dtype=np.float64)
