"""Offers reserved for a term agreement: what they must be, beside what every offer must be."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.utils.translation import gettext as _

from marketplace.catalogue.selectors import rates_of
from marketplace.errors import InvalidInput
from marketplace.supply import rules
from marketplace.supply.models import HIGHEST_PRICE, Fleet, Offer
from marketplace.supply.rules import OfferInput
from marketplace.terms.models import TermAgreement
from marketplace.terms.selectors import agreed_price, can_be_reserved_for
from marketplace.terms.sheet import card_price


def at_the_agreed_price(
    fleet: Fleet, offer: OfferInput, number: int | None, *, now: datetime
) -> tuple[TermAgreement | None, OfferInput]:
    """The agreement of that number, and the offer with its price as the ask where none is stated."""
    if number is None:
        return None, offer
    message = _("The offer cannot be listed.")
    agreement = can_be_reserved_for(fleet.site.owner_id, now=now).filter(pk=number).first()
    if agreement is None:
        problem = _("There is no term agreement number %(number)s of this owner that is under way.")
        raise InvalidInput(message, {"reserved_for": problem % {"number": number}})
    priced = _priced(agreement, offer, fleet)
    rules.refuse(message, _problems(agreement, priced, fleet))
    return agreement, priced


def _priced(agreement: TermAgreement, offer: OfferInput, fleet: Fleet) -> OfferInput:
    if agreement.is_in_np:
        return replace(offer, np_per_card=rates_of(agreement.workload).get(fleet.model.slug))
    return offer if offer.asks else replace(offer, asks=(agreed_price(agreement),))


def refuse_other_terms(offer: Offer, terms: OfferInput) -> None:
    """Of a reserved offer, cards and window may change; the price was agreed."""
    if offer.reserved_for is not None:
        problems = _problems(offer.reserved_for, terms, offer.fleet)
        rules.refuse(_("The offer cannot be listed."), problems)


def _problems(agreement: TermAgreement, offer: OfferInput, fleet: Fleet) -> rules.Problems:
    in_its_unit = _problems_in_np if agreement.is_in_np else _problems_in_cards
    yield from in_its_unit(agreement, offer, fleet)
    currency = fleet.site.region.zone.currency
    if currency != agreement.currency:
        message = _("%(agreement)s is in %(currency)s, and this zone trades in %(other)s.")
        facts = {"agreement": agreement, "currency": agreement.currency, "other": currency}
        yield "reserved_for", message % facts
    if offer.starts_at < agreement.starts_at or offer.ends_at > agreement.ends_at:
        message = _("The months of %(agreement)s go from %(start)s to %(end)s UTC.")
        facts = {"start": f"{agreement.starts_at:%F %H:%M}", "end": f"{agreement.ends_at:%F %H:%M}"}
        yield "reserved_for", message % (facts | {"agreement": agreement})


def _problems_in_cards(agreement: TermAgreement, offer: OfferInput, fleet: Fleet) -> rules.Problems:
    price = agreed_price(agreement)
    if set(offer.asks) != {price}:
        message = _("Its price was agreed: %(price)s per card-hour. Leave the ask out, or state that.")
        yield "asks", message % {"price": f"{price.normalize():f}"}
    if fleet.model_id != agreement.model_id:
        message = _("%(agreement)s is for cards of the model %(model)s, and this fleet has %(other)s.")
        models = {"model": agreement.model, "other": fleet.model}
        yield "reserved_for", message % {"agreement": agreement, **models}


def _problems_in_np(agreement: TermAgreement, offer: OfferInput, fleet: Fleet) -> rules.Problems:
    """Cards of any model will do, if it is known how much they do: what they cost follows from that."""
    if offer.asks:
        message = _("Its price was agreed: %(price)s per nP-hour. Leave the ask out.")
        yield "asks", message % {"price": f"{agreed_price(agreement).normalize():f}"}
    # Whoever calls off pays all that it takes, so no more than a part of a card may come on top.
    if offer.lot != 1:
        yield "lot", _("nP-hours are called off card by card: set the lot to 1.")
    if offer.minimum_hours != 1:
        yield "minimum_hours", _("nP-hours are called off hour by hour: set the minimum to 1.")
    facts = {"model": fleet.model, "workload": agreement.get_workload_display()}
    if offer.np_per_card is None:
        yield "reserved_for", _("Nobody knows how much %(model)s does of the class %(workload)s.") % facts
    elif not 0 < card_price(agreed_price(agreement), offer.np_per_card) <= HIGHEST_PRICE:
        message = _("At the agreed price a card-hour of %(model)s costs nothing, or too much to be traded.")
        yield "reserved_for", message % facts
