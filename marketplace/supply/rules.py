"""What supply must look like before the database is asked: each rule names the field it is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext as _

from marketplace.catalogue.models import AcceleratorModel, Region, SoftwareStack
from marketplace.clock import floor_hour, hours_between, is_of_our_time
from marketplace.errors import InvalidInput
from marketplace.supply.models import HIGHEST_POWER_KW, HIGHEST_PRICE, MOST_CARDS, Fleet, Site

LONGEST_OFFER_HOURS = 366 * 24

Problems = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SiteInput:
    name_en: str
    name_zh: str
    region: Region
    pue: Decimal
    renewable_share: Decimal
    bandwidth_mbps: int
    power_cap_kw: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FleetInput:
    """``stack`` is the model's own where none is given."""

    model: AcceleratorModel
    cards: int
    node_size: int
    interconnect: str
    installed_at: datetime
    stack: SoftwareStack | None = None


@dataclass(frozen=True, slots=True)
class OfferInput:
    """``asks``: one price per card-hour, or one for each hour of the window, in the zone's currency.

    None of what is reserved for an agreement in nP-hours: ``np_per_card`` is what its cards do instead.
    """

    cards: int
    starts_at: datetime
    ends_at: datetime
    asks: tuple[Decimal, ...]
    lot: int = 1
    minimum_hours: int = 1
    notice_minutes: int = 0
    np_per_card: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OfferChange:
    """What is not given stays as it is."""

    cards: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    asks: tuple[Decimal, ...] | None = None


def refuse(message: str, problems: Problems) -> None:
    """Raise ``InvalidInput`` with the first problem of each field; return where there is none."""
    fields: dict[str, str] = {}
    for name, problem in problems:
        fields.setdefault(name, problem)
    if fields:
        raise InvalidInput(message, fields)


def site_problems(site: SiteInput) -> Problems:
    for name in ("name_en", "name_zh"):
        if not getattr(site, name).strip():
            yield name, _("Give the site a name.")
    if not 1 <= site.pue < 10:
        yield "pue", _("A power usage effectiveness is at least 1 and less than 10.")
    if not 0 <= site.renewable_share <= 1:
        yield "renewable_share", _("A share is between 0 and 1.")
    if not 0 < site.bandwidth_mbps <= 2**31 - 1:
        yield "bandwidth_mbps", _("State the bandwidth in Mbit/s, more than 0.")
    yield from power_cap_problems(site.power_cap_kw)


def power_cap_problems(kilowatts: Decimal | None) -> Problems:
    if kilowatts is not None and not 0 < kilowatts <= HIGHEST_POWER_KW:
        message = _("A power cap is more than 0 and at most %(most)s kW; without one, leave it empty.")
        yield "power_cap_kw", message % {"most": f"{HIGHEST_POWER_KW:,}"}


def fleets_of_known_power(fleets: Iterable[Fleet]) -> Problems:
    """What keeps a site from having a power cap: nobody knows what some of its cards draw."""
    unknown = sorted({str(fleet.model) for fleet in fleets if fleet.model.tdp_w is None})
    if unknown:
        message = _("Nobody has stated what %(models)s draws, so a cap could not be kept. Ask the operator.")
        yield "power_cap_kw", message % {"models": ", ".join(unknown)}


def keeps_the_cap(model: AcceleratorModel, site: Site) -> Problems:
    if site.power_cap_kw is not None and model.tdp_w is None:
        message = _(
            "%(site)s has a power cap, and nobody has stated what %(model)s draws. "
            "Ask the operator, or lift the cap."
        )
        yield "model", message % {"site": site, "model": model}


def fleet_problems(fleet: FleetInput, now: datetime) -> Problems:
    yield from _cards_installed(fleet.cards)
    if not 0 < fleet.node_size <= min(fleet.cards, 2**15 - 1):
        message = _("A node has at least 1 card and at most the fleet's %(cards)s.")
        yield "node_size", message % {"cards": fleet.cards}
    if not fleet.interconnect.strip():
        yield "interconnect", _("Say how the cards are joined, for example “PCIe 4.0”.")
    if not is_of_our_time(fleet.installed_at):
        yield "installed_at", _("Give a time between the years 2000 and 2199.")
    elif fleet.installed_at > now:
        message = _("Only installed cards can be listed; it is %(now)s UTC.")
        yield "installed_at", message % {"now": f"{now:%F %H:%M}"}


