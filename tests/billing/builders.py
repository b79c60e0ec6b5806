"""What billing needs to start from: deliveries under way, and the events that their sites send."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.actors import Viewer, task_actor, viewer_of_token
from accounts.models import ApiToken, Organisation
from billing.invoicing.models import DunningPolicy, DunningStep, TaxRule
from billing.metering.events import read_batch
from billing.metering.services import Answer, store_events
from billing.metering.storage import Cutoff
from billing.rating import records
from billing.rating.models import Charge, RatingRun
from billing.rating.services import rate
from marketplace.agreements import terms as agreement_terms
from marketplace.agreements.models import Agreement
from marketplace.clearing.models import Allocation, MarketRun
from marketplace.delivery.models import Delivery
from marketplace.supply.models import Fleet
from marketplace.terms.models import TermAgreement
from tests.factories import make_fleet, make_offer, make_profile_version, make_request, site_of

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
RATER = task_actor("billing.rate")
LONG_AFTER = START + timedelta(days=60)


def make_delivery(
    *,
    owner: Organisation,
    buyer: Organisation,
    prices: Sequence[str] = ("10", "10", "10", "10"),
    cards: int = 8,
    start: datetime = START,
    rate: str = "0.03",
    fleet: Fleet | None = None,
    under: TermAgreement | None = None,
    fx_rate: str = "1",
    served: Mapping[str, Any] = MappingProxyType({}),
    **facts: Any,
) -> Delivery:
    """A delivery that has been active since the start of its agreement, one price an hour.

    Called off, where it is ``under`` a term agreement. The request is in CNY, of which the fleet's
    currency is worth ``fx_rate``; ``served`` are fields of its alternative.
    """
    make_billing_facts(buyer.jurisdiction, owner.jurisdiction)
    fleet = fleet or make_fleet(site_of(owner), cards=cards)
    hours = len(prices)
    end = start + hours * HOUR
    offer = make_offer(fleet, cards=cards, ask="0.000001", start=start, hours=hours, reserved_for=under)
    request = make_request(
        buyer, cards=cards, start=start, hours=hours, under=under, alternatives=[dict(served)]
    )
    allocation = Allocation.objects.create(
        run=MarketRun.objects.get_or_create(
            state="failed",
            defaults={"opened_at": start, "horizon_start": start, "slots": 168, "base_currency": "CNY"},
        )[0],
        request=request,
        alternative=request.alternatives.get(),
        offer=offer,
        cards=cards,
        starts_at=start,
        ends_at=end,
        currency=offer.currency,
        prices=[Decimal(price) for price in prices],
        fx_rate=Decimal(fx_rate),
    )
    terms = agreement_terms.spot_terms(allocation, commission_rate=Decimal(rate), profile_version=1)
    agreement = Agreement.objects.create(
        kind=Agreement.Kind.CALL_OFF if under else Agreement.Kind.SPOT,
        term=under,
        allocation=allocation,
        buyer=buyer,
        owner=fleet.site.owner,
        profile_version=make_profile_version(),
        currency=offer.currency,
        cards=cards,
        starts_at=start,
        ends_at=end,
        card_hours=cards * hours,
        value=cards * sum(map(Decimal, prices)),
        commission_rate=Decimal(rate),
        terms=terms,
        terms_digest=agreement_terms.digest(terms),
        concluded_at=start - HOUR,
    )
    return Delivery.objects.create(
        **{
            "agreement": agreement,
            "site": fleet.site,
            "state": "active",
            "starts_at": start,
            "ends_at": end,
            "active_from": start,
            "acceptance": {"passed": True},
        }
        | facts
    )


def make_billing_facts(*jurisdictions: str) -> None:
    """What documents need: a policy, and supplies between China and these jurisdictions that are not taxed.

    Rules that are there already stay: tests about tax enter theirs first.
    """
    if not DunningPolicy.objects.exists():
        policy = DunningPolicy.objects.create(
            name="standard", valid_from=datetime(2000, 1, 1, tzinfo=UTC), days_to_pay=30
        )
        for days, action in ((3, "remind"), (10, "remind"), (20, "warn"), (30, "suspend")):
            DunningStep.objects.create(policy=policy, days=days, action=action)
    for other in jurisdictions:
        for seller, buyer in {("CN", other), (other, "CN")}:
            if not TaxRule.objects.filter(seller=seller, buyer=buyer).exists():
                make_tax_rule(seller, buyer, "0")


def make_tax_rule(
    seller: str, buyer: str, rate: str, since: str = "2000-01-01", until: str | None = None
) -> TaxRule:
    return TaxRule.objects.create(
        seller=seller,
        buyer=buyer,
        treatment="standard" if Decimal(rate) else "zero",
        rate=Decimal(rate),
        valid_from=date.fromisoformat(since),
        valid_until=date.fromisoformat(until) if until else None,
        source="a law",
    )


def agent_of(organisation: Organisation) -> Viewer:
    """The viewer of a new token that may deliver for the organisation."""
    name = f"agent {ApiToken.objects.count()}"
    return viewer_of_token(
        ApiToken.objects.create(
            organisation=organisation, name=name, digest=name, prefix="chk_", scopes=["agent"]
        )
    )


def event(
    delivery: Delivery,
    name: str = "e1",
    *,
    at: datetime | None = None,
    seconds: float = 60,
    quantity: int = 480,
    meter: str = "card-seconds.allocated",
    **attributes: Any,
) -> dict[str, Any]:
    """A CloudEvent about ``seconds`` from a moment on; ``attributes`` replace its own."""
    at = at or delivery.starts_at
    return {
        "specversion": "1.0",
        "id": name,
        "source": f"urn:cardhour:site:{delivery.site_id}",
        "type": "org.cardhour.meter.v1",
        "time": (at + timedelta(seconds=seconds)).isoformat(),
        "subject": f"delivery/{delivery.pk}",
        "datacontenttype": "application/json",
        "data": {
            "meter": meter,
            "starts_at": at.isoformat(),
            "ends_at": (at + timedelta(seconds=seconds)).isoformat(),
            "quantity": quantity,
        },
    } | attributes


def send(agent: Viewer, *events: dict[str, Any], now: datetime = LONG_AFTER) -> list[Answer]:
    return store_events(read_batch(json.dumps(events).encode()), viewer=agent, now=now)


def statuses(answers: Sequence[Answer]) -> list[str]:
    return [answer.reason or answer.status.value for answer in answers]


def rate_at(now: datetime = LONG_AFTER) -> RatingRun | None:
    return rate(now=now, actor=RATER)


def make_run(charges: Iterable[Charge] = (), *, now: datetime = START) -> RatingRun:
    """A run that made these charges, or nothing."""
    cutoff = Cutoff(reading=0, stored_at=START)
    return records.make_run(list(charges), method="a test", now=now, horizon=now, cutoff=cutoff)


@contextmanager
def refused(reason: str) -> Iterator[None]:
    """What is inside commits, or would: the deferred checks run at its end. It must be refused."""
    with pytest.raises(DatabaseError, match=reason), transaction.atomic():  # noqa: PT012
        yield
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
