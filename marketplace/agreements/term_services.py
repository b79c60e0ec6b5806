"""Term agreements are proposed by one side and concluded by the other; amended in the same way.

Who proposes accepts for its own side. Each step locks the agreement, so that the two sides come one after
the other, and is on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from accounts.models import Organisation
from accounts.suspension import check_not_suspended
from marketplace.agreements import terms as agreement_terms
from marketplace.agreements.models import Agreement
from marketplace.catalogue.models import AcceleratorModel, CurrencyCode, WorkloadClass
from marketplace.catalogue.selectors import profiles_in_force
from marketplace.clock import is_of_our_time
from marketplace.errors import DomainError, InvalidInput, NotAllowed
from marketplace.terms.calendar import months
from marketplace.terms.models import TermAgreement, TermVersion
from marketplace.terms.sheet import MICRO, MOST_MONTHS, PLACES, Sheet, Unit

# What ``Agreement.value`` can hold, and far beyond what anybody means.
BEYOND_ALL_VALUES = 10**14
# All that was paid and not taken may be a right at once, counted in 64 bits in millionths of nP-seconds.
MOST_NP_HOURS_IN_ALL = 2 * 10**9
Side = TermVersion.Side
State = TermVersion.State


class NotProposed(DomainError):
    code = "terms_not_proposed"
    title = gettext_noop("These terms are not proposed any more")


class AlreadyProposed(DomainError):
    code = "terms_already_proposed"
    title = gettext_noop("Other terms are proposed already")


class MonthsHaveBegun(DomainError):
    code = "months_have_begun"
    title = gettext_noop("A month has begun that these terms are for")


@dataclass(frozen=True, slots=True)
class TermInput:
    """What is proposed. ``starts_at`` is the beginning of the first month in the time zone.

    Card-hours are of a ``model``, nP-hours of a ``workload`` class.
    """

    counterparty: int
    model: AcceleratorModel | None
    workload: str
    currency: str
    time_zone: str
    starts_at: datetime
    months: int
    sheet: Sheet


@transaction.atomic
def propose_agreement(
    *, viewer: Viewer, organisation: Organisation, term: TermInput, now: datetime
) -> TermAgreement:
    """Propose a term agreement, as its buyer or as its owner. Raises ``InvalidInput`` naming every field."""
    actor = viewer.require(Capability.TRADE, organisation.pk)
    check_not_suspended(organisation.pk)
    other = _counterparty(organisation, term.counterparty)
    spans = _spans(term)
    if spans[0][0] < now:
        raise InvalidInput(_not_proposed(), {"starts_at": _("The first month begins in the past.")})
    side = _side_of(organisation)
    made = TermAgreement.objects.create(
        buyer=organisation if side == Side.BUYER else other,
        owner=other if side == Side.BUYER else organisation,
        unit=term.sheet.unit.value,
        model=term.model,
        workload=term.workload,
        currency=term.currency,
        time_zone=term.time_zone,
        calendar=settings.TERM_CALENDAR,
        months=term.months,
        starts_at=spans[0][0],
        ends_at=spans[-1][1],
        month_ends=[end for _start, end in spans],
    )
    version = _propose(made, side, term.sheet, 0, actor=actor, now=now)
    _record(version, "proposed", organisation.pk, actor, now, **_subject(term), terms=version.terms)
    return made


@transaction.atomic
def propose_amendment(
    *, viewer: Viewer, agreement: TermAgreement, sheet: Sheet, from_month: int, now: datetime
) -> TermVersion:
    """Propose other terms for the months from ``from_month`` on, 0 being the first of the agreement.

    The price stays: orders at it are on the market. ``MonthsHaveBegun`` where that month has.
    """
    current = _locked(agreement)
    side, actor = _party(viewer, current)
    _still(current, TermAgreement.State.CONCLUDED)
    if not 0 <= from_month < current.months:
        message = _("Its months are number 0 to %(last)s.") % {"last": current.months - 1}
        raise InvalidInput(_not_proposed(), {"from_month": message})
    first = current.versions.get(number=1).sheet
    if (sheet.price, sheet.unit) != (first.price, first.unit):
        problem = _("An amendment keeps the unit and the price. Conclude a new agreement for another price.")
        raise InvalidInput(_not_proposed(), {"price_per_unit": problem})
    _refuse_beyond_counting(sheet, current.months)
    if current.versions.filter(state=State.OPEN).exists():
        raise AlreadyProposed(_("Accept, decline or withdraw them first."))
    _not_begun(current.spans[from_month][0], now)
    version = _propose(current, side, sheet, from_month, actor=actor, now=now)
    facts = {"terms": version.terms, "from_month": from_month}
    _record(version, "proposed", _organisation(current, side), actor, now, **facts)
    return version


@transaction.atomic
def accept_terms(*, viewer: Viewer, agreement: TermAgreement, number: int, now: datetime) -> TermVersion:
    """Accept what the other side proposed. The first version concludes the agreement."""
    current = _locked(agreement)
    side, actor = _party(viewer, current)
    version = _open_version(current, number)
    if side == version.proposed_by:
        raise NotAllowed(_("You proposed it: it is for the other side to accept."))
    check_not_suspended(_organisation(current, side))
    _not_begun(version.applies_from, now)
    _close(version, State.ACCEPTED, actor, now)
    if number == 1:
        _conclude(current, version, now=now)
    _record(version, "accepted", _organisation(current, side), actor, now, digest=version.terms_digest)
    return version


@transaction.atomic
def refuse_terms(*, viewer: Viewer, agreement: TermAgreement, number: int, now: datetime) -> TermVersion:
    """Withdraw what your side proposed, or decline what the other side did."""
    current = _locked(agreement)
    side, actor = _party(viewer, current)
    version = _open_version(current, number)
    state = State.WITHDRAWN if side == version.proposed_by else State.DECLINED
    _close(version, state, actor, now)
    if number == 1:
        current.state = TermAgreement.State.DROPPED
        current.save(update_fields=["state"])
    _record(version, state.value, _organisation(current, side), actor, now)
    return version


def _not_proposed() -> str:
    return _("The terms were not proposed.")


def _counterparty(organisation: Organisation, pk: int) -> Organisation:
    found = Organisation.objects.filter(pk=pk).exclude(kind=organisation.kind).first()
    if found is None:
        wrong = {"counterparty": _("There is no such organisation on the other side of the market.")}
        raise InvalidInput(_not_proposed(), wrong)
    return found


def _spans(term: TermInput) -> Sequence[tuple[datetime, datetime]]:
    wrong = {}
    if term.currency not in CurrencyCode.values:
        currencies = ", ".join(CurrencyCode.values)
        wrong["currency"] = _("The market trades in %(currencies)s.") % {"currencies": currencies}
    if not 1 <= term.months <= MOST_MONTHS:
        wrong["months"] = _("An agreement is of 1 to %(most)s months.") % {"most": MOST_MONTHS}
    if not is_of_our_time(term.starts_at):
        wrong["starts_at"] = _("Give a time between the years 2000 and 2199.")
    wrong |= _subject_problems(term)
    if wrong:
        raise InvalidInput(_not_proposed(), wrong)
    _refuse_beyond_counting(term.sheet, term.months)
    spans = months(term.starts_at, term.months, term.time_zone, settings.TERM_CALENDAR)
    if any(border.minute or border.second for span in spans for border in span):
        message = _(
            "In %(zone)s the months do not begin at a full hour of UTC, and the market trades full hours. "
            "Choose another zone."
        )
        raise InvalidInput(_not_proposed(), {"time_zone": message % {"zone": term.time_zone}})
    if spans[0][0] != term.starts_at:
        message = _("Begin with a full month: at %(start)s UTC or a later month.")
        raise InvalidInput(_not_proposed(), {"starts_at": message % {"start": f"{spans[0][1]:%F %H:%M}"}})
    return spans


def _subject_problems(term: TermInput) -> dict[str, str]:
    if term.sheet.unit is Unit.NP_HOUR:
        if term.model is not None:
            return {"model": _("nP-hours are done by cards of any model: name none.")}
        if term.workload not in WorkloadClass.values:
            return {"workload": _("Name the class of work that the nP-hours are of.")}
    elif term.model is None:
        return {"model": _("Name the model that the card-hours are of.")}
    elif term.workload:
        return {"workload": _("Card-hours are of a model, and do any class of work: name none.")}
    return {}


def _subject(term: TermInput) -> dict[str, str]:
    return {"workload": term.workload} if term.model is None else {"model": term.model.slug}


def _refuse_beyond_counting(sheet: Sheet, count: int) -> None:
    if sheet.quantity * sheet.price * count >= BEYOND_ALL_VALUES * MICRO * MICRO:
        message = _("Quantity × price × months must stay below %(most)s.") % {
            "most": f"{BEYOND_ALL_VALUES:,}"
        }
        raise InvalidInput(_not_proposed(), dict.fromkeys(("quantity", "price_per_unit", "months"), message))
    if sheet.unit is Unit.NP_HOUR and sheet.quantity * count > MOST_NP_HOURS_IN_ALL * MICRO:
        message = _("Commit at most %(most)s nP-hours in all months together.") % {
            "most": f"{MOST_NP_HOURS_IN_ALL:,}"
        }
        raise InvalidInput(_not_proposed(), dict.fromkeys(("quantity", "months"), message))


def _side_of(organisation: Organisation) -> TermVersion.Side:
    return Side.BUYER if organisation.kind == Organisation.Kind.BUYER else Side.OWNER


def _organisation(agreement: TermAgreement, side: str) -> int:
    return agreement.buyer_id if side == Side.BUYER else agreement.owner_id


def _party(viewer: Viewer, agreement: TermAgreement) -> tuple[TermVersion.Side, Actor]:
    """The side that the viewer may trade for; of both, the one that it did not propose the open terms for."""
    sides = [each for each in Side if viewer.may(Capability.TRADE, _organisation(agreement, each))]
    proposed = agreement.versions.filter(state=State.OPEN).values_list("proposed_by", flat=True).first()
    side = next((each for each in sides if each != proposed), sides[0] if sides else Side.BUYER)
    return side, viewer.require(Capability.TRADE, _organisation(agreement, side))


def _locked(agreement: TermAgreement) -> TermAgreement:
    return TermAgreement.objects.select_for_update(no_key=True).get(pk=agreement.pk)


def _still(agreement: TermAgreement, state: TermAgreement.State) -> None:
    if agreement.state != state:
        raise NotProposed(_("%(agreement)s: %(state)s.") % _told(agreement))


def _told(agreement: TermAgreement) -> dict[str, str]:
    return {"agreement": str(agreement), "state": agreement.get_state_display()}


def _open_version(agreement: TermAgreement, number: int) -> TermVersion:
    version = agreement.versions.filter(number=number, state=State.OPEN).first()
    if version is None:
        raise NotProposed(_("They were accepted, declined or withdrawn, or there is no such version."))
    return version


def _not_begun(start: datetime, now: datetime) -> None:
    if start <= now:
        raise MonthsHaveBegun(
            _("Terms are for months to come, and that of %(start)s UTC has begun.")
            % {"start": f"{start:%F %H:%M}"}
        )


def _propose(
    agreement: TermAgreement, side: str, sheet: Sheet, from_month: int, *, actor: Actor, now: datetime
) -> TermVersion:
    terms = sheet.as_terms()
    return TermVersion.objects.create(
        agreement=agreement,
        number=agreement.versions.count() + 1,
        from_month=from_month,
        applies_from=agreement.spans[from_month][0],
        terms=terms,
        terms_digest=agreement_terms.digest(terms),
        proposed_by=side,
        proposer=actor.user,
        proposed_at=now,
    )


def _close(version: TermVersion, state: TermVersion.State, actor: Actor, now: datetime) -> None:
    version.state, version.closed_by, version.closed_at = state, actor.user, now
    version.save(update_fields=["state", "closed_by", "closed_at"])


def _conclude(term: TermAgreement, first: TermVersion, *, now: datetime) -> Agreement:
    """The agreement that its months are charged to."""
    term.state, term.concluded_at = TermAgreement.State.CONCLUDED, now
    term.save(update_fields=["state", "concluded_at"])
    rate = settings.COMMISSION_RATE
    terms = agreement_terms.term_terms(term, first, commission_rate=rate)
    in_np, quantity = term.is_in_np, first.sheet.quantity * term.months
    return Agreement.objects.create(
        kind=Agreement.Kind.TERM,
        term=term,
        buyer_id=term.buyer_id,
        owner_id=term.owner_id,
        profile_version=profiles_in_force(),
        currency=term.currency,
        cards=0,
        starts_at=term.starts_at,
        ends_at=term.ends_at,
        card_hours=None if in_np else quantity // MICRO,
        np_hours=Decimal(quantity).scaleb(-PLACES) if in_np else None,
        value=agreement_terms.worth_of(first.sheet, term.months),
        commission_rate=rate,
        terms=terms,
        terms_digest=agreement_terms.digest(terms),
        concluded_at=now,
    )


def _record(
    version: TermVersion, action: str, organisation: int, actor: Actor, now: datetime, **facts: Any
) -> None:
    audit.record(
        actor=actor,
        action=f"term_agreement.{action}",
        target=version,
        organisation=organisation,
        now=now,
        data={"agreement": version.agreement_id, "version": version.number, **facts},
    )
