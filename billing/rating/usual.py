"""The usual hour, in columns: metered, priced, never charged, and no more than the delivery could have.

``judgement.judge`` would answer each of these with its first charge. Here they are charged a million at a
time, from the hours that their readings add up to, by the arithmetic that the others are charged by. What is
not usual in any way is left to ``judge``.

Moments are whole microseconds since 2000, prices and rates whole millionths, amounts whole 12th places.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import numpy as np

from billing.metering.models import Meter
from billing.metering.rules import HOUR, SECOND, microseconds, moment_at
from billing.money import amount_in_pico, commission_in_pico, fits_in_64_bits
from billing.rating.columns import Column, read_columns
from billing.rating.slots import active_time, committed

NOTHING = -1

# Deliveries of which hours ended that were not looked at yet. One is fresh if nothing was said of these, and
# its cards were never taken away for a time.
DUE = """
    SELECT delivery.id, delivery.agreement_id, agreement.cards::bigint, active_from,
        coalesce(active_until, delivery.ends_at), coalesce(until, '-infinity'), allocation.starts_at,
        (commission_rate * 1000000)::bigint, agreement.currency,
        NOT EXISTS (
            SELECT FROM rating_charge charge WHERE charge.agreement_id = delivery.agreement_id
                AND charge.slot > coalesce(until, active_from) - interval '1 hour'
        ) AND NOT EXISTS (
            SELECT FROM rating_parkedusage parked WHERE parked.agreement_id = delivery.agreement_id
                AND resolved_at IS NULL AND parked.slot > coalesce(until, active_from) - interval '1 hour'
        ) AND NOT EXISTS (
            SELECT FROM delivery_suspension suspension WHERE suspension.delivery_id = delivery.id
        )
    FROM delivery_delivery delivery
    JOIN agreements_agreement agreement ON agreement.id = delivery.agreement_id
    JOIN clearing_allocation allocation ON allocation.id = agreement.allocation_id
    LEFT JOIN rating_rateduntil rated ON rated.delivery_id = delivery.id
    WHERE active_from < %(horizon)s
        AND (until IS NULL OR until < least(coalesce(active_until, delivery.ends_at), %(horizon)s))
    ORDER BY delivery.agreement_id
"""
# Hours that changed, the newest of their readings, and what they add up to, in one look at both: whatever is
# in an hour and not rated has its mark.
CHANGED = """
    SELECT mark.delivery_id, mark.slot, mark.reading, coalesce(hour.quantity, -1)
    FROM (
        SELECT delivery_id, slot, max(reading) AS reading FROM metering_changedslot
        WHERE slot <= %(last)s GROUP BY delivery_id, slot
    ) AS mark
    LEFT JOIN metering_meteredhour hour ON hour.delivery_id = mark.delivery_id AND hour.slot = mark.slot
        AND hour.meter = %(meter)s AND hour.slot >= %(first)s AND hour.slot <= %(last)s
"""
# Prices from one place on to another, counted from 1, as arrays of the database are.
PRICES = """
    SELECT wanted.agreement, wanted.since + place - 1, (price * 1000000)::bigint
    FROM unnest(%(agreements)s::bigint[], %(since)s::bigint[], %(until)s::bigint[])
        AS wanted (agreement, since, until)
    JOIN agreements_agreement agreement ON agreement.id = wanted.agreement
    JOIN clearing_allocation allocation ON allocation.id = agreement.allocation_id
    CROSS JOIN unnest(prices[wanted.since:wanted.until]) WITH ORDINALITY AS each (price, place)
