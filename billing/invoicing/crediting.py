"""How a credit is spread over what a document says. Pure: no database, no clock.

Everything starts from the document's rounded amounts, so nothing is ever credited that was not charged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billing.money import allocate


@dataclass(frozen=True, slots=True)
class Creditable:
    """A line of a document and what credit notes have left of it. Lines below zero are never credited."""

    line: int
    rule: int
    left: int


@dataclass(frozen=True, slots=True)
class Credit:
    """What a credit note takes off each line, and off the tax under each rule."""

    lines: dict[int, int]
    taxes: dict[int, int]

    @property
    def net(self) -> int:
        return sum(self.lines.values())

    @property
    def tax(self) -> int:
        return sum(self.taxes.values())

    @property
    def total(self) -> int:
        return self.net + self.tax


def spread(amount: int, lines: Sequence[Creditable], taxes: Mapping[int, int]) -> Credit:
    """``amount``, tax included, over the lines and the taxes in proportion to what is left of them.

    ``taxes`` is what is left of the tax under each rule. All parts together are the amount, and none is more
    than what is left, as long as the amount is not more than all that is left.
    """
    rules = sorted(taxes)
    weights = [max(line.left, 0) for line in lines] + [max(taxes[rule], 0) for rule in rules]
    parts = allocate(amount, weights)
    of_taxes = dict(zip(rules, parts[len(lines) :], strict=True))
    of_lines = {
        line.line: part
        for line, part in zip(lines, parts, strict=False)
        # A line of nothing stays where its rule's tax is credited alone: it says what the tax was on.
        if part or (line.left > 0 and of_taxes.get(line.rule))
    }
    named = {line.rule for line in lines if line.line in of_lines}
    return Credit(of_lines, {rule: part for rule, part in of_taxes.items() if rule in named})


def share_of(whole: int, *, credited: int, charged: int) -> int:
    """The part of ``whole`` that goes with ``credited`` of ``charged``, half up: all of it with all of it.

    For sums so far: the difference of two such shares is what one credit adds, so that many small credits
    come to the same as a large one.
    """
    if whole <= 0 or charged <= 0:
        return 0
    return (2 * whole * credited + charged) // (2 * charged)
