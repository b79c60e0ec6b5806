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
    POWER,
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
from marketplace.engine.luck import Words
from marketplace.engine.openings import may_open


@compiled
def whole_on_one_row(
    guide: Guide, free: Ints, openings: Words, draft: Draft, want: int, slots: int, amount: int, best: int
) -> int:
    """The best placement of ``amount`` at once over so many slots; of equals what leaves least idle.

    Nothing is noted where it gains no more than ``best``. What it gains at shadow prices.
    """
    price, ranges, offers, asked = guide.price, guide.ranges, guide.offers, guide.wants[want]
    worth, earliest, deadline = asked[WORTH], asked[EARLIEST], asked[DEADLINE]
    power, open_hours = asked[POWER], guide.open
    purse, takes, tightest, found = draft.purse[0], draft.takes, NEVER, False
    for entry in range(guide.entries[want], guide.entries[want + 1]):
        if guide.hopes[entry] < best:
            continue
        for row in range(ranges[entry, 0], ranges[entry, 1]):
            if not serves(guide.bits, asked[PROFILE], row) or overlooks(draft.luck, draft.overlooked[0]):
                continue
            cards = cards_of(guide, want, slots, amount, row)
            too_many = cards > offers[row, SIZE] or cards * slots > draft.hours[row]
            if too_many or not may_open(openings, row, cards, slots, earliest, deadline):
                continue
            highest = min(worth - best, purse) // cards
            unbroken = 0
            for slot in range(earliest, deadline):
                powered = power == 0 or open_hours[power - 1, row, slot]
                unbroken = unbroken + 1 if powered and free[row, slot] >= cards else 0
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
def cards_of(guide: Guide, want: int, slots: int, amount: int, row: int) -> int:
    """The cards of an offer that do the amount at once; ``NEVER`` if it is not sold for so few slots."""
    asked, model = guide.wants[want], guide.offers[row, MODEL]
    if asked[KIND] == DIVISIBLE and guide.offers[row, MINIMUM] > slots:
        return NEVER
    step = step_cards(asked[KIND], guide.part[want, model], guide.offers[row, LOT])
    units = step_units(asked[KIND], step, guide.rate[want, model])
    return int((amount + units - 1) // units * step)


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
