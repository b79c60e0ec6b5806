"""A small market that clears: one product, a buyer, exchange rates and profiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.actors import task_actor
from marketplace.agreements.services import run_market
from marketplace.catalogue.models import FxRate
from marketplace.clearing import services as clearing
from marketplace.clearing.models import MarketRun
from marketplace.clock import MarketClock
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Offer
from tests.conftest import NOW
from tests.factories import make_offer, make_profile_version, make_request

ACTOR = task_actor("a test")


class StoppedClock(MarketClock):
    """Always the same moment."""

    def now(self) -> datetime:
        return self.market_anchor


def clock_at(moment: datetime = NOW) -> MarketClock:
    return StoppedClock(wall_anchor=moment, market_anchor=moment, speed=1)


def make_reference() -> None:
    make_profile_version()
    for currency, cny in (("CNY", "1"), ("USD", "7.1"), ("EUR", "7.8")):
        FxRate.objects.get_or_create(
            currency=currency, valid_from=NOW, defaults={"cny": Decimal(cny), "source": "a test"}
        )


def make_market(*, cards: int = 8, ask: str = "10", limit: str = "12") -> tuple[Offer, ComputeRequest]:
    """One offer and one request that wants all of it for four hours."""
    make_reference()
    return make_offer(cards=cards, ask=ask), make_request(cards=cards, limit=limit)


def run(moment: datetime = NOW) -> MarketRun:
    done = run_market(clock=clock_at(moment), actor=ACTOR)
    assert done is not None
    return done


@dataclass
class Prepared:
    """A run with its result computed and not yet committed."""

    run: MarketRun
    data: bytes
    result: clearing.Computed


def prepare(moment: datetime = NOW) -> Prepared:
    opened = clearing.open_run(actor=ACTOR, now=moment)
    data = clearing.take_snapshot(opened, now=moment)
    return Prepared(opened, data, clearing.compute(data))
