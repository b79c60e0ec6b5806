"""A replacement costs the buyer no more than what was agreed; the owner who failed pays the rest."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Organisation
from billing.invoicing.models import Document
from billing.rating.covering import charge_covers
from billing.rating.models import Charge, Cover, RatingRun
from billing.rating.replay import replay_run
from billing.rating.service_levels import assess_service_levels
from marketplace.agreements import terms as agreement_terms
from marketplace.agreements.models import Agreement
from marketplace.clearing.models import Allocation
from marketplace.delivery.models import Delivery, Replacement
from marketplace.delivery.services import Step, evict, take_step
from marketplace.supply.models import Fleet
from tests.billing.builders import (
    HOUR,
    LONG_AFTER,
    MINUTE,
    RATER,
    START,
    agent_of,
    event,
    make_delivery,
    rate_at,
    send,
)
from tests.billing.scenes import close, use
from tests.cast import Cast
from tests.factories import (
    make_fleet,
    make_offer,
    make_profile_version,
    make_region,
    make_site,
    make_zone,
    site_of,
)
from tests.pages_market.scenes import make_profile

pytestmark = pytest.mark.django_db

FULL = 8 * 3600


@pytest.fixture
def failed(cast: Cast) -> Delivery:
    return fail(cast)


def fail(cast: Cast, **facts: Any) -> Delivery:
    """Sold for four hours at 10, 10, 20 and 10; it failed in the second."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "10", "20", "10"], **facts)
    use(delivery, FULL)
    step = Step("failed", START + HOUR + MINUTE, {"reason": "fire"})
    take_step(viewer=agent_of(cast.owner), delivery=delivery, step=step, now=START + HOUR + 2 * MINUTE)
    events = event(delivery, "last", at=START + HOUR, seconds=60, quantity=480)
    send(agent_of(cast.owner), events)
    delivery.refresh_from_db()
    return delivery


def replaced(
    failed: Delivery,
    owner: Organisation,
    prices: list[str],
    *,
    cards: int = 8,
    fleet: Fleet | None = None,
    fx_rate: str = "1",
) -> Delivery:
    """What a run makes of the request: these prices in the last hours of the old agreement."""
    request = failed.replacement.request
    assert request is not None
    start = failed.ends_at - len(prices) * HOUR
    fleet = fleet or make_fleet(make_site(owner), cards=cards)
    offer = make_offer(fleet, cards=cards, ask="0.000001", start=start, hours=len(prices))
    run = Allocation.objects.earliest("pk").run
    allocation = Allocation.objects.create(
        run=run, request=request, alternative=request.alternatives.get(), offer=offer, cards=cards,
        starts_at=start, ends_at=failed.ends_at, currency=offer.currency,
        prices=[Decimal(one) for one in prices], fx_rate=Decimal(fx_rate),
    )  # fmt: skip
    terms = agreement_terms.spot_terms(allocation, commission_rate=Decimal("0.03"), profile_version=1)
    agreement = Agreement.objects.create(
        allocation=allocation, buyer=failed.agreement.buyer, owner=owner,
        profile_version=make_profile_version(), currency=offer.currency, cards=cards, starts_at=start,
        ends_at=failed.ends_at, card_hours=cards * len(prices), value=cards * sum(allocation.prices),
        commission_rate=Decimal("0.03"), terms=terms, terms_digest=agreement_terms.digest(terms),
        concluded_at=start - MINUTE,
    )  # fmt: skip
    return Delivery.objects.create(
        agreement=agreement, site=offer.fleet.site, state="active", starts_at=start, ends_at=failed.ends_at,
        active_from=start, acceptance={"passed": True},
    )  # fmt: skip


def in_dollars(owner: Organisation) -> Fleet:
    region = make_region("us-dallas", make_zone("us", "USD"))
    return make_fleet(make_site(owner, region), cards=8)


def cover_now() -> RatingRun | None:
    rate_at()
    return charge_covers(now=LONG_AFTER, actor=RATER)


def covers(failed: Delivery) -> list[tuple[Decimal, Decimal, Decimal]]:
    charges = Charge.objects.filter(agreement=failed.agreement, kind="cover").order_by("sequence")
    return [(charge.amount, charge.commission, charge.credit) for charge in charges]


def test_the_failing_owner_pays_what_is_above_the_agreed_price(cast: Cast, failed: Delivery) -> None:
    """25 − 20 for 8 cards; the hour that was cheaper is not set against it."""
    new = replaced(failed, cast.other_owner, ["25", "9"])
    use(new, FULL, FULL)
    run = cover_now()
    assert run is not None
    assert covers(failed) == [(-40, 0, -40)]
    assert cover_now() is None
    [evidence] = Cover.objects.all()
    assert evidence.total == 40
    assert [hour[1:] for hour in evidence.hours] == [
        [f"{Decimal(figure):.12f}" for figure in pair] for pair in ((200, 160), (72, 80))
    ]
    assert replay_run(run).is_same


def test_a_cheaper_replacement_costs_nobody_anything(cast: Cast, failed: Delivery) -> None:
    new = replaced(failed, cast.other_owner, ["9", "9"])
    use(new, FULL, FULL)
    cover_now()
    assert covers(failed) == []


