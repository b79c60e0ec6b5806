"""Requests under a term agreement: what they must be, beside what every request must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from accounts.models import Organisation
from marketplace.demand.models import Alternative
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.terms.models import TermAgreement
from marketplace.terms.selectors import agreed_price, can_be_called_off

Problems = Iterator[tuple[str, str]]


def agreement_of(organisation: Organisation, request: RequestInput, *, now: datetime) -> TermAgreement | None:
    """The agreement that the request is under, if the buyer has one of that number that is not over."""
    if request.under is None:
        return None
    return can_be_called_off(organisation, now=now).filter(pk=request.under).first()


def at_the_agreed_price(request: RequestInput, agreement: TermAgreement | None) -> RequestInput:
    """The request with the agreed price as the limit wherever it states none."""
    if agreement is None:
        return request
    price = agreed_price(agreement)
    return replace(request, alternatives=[_at(price, each) for each in request.alternatives])


def _at(price: Decimal, alternative: AlternativeInput) -> AlternativeInput:
    stated = alternative.limit is not None or alternative.budget is not None
    return alternative if stated else replace(alternative, limit=price)


def problems_of(request: RequestInput, agreement: TermAgreement | None) -> Problems:
    if request.under is None:
        return
    if agreement is None:
        message = _("There is no term agreement number %(number)s of this organisation that is under way.")
        yield "under", message % {"number": request.under}
        return
    if request.currency != agreement.currency:
        message = _("%(agreement)s is in %(currency)s; what is called off under it is in the same currency.")
        yield "currency", message % {"agreement": agreement, "currency": agreement.currency}
    price = agreed_price(agreement)
    in_its_unit = _problems_in_np if agreement.is_in_np else _problems_in_cards
    for position, each in enumerate(request.alternatives):
        for name, problem in in_its_unit(agreement, each, price):
            yield f"alternatives.{position}.{name}", problem


def _problems_in_cards(_agreement: TermAgreement, each: AlternativeInput, price: Decimal) -> Problems:
    if each.unit != Alternative.AmountUnit.CARDS:
        yield "unit", _("Cards are called off under this agreement.")
    if each.limit != price:
        message = _("Its price was agreed: %(price)s per card-hour. Leave the limit out, or state that.")
        yield "limit", message % {"price": f"{price.normalize():f}"}


def _problems_in_np(agreement: TermAgreement, each: AlternativeInput, price: Decimal) -> Problems:
    """What a card does is what it costs by, so both sides count it at the best estimate."""
    if each.unit != Alternative.AmountUnit.NP:
        yield "unit", _("Work is called off under this agreement: count the amount in nP.")
    if each.workload != agreement.workload:
        message = _("%(agreement)s is for the class %(workload)s.")
        yield "workload", message % {"agreement": agreement, "workload": agreement.get_workload_display()}
    if each.careful:
        yield "careful", _("Under an agreement in nP-hours cards count at their best estimate.")
    if each.limit != price:
        message = _("Its price was agreed: %(price)s per nP-hour. Leave the limit out, or state that.")
        yield "limit", message % {"price": f"{price.normalize():f}"}
