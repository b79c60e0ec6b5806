"""Drafting a placement on one offer alone."""

from __future__ import annotations

from marketplace.engine.columns import DIVISIBLE, NEVER, serves
from marketplace.engine.compiled import compiled
from marketplace.engine.drafting import (
    AMOUNT,
    BEGUN,
    CARDS,
    DEADLINE,
    EARLIEST,
    KIND,
    LEAST,
    LOT,
    MINIMUM,
    MODEL,
    PROFILE,
    ROW,
    SIZE,
    SLOTS,
    WORTH,
    Draft,
    Guide,
    note,
    overlooks,
    part_of_worth,
    step_cards,
    step_units,
)
from marketplace.engine.facts import Ints


@compiled
def whole_on_one_row(
    guide: Guide, free: Ints, draft: Draft, want: int, slots: int, amount: int, best: int
) -> int:
    """The best placement of ``amount`` at once over so many slots; of equals what leaves least idle.

    Nothing is noted where it gains no more than ``best``. What it gains at shadow prices.
    """
    offers, bits, price, ranges, hours = guide.offers, guide.bits, guide.price, guide.ranges, draft.hours
    rates, parts, asked = guide.rate[want], guide.part[want], guide.wants[want]
    kind, profile, worth = asked[KIND], asked[PROFILE], asked[WORTH]
    earliest, deadline = asked[EARLIEST], asked[DEADLINE]
    shortest = slots if kind == DIVISIBLE else NEVER
    luck, overlooked = draft.luck, draft.overlooked[0]
    purse, takes, tightest, found = draft.purse[0], draft.takes, NEVER, False
    for entry in range(guide.entries[want], guide.entries[want + 1]):
        for row in range(ranges[entry, 0], ranges[entry, 1]):
            if (
                not serves(bits, profile, row)
                or offers[row, MINIMUM] > shortest
                or overlooks(luck, overlooked)
            ):
                continue
            model = offers[row, MODEL]
            step = step_cards(kind, parts[model], offers[row, LOT])
            units = step_units(kind, step, rates[model])
            cards = (amount + units - 1) // units * step
            if cards > offers[row, SIZE] or cards * slots > hours[row]:
                continue
            highest = min(worth - best, purse) // cards
            unbroken = 0
            for slot in range(earliest, deadline):
                unbroken = unbroken + 1 if free[row, slot] >= cards else 0
                if unbroken < slots:
                    continue
                cost = price[row, slot + 1] - price[row, slot + 1 - slots]
                if cost > highest:
                    continue
                gain, idle = worth - cards * cost, free[row, slot] - cards
                if gain > best or (found and gain == best and idle < tightest):
                    best, tightest, found = gain, idle, True
                    highest = min(highest, cost)
                    draft.found[0], draft.found[1] = want, 1
                    note(takes[0], row, cards, slot + 1 - slots, slots)
    return best


@compiled
def tighten(guide: Guide, draft: Draft) -> int:
    """The fewest cards and hours of the one offer of a draft that still do divisible work; its gain."""
    want, price, take = draft.found[0], guide.price, draft.takes[0]
    work, row = guide.wants[want, AMOUNT], take[ROW]
    lot, shortest = guide.offers[row, LOT], guide.offers[row, MINIMUM]
    rate = guide.rate[want, guide.offers[row, MODEL]]
    cards, slots = 0, 0
    while cards != take[CARDS] or slots != take[SLOTS]:
        cards, slots = take[CARDS], take[SLOTS]
        take[SLOTS] = max((work + cards * rate - 1) // (cards * rate), shortest)
        a_lot = lot * rate * take[SLOTS]
        take[CARDS] = (work + a_lot - 1) // a_lot * lot
    cost = price[row, take[BEGUN] + slots] - price[row, take[BEGUN]]
    return int(guide.wants[want, WORTH] - cards * cost)


@compiled
def part_on_one_row(guide: Guide, draft: Draft, want: int, slots: int, gathered: int, best: int) -> int:
    """The best placement of a part of the amount on one of the gathered offers, as much as it has."""
    asked = guide.wants[want]
    worth, amount, least, earliest = asked[WORTH], asked[AMOUNT], asked[LEAST], asked[EARLIEST]
    has, costs, steps, yields = draft.has, draft.costs, draft.steps, draft.yields
    runs, purse = asked[DEADLINE] - earliest - slots + 1, draft.purse[0]
    for index in range(gathered):
        # No step beyond the amount: all of it is what ``whole_on_one_row`` looks for.
        most = (amount - 1) // yields[index] * steps[index]
        for run in range(runs):
            cards, cost = min(has[index, run], most), costs[index, run]
            if cost > 0:
                cards = min(cards, purse // cost // steps[index] * steps[index])
            units = cards // steps[index] * yields[index]
            if cards == 0 or units < least:
                continue
            value = part_of_worth(worth, units, amount)
            if cost >= value // cards:
                continue
            gain = value - cards * cost
            if gain > best:
                best = gain
                draft.found[0], draft.found[1] = want, 1
                note(draft.takes[0], draft.rows[index], cards, earliest + run, slots)
    return best
