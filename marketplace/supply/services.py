"""Writing supply: sites, fleets and offers. Each change is recorded in its own transaction.

Locks, in this order: the offer, then its fleet. The triggers of offers and allocations take no other.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from itertools import chain
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from accounts.models import Organisation
from marketplace.errors import DomainError, InvalidInput
from marketplace.supply import rules
from marketplace.supply.models import Fleet, Offer, OfferHour, Site
from marketplace.supply.rules import FleetInput, OfferChange, OfferInput, SiteInput
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
    )
    data = {"name": site.name_en, "region": site.region.slug}
    audit.record(
        actor=actor, action="site.created", target=created, now=now, organisation=organisation, data=data
    )
    return created


@transaction.atomic
def create_fleet(*, viewer: Viewer, site: Site, fleet: FleetInput, now: datetime) -> Fleet:
    """Register installed cards at a site."""
    actor = viewer.require(Capability.TRADE, site.owner_id)
    rules.refuse(_("The fleet cannot be registered."), rules.fleet_problems(fleet, now))
    created = Fleet.objects.create(
        site=site,
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
def create_offer(*, viewer: Viewer, fleet: Fleet, offer: OfferInput, now: datetime) -> Offer:
    """List cards of a fleet, in the currency of its zone.

    Locks the fleet, so that what is free does not change between the check and the insert.
    """
    actor = viewer.require(Capability.TRADE, fleet.site.owner_id)
    locked = _locked(fleet)
    _check(offer, locked, now)
    created = Offer.objects.create(
        fleet=locked,
        currency=locked.site.region.zone.currency,
        entered_at=now,
        created_by=actor.user,
        **_terms(offer),
    )
    _record(actor, created, "offer.created", now, _written(offer))
    return created


@transaction.atomic
def amend_offer(*, viewer: Viewer, offer: Offer, change: OfferChange, now: datetime) -> Offer:
    """Change asks, cards or window of an offer; it then queues behind offers entered before ``now``.

    Once the window has begun only the asks change: what was offered in hours gone by is a fact.
    """
    actor = viewer.require(Capability.TRADE, offer.fleet.site.owner_id)
    current = _locked_offer(offer)
    fleet = _locked(offer.fleet)
    if current.state != Offer.State.OPEN:
        raise OfferWithdrawn(
            _("%(offer)s is withdrawn and cannot change. Make a new offer.") % {"offer": current}
        )
    terms = _amended(current, change)
    begun = current.starts_at < now
    if begun and _sizes(terms) != _sizes(_as_input(current)):
        raise OfferUnderWay(
            _(
                "The window of %(offer)s has begun, so only its asks can change. "
                "Withdraw it and make a new offer of what is left."
            )
            % {"offer": current}
        )
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
    current = _locked_offer(offer)
    if current.state == Offer.State.WITHDRAWN:
        return current
    current.state = Offer.State.WITHDRAWN
    current.withdrawn_at = now
    current.save(update_fields=["state", "withdrawn_at"])
    _record(actor, current, "offer.withdrawn", now, {})
    return current


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
    listed = most_listed(fleet, terms.starts_at, terms.ends_at, besides=besides)
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
    return _terms(offer) | times | {"asks": [str(ask) for ask in offer.asks]}


def _record(actor: Actor, offer: Offer, action: str, now: datetime, data: dict[str, Any]) -> None:
    owner = offer.fleet.site.owner_id
    audit.record(actor=actor, action=action, target=offer, now=now, organisation=owner, data=data)