"""


@dataclass(frozen=True, slots=True)
class DueDeliveries:
    """Of each delivery: what its hours are charged by, and which of them are due.

    The hours are ``count`` ones from ``first`` on. Those of all deliveries together are numbered in the order
    of agreements and hours, those of one from its ``offset`` on.
    """

    delivery: Column
    agreement: Column
    cards: Column
    active_from: Column
    active_until: Column
    starts_at: Column
    rate: Column
    currency: Column
    is_fresh: Column
    first: Column
    count: Column

    @property
    def offset(self) -> Column:
        return np.cumsum(self.count) - self.count

    @property
    def hours(self) -> int:
        return int(self.count.sum())

    def until(self, horizon: int) -> DueDeliveries:
        """Those of which hours ended by an earlier horizon, and these hours."""
        chosen = self.first < horizon
        columns = {field.name: getattr(self, field.name)[chosen] for field in fields(self)}
        last = np.minimum(columns["active_until"], horizon)
        return DueDeliveries(**columns | {"count": _hours_between(columns["first"], last)})


def due_until(horizon: datetime, *, most: int) -> tuple[DueDeliveries, datetime]:
    """The deliveries of which hours ended by ``horizon`` that were not looked at.

    With more than ``most`` hours it is an earlier horizon, which is returned: the last one up to which there
    are no more, or the first hour. So what a run takes is bounded, however much was left undone.
    """
    found = read_columns(
        DUE, {"horizon": horizon}, delivery="i8", agreement="i8", cards="i8", active_from="i8",
        active_until="i8", rated_until="i8", starts_at="i8", rate="i8", currency="S3", is_fresh="?",
    )  # fmt: skip
    since = np.maximum(found["active_from"], found.pop("rated_until"))
    first = since - since % HOUR
    last = np.minimum(found["active_until"], microseconds(horizon))
    due = DueDeliveries(**found, first=first, count=_hours_between(first, last))
    if due.hours <= most:
        return due, horizon
    earlier = _earlier_horizon(due, most)
    return due.until(earlier), moment_at(earlier)


def _hours_between(first: Column, last: Column) -> Column:
    hours: Column = np.maximum(-((first - last) // HOUR), 0)
    return hours


def _earlier_horizon(due: DueDeliveries, most: int) -> int:
    begins = int(due.first.min())
    since = (due.first - begins) // HOUR
    begun, over = np.bincount(since), np.bincount(since + due.count)
    until_each_hour = np.cumsum(np.cumsum(np.pad(begun, (0, len(over) - len(begun))) - over))
    return begins + max(1, int(np.searchsorted(until_each_hour, most, side="right"))) * HOUR


@dataclass(frozen=True, slots=True)
class Changed:
    """Hours with readings that are not rated: the newest reading, and the sum, ``NOTHING`` if unknown."""

    delivery: Column
    slot: Column
    reading: Column
    quantity: Column


def changed_until(horizon: datetime, due: DueDeliveries) -> Changed:
    """All of them that ended by ``horizon``; the sums of those that may be usual."""
    parameters = {
        "first": moment_at(int(due.first.min())) if len(due.first) else horizon,
        "last": horizon - timedelta(hours=1),
        "meter": Meter.ALLOCATED.value,
    }
    return Changed(**read_columns(CHANGED, parameters, delivery="i8", slot="i8", reading="i8", quantity="i8"))


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of due deliveries, in the order of agreements and hours.

    ``of`` is the place of the delivery, ``mark`` that of the hour among those that changed.
    """

    due: DueDeliveries
    of: Column
    slot: Column
    mark: Column
    quantity: Column
    last_reading: Column
    price: Column

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def delivery(self) -> Column:
        return self.due.delivery[self.of]

    @property
    def committed(self) -> Column:
        return committed(self.due.cards[self.of], self._active)

    @property
    def _active(self) -> Column:
        return active_time(self.due.active_from[self.of], self.due.active_until[self.of], self.slot)

    def where(self, chosen: Column) -> Hours:
        """Some of them."""
        columns = (self.of, self.slot, self.mark, self.quantity, self.last_reading, self.price)
        return Hours(self.due, *(column[chosen] for column in columns))

    def are_active(self) -> Column:
        """Whether the delivery was active for a second or more."""
        active: Column = self._active >= SECOND
        return active

    def are_usual(self, cutoff: int) -> Column:
        """Whether ``judge`` would answer with the first charge: for the same reasons, in the same order."""
        is_metered = (self.last_reading > 0) & (self.last_reading <= cutoff) & (self.quantity >= 0)
        is_priced = self.price != NOTHING
        is_bought = self.quantity <= self.committed
        usual: Column = self.due.is_fresh[self.of] & is_metered & is_priced & is_bought
        return usual


