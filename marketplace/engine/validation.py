"""Refuse snapshots that do not describe a market.

The bounds keep every figure that numpy holds inside a signed 64-bit integer. A price is below 10**12
micro-units, so the cost of one card over a whole horizon is below ``MAX_MONEY * MAX_SLOTS`` < 2**53.
``MAX_PICO`` bounds a price once converted, and the emissions of a card-hour: micro-units times
``Currency.base_micro`` is counted in 1e-12 of the base currency, and 10**18 of those (a million units of
the base currency per card-hour) fit, twice over. ``MAX_WORTH`` bounds all that one alternative is worth,
in micro-units of the base currency, so that 1,024 times that still fits. Totals over requests and cards
are Python integers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from marketplace.engine.snapshot import (
    MICRO,
    Alternative,
    Budget,
    Choice,
    Currency,
    Model,
    Offer,
    OwnerCap,
    Request,
    Site,
    SiteHours,
    Snapshot,
    Unit,
)

SNAPSHOT_FORMAT, HOURLY_FORMAT = 2, 3
"""A market in which figures of a site vary by the hour has the second, every other one the first."""

MAX_ID = 2**63 - 1
MAX_SLOTS = 8_784
MAX_MONEY = 10**12 - 1
MAX_PICO = 10**18
MAX_WORTH = 2**52
MAX_CARDS = 10**6
MAX_NP = 10**12
MAX_RATE = 10**9
MAX_POWER = 10**6
MAX_FACT = 10**12
MAX_TOTAL = 10**18


class MalformedSnapshot(ValueError):
    """The snapshot cannot be cleared. ``problems`` names each row and field that is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("malformed snapshot: " + "; ".join(self.problems))


def check(snapshot: Snapshot) -> None:
    """Raise ``MalformedSnapshot`` naming every wrong row and field; return nothing otherwise."""
    problems = tuple(_problems(snapshot))
    if problems:
        raise MalformedSnapshot(problems)


def _problems(snapshot: Snapshot) -> Iterator[str]:
    yield from _header(snapshot)
    yield from _repeated("currency", (row.code for row in snapshot.currencies))
    yield from _repeated("model", (row.slug for row in snapshot.models))
    yield from _repeated("site", (row.id for row in snapshot.sites))
    yield from _repeated("offer", (row.id for row in snapshot.offers))
    yield from _repeated("request", (row.id for row in snapshot.requests))
    worth = {row.code: row.base_micro for row in snapshot.currencies}
    models = {row.slug: row for row in snapshot.models}
    sites = {row.id: row for row in snapshot.sites}
    for currency in snapshot.currencies:
        yield from _currency(currency)
    for model in snapshot.models:
        yield from _model(model)
    for site in snapshot.sites:
        yield from _site(site, snapshot.slots, worth)
    yield from _repeated("site_hours of site", (row.site for row in snapshot.site_hours))
    for hours in snapshot.site_hours:
        yield from _site_hours(hours, snapshot.slots, sites)
    for offer in snapshot.offers:
        yield from _offer(offer, snapshot.slots, models, sites, worth)
    for request in snapshot.requests:
        yield from _request(request, snapshot.slots, models, worth)
    yield from _groups(snapshot, worth)
    yield from _carbon_price(snapshot)


def _header(snapshot: Snapshot) -> Iterator[str]:
    expected = HOURLY_FORMAT if snapshot.site_hours else SNAPSHOT_FORMAT
    if snapshot.format != expected:
        yield f"snapshot format: {snapshot.format} is not {expected}"
    yield from _between("snapshot slots", snapshot.slots, 1, MAX_SLOTS)
    if not _is_full_utc_hour(snapshot.horizon_start):
        yield f"snapshot horizon_start: {snapshot.horizon_start!r} is not a full hour in UTC"
    base = [row.base_micro for row in snapshot.currencies if row.code == snapshot.base_currency]
    if base != [MICRO]:
        yield f"snapshot base_currency: {snapshot.base_currency!r} must be listed once, worth {MICRO}"


