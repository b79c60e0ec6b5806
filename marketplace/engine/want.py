"""What one alternative asks for, in the units that the engine computes in.

Money that crosses currencies is counted in *pico*: micro-units of a currency times that
currency's ``base_micro``, which is 1e-12 of the base currency. Amounts in pico are exact integers,
so a payment is compared with a limit without any rounding. It is the same as converting the
payment into the buyer's currency rounded *up* and comparing that with the whole micro-units of the
limit: ``ceil(paid / b) <= worth`` if and only if ``paid <= worth * b``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from marketplace.engine.snapshot import MICRO, Alternative, Request, Snapshot, Unit

FULL = MICRO


@dataclass(frozen=True, slots=True)
class Want:
    """One alternative of one request.

    ``base`` is the ``base_micro`` of the request's currency; ``least`` the smallest amount (cards
    or micro-nP) that may be filled, ``share`` the same in parts per million; ``scale`` how many units of
    amount one unit of price covers.
    """

    request: int
    alternative: Alternative
    base: int
    least: int
    share: int
    scale: int

    @property
    def amount(self) -> int:
        return self.alternative.amount

    @property
    def whole(self) -> int:
        """All that is wanted: units over the whole duration, or unit-hours where it is divisible."""
        return self.amount * self.alternative.duration if self.alternative.divisible else self.amount

    @property
    def smallest_use(self) -> int:
        """The least that one offer can be used for: a part in one place, or anything at all."""
        gangs = self.alternative.gangs
        if gangs > 1:
            return -(-self.amount // gangs)
        return self.least if gangs else 1

    @property
    def least_whole(self) -> int:
        """The smallest part of ``whole`` that may be filled; with several gangs, what whole ones fill."""
        gangs = self.alternative.gangs
        if self.alternative.divisible:
            return -(-self.whole * self.share // FULL)
        return self.amount * self.least_gangs // gangs if gangs > 1 else self.least

    @property
    def least_gangs(self) -> int:
        """The fewest whole gangs that may be filled."""
        return -(-max(self.alternative.gangs, 1) * self.share // FULL)

    def filled(self, at_once: int, slots: int) -> int:
        """What cards that do ``at_once`` units fill in ``slots``: never more than is wanted."""
        return min(at_once * slots if self.alternative.divisible else at_once, self.whole)

    def worth(self, filled: int) -> int:
        """What the buyer pays at most for ``filled`` (cards or micro-nP, their hours where divisible).

        In pico. It is rounded down to whole micro-units of the buyer's currency: for an hour of cards
        that run together, for all of the work where it is divisible.
        """
        worth = self.alternative.limit * filled // self.scale * self.base
        return worth if self.alternative.divisible else worth * self.alternative.duration

    def limit_for(self, paid: int, filled: int) -> int:
        """The smallest limit at which ``filled`` is worth ``paid`` (pico)."""
        hours = 1 if self.alternative.divisible else self.alternative.duration
        hourly = -(-paid // (hours * self.base))
        return -(-hourly * self.scale // filled)

    def with_limit(self, limit: int) -> Want:
        return replace(self, alternative=replace(self.alternative, limit=limit))

    def with_amount(self, amount: int) -> Want:
        """The same, for exactly ``amount``, all or nothing."""
        return replace(self, alternative=replace(self.alternative, amount=amount), least=amount, share=FULL)


def wants(request: Request, bases: dict[str, int]) -> Iterator[Want]:
    """The request's alternatives by position; ``bases`` maps a currency to its ``base_micro``."""
    for alternative in request.alternatives:
        yield Want(
            request=request.id,
            alternative=alternative,
            base=bases[request.currency],
            least=-(-alternative.amount * request.least // FULL),
            share=request.least,
            scale=1 if alternative.unit is Unit.CARDS else MICRO,
        )


def bases(snapshot: Snapshot) -> dict[str, int]:
    return {currency.code: currency.base_micro for currency in snapshot.currencies}