def hours_of(due: DueDeliveries, changed: Changed) -> Hours:
    """The hours that are due, with what is known of each: its readings and its price."""
    of = np.repeat(np.arange(len(due.count)), due.count)
    slot = due.first[of] + (np.arange(due.hours) - due.offset[of]) * HOUR
    mark, quantity, last_reading, price = np.full((4, due.hours), NOTHING)
    by_delivery = np.argsort(due.delivery)
    known, place = _found(due.delivery[by_delivery], changed.delivery)
    at, inside = _number(due, by_delivery[place], changed.slot[known])
    marks = np.flatnonzero(known)[inside]
    mark[at], quantity[at], last_reading[at] = marks, changed.quantity[marks], changed.reading[marks]
    _fill_prices(due, price)
    hours = Hours(due, of, slot, mark, quantity, last_reading, price)
    return hours.where(hours.are_active())


def _fill_prices(due: DueDeliveries, price: Column) -> None:
    """An allocation has one price an hour, from its first hour on."""
    since = np.maximum((due.first - due.starts_at) // HOUR, 0) + 1
    wanted = {"agreements": due.agreement, "since": since, "until": since + due.count}
    found = read_columns(
        PRICES,
        {name: column.tolist() for name, column in wanted.items()},
        agreement="i8", number="i8", price="i8",
    )  # fmt: skip
    _, place = _found(due.agreement, found["agreement"])
    # The hour that has this number: ``judge`` is told the price of a slot by the hours from the start to it.
    slot = due.starts_at[place] + (found["number"] - 1) * HOUR
    at, inside = _number(due, place, -(-slot // HOUR) * HOUR)
    price[at] = found["price"][inside]


def _found(ordered: Column, wanted: Column) -> tuple[Column, Column]:
    """Which of the wanted ones are among the ordered ones, and the place of each of these."""
    place = np.searchsorted(ordered, wanted)
    is_there = np.searchsorted(ordered, wanted, side="right") > place
    return is_there, place[is_there]


def _number(due: DueDeliveries, place: Column, slot: Column) -> tuple[Column, Column]:
    """The numbers of those hours of the deliveries at these places that are due, and which these are."""
    after = (slot - due.first[place]) // HOUR
    inside = (after >= 0) & (after < due.count[place])
    return (due.offset[place] + after)[inside], inside


@dataclass(frozen=True, slots=True)
class FirstCharges:
    """The first charges of usual hours."""

    agreement: Column
    slot: Column
    quantity: Column
    committed: Column
    price: Column
    currency: Column
    amount: Column
    commission: Column
    last_reading: Column

    def __len__(self) -> int:
        return len(self.slot)


def first_charges(hours: Hours) -> FirstCharges:
    """What usual hours cost. In 64 bits where they suffice, in Python's integers where not."""
    quantity, price, rate = hours.quantity, hours.price, hours.due.rate[hours.of]
    if not fits_in_64_bits(int(quantity.max(initial=0)), int(price.max(initial=0))):
        quantity, price = quantity.astype(object), price.astype(object)
    amount = amount_in_pico(quantity, price)
    return FirstCharges(
        agreement=hours.due.agreement[hours.of],
        slot=hours.slot,
        quantity=hours.quantity,
        committed=hours.committed,
        price=hours.price,
        currency=hours.due.currency[hours.of],
        amount=amount,
        commission=commission_in_pico(amount, rate),
        last_reading=hours.last_reading,
    )
