"""Writing supply: sites, fleets and offers. Each change is recorded in its own transaction.

Locks, in this order: the book (``marketplace.book``), the owner, the offer, then its fleet. The triggers
of offers and allocations take no other. Whoever registers a fleet or caps a site has the site's row, and
no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from accounts.administration import lock
from accounts.caps import check_cap
from accounts.models import Organisation
from marketplace import book
from marketplace.catalogue.models import Region
from marketplace.clock import LATEST, floor_hour
from marketplace.errors import DomainError, InvalidInput
from marketplace.supply import reserving, rules
from marketplace.supply.models import Fleet, Offer, OfferBatch, OfferHour, RoundTrip, Site
from marketplace.supply.rules import FleetInput, OfferChange, OfferInput, RoundTripInput, SiteInput
from marketplace.supply.selectors import most_listed


class OfferWithdrawn(DomainError):
    code = "offer_withdrawn"
    title = gettext_noop("The offer is withdrawn")


class OfferUnderWay(DomainError):
    code = "offer_under_way"
    title = gettext_noop("The offer's window has begun")


@transaction.atomic
def create_site(*, viewer: Viewer, organisation: Organisation, site: SiteInput, now: datetime) -> Site:
    """Register a data centre of an owner."""
    actor = viewer.require(Capability.TRADE, organisation.pk)
    if organisation.kind != Organisation.Kind.OWNER:
        problem = _("%(organisation)s is not an owner.") % {"organisation": organisation}
        raise InvalidInput(_("Only an owner has sites."), {"organisation": problem})
    rules.refuse(_("The site cannot be registered."), rules.site_problems(site))
    if Site.objects.filter(owner=organisation, name_en=site.name_en).exists():
        problem = _("There is a site %(name)s already.") % {"name": site.name_en}
        raise InvalidInput(_("The site cannot be registered."), {"name_en": problem})
    created = Site.objects.create(
        owner=organisation,
        name_en=site.name_en,
        name_zh=site.name_zh,
        region=site.region,
        pue=site.pue,
        renewable_share=site.renewable_share,
        bandwidth_mbps=site.bandwidth_mbps,
        power_cap_kw=site.power_cap_kw,
    )
    data = {"name": site.name_en, "region": site.region.slug}
    audit.record(
        actor=actor, action="site.created", target=created, now=now, organisation=organisation, data=data
    )
    return created


@transaction.atomic
def create_fleet(*, viewer: Viewer, site: Site, fleet: FleetInput, now: datetime) -> Fleet:
    """Register installed cards at a site.

    Locks the site, so that it gets no power cap between the check and the insert.
    """
    actor = viewer.require(Capability.TRADE, site.owner_id)
    locked = _locked_site(site)
    problems = chain(rules.fleet_problems(fleet, now), rules.keeps_the_cap(fleet.model, locked))
    rules.refuse(_("The fleet cannot be registered."), problems)
    created = Fleet.objects.create(
        site=locked,
        model=fleet.model,
        stack=fleet.stack or fleet.model.stack,
        cards=fleet.cards,
        node_size=fleet.node_size,
        interconnect=fleet.interconnect,
        installed_at=fleet.installed_at,
    )
    data = {"site": site.pk, "model": fleet.model.slug, "cards": fleet.cards}
    audit.record(
        actor=actor, action="fleet.created", target=created, now=now, organisation=site.owner_id, data=data
    )
    return created


@transaction.atomic
def set_power_cap(*, viewer: Viewer, site: Site, kilowatts: Decimal | None, now: datetime) -> Site:
    """Cap what the cards sold at a site draw together, from the next run on; ``None`` lifts the cap.

    What is sold already stays sold, also where it draws more.
    """
    actor = viewer.require(Capability.TRADE, site.owner_id)
    current = _locked_site(site)
    fleets = current.fleets.select_related("model") if kilowatts is not None else ()
    problems = chain(rules.power_cap_problems(kilowatts), rules.fleets_of_known_power(fleets))
    rules.refuse(_("The power cap was not changed."), problems)
    data = {"before": _text(current.power_cap_kw), "after": _text(kilowatts)}
    current.power_cap_kw = kilowatts
    current.save(update_fields=["power_cap_kw"])
    audit.record(
        actor=actor,
        action="site.power_cap_changed",
        target=current,
        now=now,
        organisation=current.owner_id,
        data=data,
    )
    return current


def _text(kilowatts: Decimal | None) -> str | None:
    return None if kilowatts is None else str(kilowatts)


@transaction.atomic
def resize_fleet(*, viewer: Viewer, fleet: Fleet, cards: int, now: datetime) -> Fleet:
    """Change how many cards are installed, from the hour under way on.

    A fleet keeps what it lists now and what it sold in hours to come; what it listed in the past is past.
    """
    actor = viewer.require(Capability.TRADE, fleet.site.owner_id)
    current = _locked(fleet)
    since = floor_hour(now)
    listed = most_listed(current, since, LATEST)
    rules.refuse(_("The fleet was not changed."), rules.resize_problems(cards, listed, current))
    data = {"before": current.cards, "after": cards}
    current.cards, current.cards_since = cards, since
    current.save(update_fields=["cards", "cards_since"])
    owner = current.site.owner_id
    audit.record(actor=actor, action="fleet.resized", target=current, now=now, organisation=owner, data=data)
    return current


@transaction.atomic
def create_offer(
    *, viewer: Viewer, fleet: Fleet, offer: OfferInput, now: datetime, reserved_for: int | None = None
) -> Offer:
    """List cards of a fleet, in the currency of its zone.

    ``reserved_for`` is the number of a term agreement of the owner: its price is then the ask, and nothing
    else may be asked.

    Locks the fleet, so that what is free does not change between the check and the insert.
    """
    owner = fleet.site.owner_id
    actor = viewer.require(Capability.TRADE, owner)
    _check_cap(owner, now)
    return _list_offer(actor=actor, fleet=fleet, offer=offer, now=now, reserved_for=reserved_for)


@transaction.atomic
def list_offers(
    *,
    viewer: Viewer,
    owner: Organisation,
    offers: Sequence[tuple[Fleet, OfferInput]],
    key: UUID,
    now: datetime,
    listed: Callable[[int], None] = lambda _count: None,
) -> OfferBatch:
    """List offers of an owner's fleets, all of them or none. ``listed`` is told how many there are so far.

    The same key again gives the batch that there is and lists nothing. Locks the fleets one by one, in
    the order in which the offers first name them.
    """
    actor = viewer.require(Capability.TRADE, owner.pk)
    lock(owner.pk)
    batch, made = OfferBatch.objects.get_or_create(
        owner=owner, key=key, defaults={"created_by": actor.user, "entered_at": now}
    )
    if not made:
        return batch
    _check_cap(owner.pk, now, adding=len(offers))
    for number, (fleet, offer) in enumerate(offers, 1):
        if fleet.site.owner_id != owner.pk:
            raise InvalidInput(_("The offers are of fleets of one owner."), {"fleet": str(fleet)})
        _list_offer(actor=actor, fleet=fleet, offer=offer, now=now, batch=batch)
        listed(number)
    return batch


def _check_cap(owner: int, now: datetime, *, adding: int = 1) -> None:
    check_cap(
        owner,
        Offer.objects.filter(fleet__site__owner=owner, state=Offer.State.OPEN, ends_at__gt=now),
        most=settings.MOST_OPEN_OFFERS,
        message=_("An owner has at most %(most)s open offers. Withdraw one first."),
        adding=adding,
    )


def _list_offer(
    *,
    actor: Actor,
    fleet: Fleet,
    offer: OfferInput,
    now: datetime,
    reserved_for: int | None = None,
    batch: OfferBatch | None = None,
) -> Offer:
    locked = _locked(fleet)
    agreement, offer = reserving.at_the_agreed_price(locked, offer, reserved_for, now=now)
    _check(offer, locked, now)
    created = Offer.objects.create(
        fleet=locked,
        reserved_for=agreement,
        batch=batch,
        currency=locked.site.region.zone.currency,
        entered_at=now,
        created_by=actor.user,
        **_terms(offer),
    )
    reserved = {} if agreement is None else {"reserved_for": agreement.pk}
    _record(actor, created, "offer.created", now, _written(offer) | reserved)
    return created


@transaction.atomic
def amend_offer(*, viewer: Viewer, offer: Offer, change: OfferChange, now: datetime) -> Offer:
    """Change asks, cards or window of an offer; it then queues behind offers entered before ``now``.

    Once the window has begun only the asks change: what was offered in hours gone by is a fact. Of an offer
    reserved for a term agreement the asks were agreed as well, so nothing does.
    """
    actor = viewer.require(Capability.TRADE, offer.fleet.site.owner_id)
    book.hold_open()
    current = _locked_offer(offer)
    fleet = _locked(offer.fleet)
    if current.state != Offer.State.OPEN:
        raise OfferWithdrawn(
            _("%(offer)s is withdrawn and cannot change. Make a new offer.") % {"offer": current}
        )
    terms = _amended(current, change)
    begun = current.starts_at < now
    if begun and current.reserved_for_id is not None:
        raise OfferUnderWay(
            _(
                "The window of %(offer)s has begun and its price was agreed, so nothing of it can change. "
                "Withdraw it and make a new offer of what is left."
            )
            % {"offer": current}
        )
    if begun and _sizes(terms) != _sizes(_as_input(current)):
        raise OfferUnderWay(
            _(
                "The window of %(offer)s has begun, so only its asks can change. "
                "Withdraw it and make a new offer of what is left."
            )
            % {"offer": current}
        )
    reserving.refuse_other_terms(current, terms)
    _check(terms, fleet, now, besides=current, begun=begun)
    for name, value in _terms(terms).items():
        setattr(current, name, value)
    current.entered_at = now
    current.save()
    _record(actor, current, "offer.amended", now, _written(terms))
    return current


@transaction.atomic
def withdraw_offer(*, viewer: Viewer, offer: Offer, now: datetime) -> Offer:
    """Take what is not sold off the market. What is sold stays sold; doing it twice changes nothing."""
    actor = viewer.require(Capability.TRADE, offer.fleet.site.owner_id)
    book.hold_open()
    current = _locked_offer(offer)
    if current.state == Offer.State.WITHDRAWN:
        return current
    current.state = Offer.State.WITHDRAWN
    current.withdrawn_at = now
    current.save(update_fields=["state", "withdrawn_at"])
    _record(actor, current, "offer.withdrawn", now, {})
    return current


def _locked_site(site: Site) -> Site:
    return Site.objects.select_for_update(no_key=True).get(pk=site.pk)


def _locked(fleet: Fleet) -> Fleet:
    fleets = Fleet.objects.select_related("site__region__zone")
    return fleets.select_for_update(of=("self",), no_key=True).get(pk=fleet.pk)


def _locked_offer(offer: Offer) -> Offer:
    offers = Offer.objects.select_related("fleet__model", "fleet__site__owner", "fleet__site__region__zone")
    return offers.select_for_update(of=("self",), no_key=True).get(pk=offer.pk)


def _check(
    terms: OfferInput, fleet: Fleet, now: datetime, *, besides: Offer | None = None, begun: bool = False
) -> None:
    message = _("The offer cannot be listed.")
    past = () if begun else rules.not_in_the_past(terms.starts_at, now)
    rules.refuse(message, chain(rules.offer_problems(terms, fleet), past))
    # In the hours before the fleet had this number of cards, what it listed is past.
    since = max(terms.starts_at, fleet.cards_since or terms.starts_at)
    listed = most_listed(fleet, since, terms.ends_at, besides=besides)
    rules.refuse(message, chain(rules.fits(terms.cards, listed, fleet), _keeps_what_it_sold(terms, besides)))


def _keeps_what_it_sold(terms: OfferInput, offer: Offer | None) -> rules.Problems:
    sold = OfferHour.objects.filter(offer=offer, cards_sold__gt=0) if offer else OfferHour.objects.none()
    first = sold.order_by("slot").first()
    last = sold.order_by("-slot").first()
    most = sold.order_by("-cards_sold").first()
    if first is not None and first.slot < terms.starts_at:
        message = _("Cards are sold from %(moment)s UTC on; keep these hours.")
        yield "starts_at", message % {"moment": f"{first.slot:%F %H:%M}"}
    if last is not None and last.slot >= terms.ends_at:
        message = _("Cards are sold in the hour from %(moment)s UTC; keep it.")
        yield "ends_at", message % {"moment": f"{last.slot:%F %H:%M}"}
    if most is not None and most.cards_sold > terms.cards:
        message = _("%(cards)s cards are sold in an hour; offer at least these.")
        yield "cards", message % {"cards": most.cards_sold}


def _as_input(offer: Offer) -> OfferInput:
    return OfferInput(
        cards=offer.cards,
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        asks=tuple(offer.asks),
        lot=offer.lot,
        minimum_hours=offer.minimum_hours,
        notice_minutes=offer.notice_minutes,
        np_per_card=offer.np_per_card,
    )


def _amended(offer: Offer, change: OfferChange) -> OfferInput:
    given = {name: value for name, value in asdict(change).items() if value is not None}
    return OfferInput(**(_terms(_as_input(offer)) | given))


def _sizes(terms: OfferInput) -> tuple[int, datetime, datetime]:
    return terms.cards, terms.starts_at, terms.ends_at


def _terms(offer: OfferInput) -> dict[str, Any]:
    return asdict(offer) | {"asks": list(offer.asks)}


def _written(offer: OfferInput) -> dict[str, Any]:
    """The terms as the audit event keeps them."""
    times = {"starts_at": offer.starts_at.isoformat(), "ends_at": offer.ends_at.isoformat()}
    counted = {} if offer.np_per_card is None else {"np_per_card": str(offer.np_per_card)}
    rest = {name: value for name, value in _terms(offer).items() if name != "np_per_card"}
    return rest | counted | times | {"asks": [str(ask) for ask in offer.asks]}


def _record(actor: Actor, offer: Offer, action: str, now: datetime, data: dict[str, Any]) -> None:
    owner = offer.fleet.site.owner_id
    audit.record(actor=actor, action=action, target=offer, now=now, organisation=owner, data=data)


@transaction.atomic
def keep_round_trips(
    *, viewer: Viewer, site: Site, measured: Sequence[RoundTripInput], now: datetime
) -> list[RoundTrip]:
    """Keep what a site's agent measured. The same measurement again is kept once."""
    actor = viewer.require(Capability.DELIVER, site.owner_id)
    regions = dict(Region.objects.values_list("slug", "pk"))
    rules.refuse("The round trips were not kept.", rules.round_trip_problems(measured, regions, now))
    rows = [
        RoundTrip(
            site=site,
            region_id=regions[one.region],
            measured_at=one.at,
            microseconds=one.microseconds,
            sent=one.sent,
            lost=one.lost,
        )
        for one in measured
    ]
    kept = RoundTrip.objects.bulk_create(rows, ignore_conflicts=True)
    data = {"measured": [[one.region, one.microseconds, one.sent, one.lost] for one in measured]}
    audit.record(
        actor=actor, action="site.round_trips_measured", target=site, now=now,
        organisation=site.owner_id, data=data,
    )  # fmt: skip
    return kept
