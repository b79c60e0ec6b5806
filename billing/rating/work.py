"""What a rating run looks at: the hours whose turn it is, the usual ones and the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from billing.metering.rules import HOUR, moment_at
from billing.metering.storage import Cutoff, SlotKey, cutoff_now
from billing.rating.columns import Column
from billing.rating.usual import Hours, changed_until, due_until, hours_of

# Hours since 2000, below a delivery: enough for nineteen centuries.
HOURS = 2**24


@dataclass(frozen=True, slots=True)
class Work:
    """What is due by the readings up to ``cutoff``, and the deliveries to tick off when it is done.

    The first readings of an ``unsettled`` hour may all come after the cutoff.
    """

    horizon: datetime
    usual: Hours
    others: list[SlotKey]
    unsettled: frozenset[SlotKey]
    deliveries: list[int]
    cutoff: Cutoff


def work_until(horizon: datetime, most: int) -> Work:
    """Everything about hours that ended by ``horizon``, a full hour, and that is not rated yet.

    Of more than ``most`` hours those that ended first, and what changed among the earlier ones. The cutoff is
    drawn first: whatever is stored up to it is seen by the queries after it, with the marks of its hours. An
    hour with later readings is looked at again by the next run.
    """
    cutoff = cutoff_now()
    due, horizon = due_until(horizon, most=most)
    changed = changed_until(horizon, due)
    hours = hours_of(due, changed)
    usual = hours.are_usual(cutoff.reading)
    rest, chosen = hours.where(~usual), hours.where(usual)
    marked = _numbers(changed.delivery, changed.slot)
    others = np.union1d(
        _numbers(rest.delivery, rest.slot), np.setdiff1d(marked, _numbers(chosen.delivery, chosen.slot))
    )
    return Work(
        horizon=horizon,
        usual=chosen,
        others=_slots(others),
        unsettled=frozenset(_slots(marked[changed.reading > cutoff.reading])),
        deliveries=due.delivery.tolist(),
        cutoff=cutoff,
    )


def _numbers(delivery: Column, slot: Column) -> Column:
    """One number for each hour of each delivery, in their order."""
    numbers: Column = delivery * HOURS + slot // HOUR
    return numbers


def _slots(numbers: Column) -> list[SlotKey]:
    delivery, hour = divmod(numbers, HOURS)
    return [(pk, moment_at(each * HOUR)) for pk, each in zip(delivery.tolist(), hour.tolist(), strict=True)]