def _is_full_utc_hour(text: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    on_the_hour = (moment.minute, moment.second, moment.microsecond) == (0, 0, 0)
    return on_the_hour and moment.utcoffset() == timedelta(0)


def _currency(currency: Currency) -> Iterator[str]:
    yield from _between(f"currency {currency.code} base_micro", currency.base_micro, 1, MAX_MONEY)


def _model(model: Model) -> Iterator[str]:
    row = f"model {model.slug}"
    yield from _between(f"{row} memory", model.memory, 1, MAX_FACT)
    yield from _optional(f"{row} power", model.power, MAX_POWER)
    yield from _repeated(f"{row} precision", model.precisions)
    yield from _repeated(f"{row} rate", (rate.workload for rate in model.rates))
    for rate in model.rates:
        yield from _between(f"{row} rate {rate.workload} point", rate.point, 1, MAX_RATE)
        yield from _between(f"{row} rate {rate.workload} lower", rate.lower, 1, max(rate.point, 1))


def _site(site: Site, slots: int, worth: dict[str, int]) -> Iterator[str]:
    row = f"site {site.id}"
    yield from _between(f"{row} id", site.id, 0, MAX_ID)
    yield from _known(f"{row} currency", site.currency, worth)
    yield from _stated(f"{row} zone", site.zone)
    yield from _stated(f"{row} jurisdiction", site.jurisdiction)
    yield from _repeated(f"{row} round trip", (trip.place for trip in site.round_trips))
    for trip in site.round_trips:
        yield from _between(f"{row} round trip {trip.place}", trip.microseconds, 0, MAX_FACT)
    yield from _optional(f"{row} bandwidth", site.bandwidth)
    yield from _optional(f"{row} renewable_share", site.renewable_share, MICRO)
    yield from _optional(f"{row} carbon", site.carbon)
    yield from _between(f"{row} verification", site.verification, 0, MAX_FACT)
    if site.power_cap:
        yield from _between(f"{row} power_cap", min(site.power_cap), 0, MAX_FACT)
        yield from _between(f"{row} power_cap", max(site.power_cap), 0, MAX_FACT)
    if len(site.power_cap) not in (0, slots):
        yield f"{row} power_cap: {len(site.power_cap)} entries for a horizon of {slots} slots"


def _site_hours(hours: SiteHours, slots: int, sites: Collection[int]) -> Iterator[str]:
    row = f"site_hours of site {hours.site}"
    yield from _known(f"{row} site", hours.site, sites)
    if not hours.carbon and not hours.renewable_share:
        yield f"{row}: nothing varies by the hour"
    columns = (("carbon", hours.carbon, MAX_FACT), ("renewable_share", hours.renewable_share, MICRO))
    for name, figures, highest in columns:
        if len(figures) not in (0, slots):
            yield f"{row} {name}: {len(figures)} entries for a horizon of {slots} slots"
        if figures:
            yield from _between(f"{row} {name}", min(figures), 0, highest)
            yield from _between(f"{row} {name}", max(figures), 0, highest)


def _offer(
    offer: Offer, slots: int, models: dict[str, Model], sites: dict[int, Site], worth: dict[str, int]
) -> Iterator[str]:
    row = f"offer {offer.id}"
    site, model = sites.get(offer.site), models.get(offer.model)
    yield from _between(f"{row} id", offer.id, 0, MAX_ID)
    yield from _known(f"{row} site", offer.site, sites)
    yield from _known(f"{row} model", offer.model, models)
    yield from _between(f"{row} lot", offer.lot, 1, MAX_CARDS)
    yield from _between(f"{row} minimum_duration", offer.minimum_duration, 1, MAX_FACT)
    yield from _between(f"{row} notice", offer.notice, 0, MAX_FACT)
    if site and site.power_cap and model and model.power is None:
        yield f"{row} model: nobody has stated the power of {model.slug}, and site {site.id} has a power cap"
    if len(offer.free) != len(offer.asks):
        yield f"{row} asks: {len(offer.asks)} entries for {len(offer.free)} in free"
    if not offer.free or not offer.asks:
        yield f"{row} free: the window is empty"
        return
    if offer.first_slot < 0 or offer.first_slot + len(offer.free) > slots:
        yield f"{row} first_slot: the window leaves the horizon of {slots} slots"
    yield from _between(f"{row} free", min(offer.free), 0, MAX_CARDS)
    yield from _between(f"{row} free", max(offer.free), 0, MAX_CARDS)
    yield from _between(f"{row} asks", min(offer.asks), 0, MAX_MONEY)
    yield from _price(f"{row} asks", max(offer.asks), worth.get(site.currency, 1) if site else 1)


def _request(request: Request, slots: int, models: Collection[str], worth: dict[str, int]) -> Iterator[str]:
    row = f"request {request.id}"
    yield from _between(f"{row} id", request.id, 0, MAX_ID)
    yield from _known(f"{row} currency", request.currency, worth)
    yield from _between(f"{row} least", request.least, 1, MICRO)
    if not request.alternatives:
        yield f"{row} alternatives: there are none"
    yield from _repeated(f"{row} alternative", (a.position for a in request.alternatives))
    for alternative in request.alternatives:
        name = f"{row} alternative {alternative.position}"
        yield from _terms(name, alternative, slots, worth.get(request.currency, 1))
        yield from _demands(name, alternative, models)


def _terms(row: str, alternative: Alternative, slots: int, worth: int) -> Iterator[str]:
    largest = MAX_CARDS if alternative.unit is Unit.CARDS else MAX_NP
    yield from _between(f"{row} amount", alternative.amount, 1, largest)
    yield from _price(f"{row} limit", alternative.limit, worth)
    yield from _between(f"{row} duration", alternative.duration, 1, MAX_SLOTS)
    yield from _between(f"{row} earliest", alternative.earliest, 0, slots)
    yield from _between(f"{row} deadline", alternative.deadline, 0, slots)
    if alternative.earliest >= alternative.deadline:
        yield f"{row} deadline: the window from {alternative.earliest} to {alternative.deadline} is empty"
    yield from _worth(row, alternative, worth)
    yield from _together(row, alternative)


def _worth(row: str, alternative: Alternative, worth: int) -> Iterator[str]:
    """All that it would pay, rounded up, in micro-units of the base currency."""
    scale = 1 if alternative.unit is Unit.CARDS else MICRO
    pico = alternative.limit * alternative.amount * alternative.duration * worth
    total = -(-pico // (scale * MICRO))
    if total > MAX_WORTH:
        yield f"{row} limit: worth {total} micro-units of the base currency, more than {MAX_WORTH}: split it"


def _together(row: str, alternative: Alternative) -> Iterator[str]:
    """How the cards come together."""
    gangs = alternative.gangs
    yield from _between(f"{row} gangs", gangs, 0, MAX_CARDS)
    if gangs > 0 and alternative.unit is Unit.CARDS and alternative.amount % gangs:
        yield f"{row} gangs: {alternative.amount} cards do not make {gangs} equal gangs"
    if gangs > 0 and alternative.divisible:
        yield f"{row} divisible: work that may be spread out has no gangs"
    if alternative.interruptible and not alternative.divisible:
        yield f"{row} interruptible: only divisible work may be interrupted"


def _demands(row: str, alternative: Alternative, models: Collection[str]) -> Iterator[str]:
    for slug in alternative.models:
        yield from _known(f"{row} models", slug, models)
    yield from _repeated(f"{row} models", alternative.models)
    yield from _repeated(f"{row} jurisdictions", alternative.jurisdictions)
    yield from _repeated(f"{row} stacks", alternative.stacks)
    if alternative.latency is not None:
        yield from _between(f"{row} latency", alternative.latency.microseconds, 0, MAX_FACT)
    yield from _optional(f"{row} memory", alternative.memory)
    yield from _optional(f"{row} bandwidth", alternative.bandwidth)
    yield from _optional(f"{row} renewable_share", alternative.renewable_share, MICRO)
    yield from _optional(f"{row} carbon", alternative.carbon)
    yield from _optional(f"{row} verification", alternative.verification)
    yield from _optional(f"{row} notice", alternative.notice)


def _groups(snapshot: Snapshot, worth: dict[str, int]) -> Iterator[str]:
    requests = {request.id for request in snapshot.requests}
    yield from _repeated("budget", (row.id for row in snapshot.budgets))
    yield from _repeated("choice", (row.id for row in snapshot.choices))
    yield from _repeated("owner cap", (_name_of(cap) for cap in snapshot.owner_caps))
    for budget in snapshot.budgets:
        yield from _members("budget", budget, requests)
        yield from _known(f"budget {budget.id} currency", budget.currency, worth)
        yield from _between(f"budget {budget.id} amount", budget.amount, 0, MAX_TOTAL)
    for choice in snapshot.choices:
        yield from _members("choice", choice, requests)
        yield from _between(f"choice {choice.id} most", choice.most, 0, MAX_TOTAL)
    for cap in snapshot.owner_caps:
        yield from _between(f"owner cap {_name_of(cap)} card_hours", cap.card_hours, 0, MAX_TOTAL)


def _name_of(cap: OwnerCap) -> str:
    return f"of buyer {cap.buyer} on owner {cap.owner}"


def _members(kind: str, group: Budget | Choice, known: set[int]) -> Iterator[str]:
    row = f"{kind} {group.id}"
    yield from _between(f"{row} id", group.id, 0, MAX_ID)
    yield from _repeated(f"{row} request", group.requests)
    for request in group.requests:
        yield from _known(f"{row} requests", request, known)


def _carbon_price(snapshot: Snapshot) -> Iterator[str]:
    """With a carbon price, the emissions of whatever is for sale can be told, and fit."""
    row = "snapshot carbon_price"
    yield from _between(row, snapshot.carbon_price, 0, MAX_MONEY)
    if snapshot.carbon_price <= 0 or not snapshot.offers:
        return
    powers = [model.power for model in snapshot.models if model.power is not None]
    carbons = [site.carbon for site in snapshot.sites if site.carbon is not None]
    carbons += [max(hours.carbon) for hours in snapshot.site_hours if hours.carbon]
    if not powers:
        yield f"{row}: nobody has stated the power of any model"
    if not carbons:
        yield f"{row}: nobody has stated the carbon of any site"
    if snapshot.carbon_price * max(powers, default=0) * max(carbons, default=0) > MAX_PICO * 1_000:
        yield f"{row}: a card-hour's emissions count for more than {MAX_PICO // MICRO} in the base currency"


def _between(field: str, value: int, lowest: int, highest: int) -> Iterator[str]:
    if not lowest <= value <= highest:
        yield f"{field}: {value} is not between {lowest} and {highest}"


def _optional(field: str, value: int | None, highest: int = MAX_FACT) -> Iterator[str]:
    if value is not None:
        yield from _between(field, value, 0, highest)


def _price(field: str, value: int, worth: int) -> Iterator[str]:
    yield from _between(field, value, 0, MAX_MONEY)
    if value * worth > MAX_PICO:
        yield f"{field}: {value} converts to more than {MAX_PICO // MICRO} in the base currency"


def _stated(field: str, value: str) -> Iterator[str]:
    if not value:
        yield f"{field}: is not stated"


def _known(field: str, value: object, known: Iterable[object]) -> Iterator[str]:
    if value not in known:
        yield f"{field}: {value!r} is unknown"


def _repeated(row: str, keys: Iterable[object]) -> Iterator[str]:
    seen: set[object] = set()
    for key in keys:
        if key in seen:
            yield f"{row} {key}: appears more than once"
        seen.add(key)
