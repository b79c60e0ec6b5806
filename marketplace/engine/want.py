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
    or micro-nP) that may be filled; ``scale`` how many units of amount one unit of price covers.
    """

    request: int
    alternative: Alternative
    base: int
    least: int
    scale: int

    @property
    def amount(self) -> int:
        return self.alternative.amount

    def worth(self, filled: int) -> int:
        """What the buyer pays at most for ``filled`` (cards or micro-nP), in pico.

        An hour's worth is rounded down to whole micro-units of the buyer's currency.
        """
        hourly = self.alternative.limit * filled // self.scale
        return hourly * self.alternative.duration * self.base

    def limit_for(self, paid: int, filled: int) -> int:
        """The smallest limit at which ``filled`` is worth ``paid`` (pico)."""
        hourly = -(-paid // (self.alternative.duration * self.base))
        return -(-hourly * self.scale // filled)

    def with_limit(self, limit: int) -> Want:
        return replace(self, alternative=replace(self.alternative, limit=limit))

    def with_amount(self, amount: int) -> Want:
        """The same, for exactly ``amount``, all or nothing."""
        return replace(self, alternative=replace(self.alternative, amount=amount), least=amount)


def wants(request: Request, bases: dict[str, int]) -> Iterator[Want]:
    """The request's alternatives by position; ``bases`` maps a currency to its ``base_micro``."""
    for alternative in request.alternatives:
        yield Want(
            request=request.id,
            alternative=alternative,
            base=bases[request.currency],
            least=-(-alternative.amount * request.least // FULL),
            scale=1 if alternative.unit is Unit.CARDS else MICRO,
        )


def bases(snapshot: Snapshot) -> dict[str, int]:
    return {currency.code: currency.base_micro for currency in snapshot.currencies}