def resize_problems(cards: int, listed: int, fleet: Fleet) -> Problems:
    """``listed`` is the most that the fleet owes to its offers at once from now on."""
    yield from _cards_installed(cards)
    if cards < fleet.node_size:
        message = _("A node has %(node)s cards; a fleet is one node at least.")
        yield "cards", message % {"node": fleet.node_size}
    if cards < listed:
        message = _(
            "%(listed)s cards are listed or sold at once from now on; a fleet keeps at least these. "
            "Withdraw what is not sold first."
        )
        yield "cards", message % {"listed": f"{listed:,}"}


def _cards_installed(cards: int) -> Problems:
    if not 0 < cards <= MOST_CARDS:
        yield "cards", _("A fleet has 1 to %(most)s cards.") % {"most": f"{MOST_CARDS:,}"}


def offer_problems(offer: OfferInput, fleet: Fleet) -> Problems:
    yield from _window(offer.starts_at, offer.ends_at)
    yield from _asks(offer)
    if not 0 < offer.cards <= fleet.cards:
        message = _("The fleet has %(cards)s cards; offer at least 1 and at most these.")
        yield "cards", message % {"cards": fleet.cards}
    if not 0 < offer.lot <= offer.cards:
        message = _("A lot is at least 1 card and at most the %(cards)s offered.")
        yield "lot", message % {"cards": offer.cards}
    if not 0 < offer.minimum_hours <= max(1, (offer.ends_at - offer.starts_at).total_seconds() // 3600):
        yield "minimum_hours", _("The shortest sale is at least 1 hour and not longer than the window.")
    if not 0 <= offer.notice_minutes <= 2**31 - 1:
        yield "notice_minutes", _("The notice before an interruption is 0 minutes or more.")


def not_in_the_past(starts_at: datetime, now: datetime) -> Problems:
    if starts_at < now:
        message = _("The window begins in the past; it is %(now)s UTC.")
        yield "starts_at", message % {"now": f"{now:%F %H:%M}"}


def fits(cards: int, listed: int, fleet: Fleet) -> Problems:
    if cards + listed > fleet.cards:
        free = max(fleet.cards - listed, 0)
        message = _("Only %(free)s of the fleet's %(cards)s cards are free in this whole window.")
        yield "cards", message % {"free": free, "cards": fleet.cards}


def _window(starts_at: datetime, ends_at: datetime) -> Problems:
    for name, moment in (("starts_at", starts_at), ("ends_at", ends_at)):
        if not is_of_our_time(moment):
            yield name, _("Give a time between the years 2000 and 2199.")
        elif moment.astimezone(UTC) != floor_hour(moment):
            yield name, _("A window is made of whole UTC hours.")
    if ends_at <= starts_at:
        yield "ends_at", _("The window ends before it begins.")
    elif (ends_at - starts_at).total_seconds() > LONGEST_OFFER_HOURS * 3600:
        yield "ends_at", _("A window has at most %(hours)s hours.") % {"hours": f"{LONGEST_OFFER_HOURS:,}"}


def _asks(offer: OfferInput) -> Problems:
    if not all(ask.is_finite() and 0 < ask <= HIGHEST_PRICE for ask in offer.asks):
        message = _("An ask is more than 0 and at most %(most)s per card-hour.")
        yield "asks", message % {"most": f"{HIGHEST_PRICE:,}"}
    if offer.np_per_card is None and not any(_window(offer.starts_at, offer.ends_at)):
        hours = hours_between(offer.starts_at, offer.ends_at)
        if len(offer.asks) not in {1, hours}:
            message = _("Give 1 ask, or %(hours)s: one for each hour of the window; not %(given)s.")
            yield "asks", message % {"hours": hours, "given": len(offer.asks)}


@dataclass(frozen=True, slots=True)
class RoundTripInput:
    """From a site to a region's probe: the median of what was answered of so many attempts."""

    region: str
    at: datetime
    microseconds: int | None
    sent: int
    lost: int


def round_trip_problems(
    measured: Sequence[RoundTripInput], regions: Collection[str], now: datetime
) -> Problems:
    for number, one in enumerate(measured):
        name = f"measurements.{number}"
        if one.region not in regions:
            yield f"{name}.region", f"There is no region “{one.region}”."
        if not now - settings.ROUND_TRIP_FRESH < one.at <= now + settings.METER_SKEW_ALLOWED:
            yield f"{name}.at", f"It is {now.isoformat()} on the market's clock: report what is fresh."
        if (one.microseconds is None) != (one.lost == one.sent) or one.lost > one.sent:
            yield f"{name}.lost", "Where all attempts were lost there is no time, and otherwise there is one."
