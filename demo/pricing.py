"""What a card-hour costs: published prices, and for models without one the price of the nearest peers.

A model's published price is the median of the list. A model that is not in the list is priced by what
its three nearest peers in the list cost for the same yardstick: the mean nP of the five AI classes where
it has profiles, else the dense half-precision peak, else the nP of HPC. A model with none of these has
no price, and asking for it is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median

from demo.trace import PublishedPrice
from marketplace.catalogue.data.tables import Accelerator, FxAssumption
from marketplace.catalogue.normalisation import Profile
from marketplace.engine.snapshot import Precision, Workload

PEERS = 3
AI_CLASSES = tuple(workload for workload in Workload if workload is not Workload.HPC_FP64)
PLACES = Decimal("0.0001")

Yardstick = Callable[[str], Decimal | None]


class NoPriceError(LookupError):
    """A model has neither a published price nor a yardstick to compare it by."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """US$ per card-hour of every model that can be priced, and rates of exchange."""

    usd: Mapping[str, Decimal]
    rates: Mapping[tuple[str, Workload], Decimal]
    cny_per_unit: Mapping[str, Decimal]

    def of(self, model: str, currency: str) -> Decimal:
        """Price of a card-hour in a currency. Raises NoPriceError."""
        if model not in self.usd:
            raise NoPriceError(f"{model}: no published price and nothing to compare it by")
        return self.convert(self.usd[model], currency)

    def convert(self, usd: Decimal, currency: str) -> Decimal:
        return usd * self.cny_per_unit["USD"] / self.cny_per_unit[currency]

    def rate(self, model: str, workload: Workload) -> Decimal | None:
        """nP of a card; ``None`` where the model has no profile in the class."""
        return self.rates.get((model, workload))


def price_list(
    prices: Iterable[PublishedPrice],
    accelerators: Sequence[Accelerator],
    profiles: Iterable[Profile],
    fx: Iterable[FxAssumption],
) -> PriceList:
    rates = {(profile.model_slug, profile.workload): profile.rate for profile in profiles}
    published = _published(prices)
    yardsticks = _yardsticks(accelerators, rates)
    usd = dict(published)
    for accelerator in accelerators:
        price = published.get(accelerator.slug) or _by_peers(accelerator.slug, published, yardsticks)
        if price is not None:
            usd[accelerator.slug] = price
    return PriceList(usd, rates, {rate.currency: rate.cny_per_unit for rate in fx})


def money(amount: Decimal) -> Decimal:
    """The demo's prices have four decimals."""
    return amount.quantize(PLACES, ROUND_HALF_EVEN)


def _published(prices: Iterable[PublishedPrice]) -> dict[str, Decimal]:
    by_model: dict[str, list[Decimal]] = defaultdict(list)
    for price in prices:
        by_model[price.model].append(price.usd_per_card_hour)
    return {model: median(found) for model, found in by_model.items()}


def _yardsticks(
    accelerators: Sequence[Accelerator], rates: Mapping[tuple[str, Workload], Decimal]
) -> tuple[Yardstick, ...]:
    peaks = {a.slug: a.peak(Precision.BF16, Precision.FP16) for a in accelerators}

    def ai(model: str) -> Decimal | None:
        known = [rates[model, workload] for workload in AI_CLASSES if (model, workload) in rates]
        return sum(known, Decimal(0)) / len(known) if len(known) == len(AI_CLASSES) else None

    def hpc(model: str) -> Decimal | None:
        return rates.get((model, Workload.HPC_FP64))

    return ai, peaks.get, hpc


def _by_peers(
    model: str, published: Mapping[str, Decimal], yardsticks: Sequence[Yardstick]
) -> Decimal | None:
    for yardstick in yardsticks:
        own = yardstick(model)
        if own is not None:
            peers = {peer: measure for peer in published if (measure := yardstick(peer)) is not None}
            nearest = sorted(peers, key=lambda peer: (max(peers[peer] / own, own / peers[peer]), peer))
            return money(own * median(published[peer] / peers[peer] for peer in nearest[:PEERS]))
    return None