def test_a_replacement_in_another_currency_is_compared_in_that_of_the_old_agreement(
    cast: Cast, failed: Delivery
) -> None:
    """4 USD are 28.80 CNY by the run's table, for 20 CNY; 1 USD is 7.20, for 10."""
    new = replaced(failed, cast.other_owner, ["4", "1"], fleet=in_dollars(cast.other_owner), fx_rate="7.2")
    use(new, FULL, FULL)
    run = cover_now()
    assert covers(failed) == [(Decimal("-70.4"), 0, Decimal("-70.4"))]
    assert Charge.objects.get(kind="cover").agreement.currency == "CNY"
    assert run is not None
    assert replay_run(run).is_same


def test_what_an_agreement_in_another_currency_is_covered_with_is_in_that_currency(cast: Cast) -> None:
    """180 CNY are 25 USD, for 20 USD; 90 CNY are 12.50 USD, for 10, of which half of the time was used."""
    failed = fail(cast, fleet=in_dollars(cast.owner), fx_rate="7.2")
    new = replaced(failed, cast.other_owner, ["180", "90"])
    use(new, FULL, FULL // 2)
    cover_now()
    assert covers(failed) == [(-50, 0, -50)]


def test_fewer_and_faster_cards_are_compared_by_the_work_that_was_bought(cast: Cast) -> None:
    """8 cards of 0.989 nP were sold; 4 of twice that do the same work. They cost 200 for 160, and 24 for 40
    in the half of an hour in which they were used."""
    fleet = make_fleet(site_of(cast.owner), cards=8)
    make_profile(fleet.model, "0.989")
    failed = fail(cast, fleet=fleet, served={"unit": "np", "amount": Decimal("7.9")})
    request = failed.replacement.request
    assert request is not None
    assert [(one.unit, one.amount) for one in request.alternatives.all()] == [("np", Decimal("7.9"))]
    new = replaced(failed, cast.other_owner, ["50", "12"], cards=4)
    use(new, FULL // 2, FULL // 4)
    cover_now()
    assert covers(failed) == [(-40, 0, -40)]


def test_what_is_metered_late_is_a_correction(cast: Cast, failed: Delivery) -> None:
    new = replaced(failed, cast.other_owner, ["25", "11"])
    use(new, FULL // 2)
    cover_now()
    use(new, FULL // 2, FULL)
    second = cover_now()
    assert [amount for amount, *_ in covers(failed)] == [-20, -8]
    assert [replay_run(run).is_same for run in RatingRun.objects.filter(method="cover/1")] == [True, True]
    assert second is not None


def test_the_buyer_pays_no_more_than_it_agreed_and_the_exchange_nothing(cast: Cast, failed: Delivery) -> None:
    """On documents: 8 card-hours at 10 and a minute before; then 16 at 20 and 10 instead of 25 and 11."""
    new = replaced(failed, cast.other_owner, ["25", "11"])
    use(new, FULL, FULL)
    cover_now()
    close()
    [invoice] = Document.objects.filter(kind="invoice")
    before = Decimal(80) + Decimal(480) * 10 / 3600
    assert invoice.net == round((before + 160 + 80) * 100)
    [*statements] = Document.objects.filter(kind="statement").order_by("organisation")
    own = {statement.organisation_id: statement.net for statement in statements}
    assert own[cast.owner.pk] == round((before * Decimal("0.97") - 48) * 100)
    assert own[cast.other_owner.pk] == round((200 + 88) * Decimal("0.97") * 100)


def test_what_an_owner_ended_early_is_credited_and_what_the_buyer_is_to_blame_for_is_not(cast: Cast) -> None:
    operator, charged = cast.viewer_of(cast.operator), []
    for fault in ("owner", "buyer"):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
        use(delivery, FULL)
        at = delivery.starts_at + HOUR
        evict(viewer=operator, delivery=delivery, reason="Abuse", fault=fault, now=at)
        rate_at()
        assess_service_levels(now=LONG_AFTER, actor=RATER)
        charged.append(list(delivery.agreement.charges.values_list("kind", flat=True).order_by("kind")))
    assert charged == [["sla_credit", "usage"], ["usage"]]
    assert Replacement.objects.count() == 1


def test_nothing_is_owed_for_the_time_in_which_it_was_suspended(cast: Cast) -> None:
    """Half of the second hour: half of it is charged, and more is for a person to look at."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    agent = agent_of(cast.owner)

    def take(to: str, minutes: int, **report: Any) -> None:
        at = START + timedelta(minutes=minutes)
        take_step(viewer=agent, delivery=delivery, step=Step(to, at, report), now=at)

    shown = {"cards_visible": 8, "model": "h800", "memory_gb": 80, "passed": True}
    take("suspended", 75, reason="The node is down")
    take("accepting", 104)
    take("active", 105, acceptance=shown)
    take("ended", 240)
    use(delivery, FULL, FULL // 2, FULL // 2 + 1, FULL)
    more = event(delivery, "more", at=START + HOUR, seconds=3600, quantity=1)
    rate_at()
    charged = dict(delivery.agreement.charges.values_list("slot", "committed"))
    assert charged[START + HOUR] == FULL // 2
    assert charged[START] == FULL
    send(agent, more)
    rate_at()
    [parked] = delivery.agreement.parked_usage.all()
    assert (parked.reason, parked.slot) == ("overage", START + HOUR)
    assert [replay_run(run).is_same for run in RatingRun.objects.filter(charges_made__gt=0)] == [True]
