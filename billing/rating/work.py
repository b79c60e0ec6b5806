"""What a rating run looks at: the hours whose turn it is, the usual ones and the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from billing.metering.rules import moment_at
from billing.metering.storage import Cutoff, SlotKey, cutoff_now
from billing.rating.columns import Column
from billing.rating.usual import Hours, changed_until, due_until, hours_of


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
    chosen, rest = hours.where(usual), hours.where(~usual)
    is_other = np.full(len(changed.slot), True)
    is_other[chosen.mark] = False
    others = {*_slots(rest.delivery, rest.slot), *_slots(changed.delivery[is_other], changed.slot[is_other])}
    is_unsettled = changed.reading > cutoff.reading
    return Work(
        horizon=horizon,
        usual=chosen,
        others=sorted(others),
        unsettled=frozenset(_slots(changed.delivery[is_unsettled], changed.slot[is_unsettled])),
        deliveries=due.delivery.tolist(),
        cutoff=cutoff,
    )


def _slots(delivery: Column, slot: Column) -> Iterator[SlotKey]:
    return zip(delivery.tolist(), map(moment_at, slot.tolist()), strict=True)
