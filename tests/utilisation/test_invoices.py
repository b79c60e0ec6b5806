"""What the pages of utilisation say is what was charged and invoiced, to the last unit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from accounts.audit import seal
from billing.invoicing.models import Document, Line
from billing.rating.models import OF_MONTHS, Charge
from billing.rating.service_levels import assess_service_levels
from marketplace.audit.utilisation.selectors import cascade, money, total
from marketplace.audit.utilisation.services import roll_up
from marketplace.clock import MarketClock
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, agent_of, event, make_delivery, rate_at, send
from tests.billing.scenes import APRIL, check_now, close, credit
from tests.cast import Cast
from tests.factories import make_fleet, make_site
from tests.metering.scenes import correction
from tests.pages_market.scenes import make_run, signed_in
from tests.terms.months import NOON, SETTLER, called_off, deliver, settle_at, short_months
from tests.utilisation.scenes import ROLLER

pytestmark = pytest.mark.django_db
DAY = NOON.replace(hour=0)
MUCH_LATER = datetime(2026, 4, 20, tzinfo=UTC)
NEXT_CLOSING = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.fixture
def scene(cast: Cast, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two owners, three sites, spot at odd prices, a term agreement with a short month, a late correction
    that comes to the next invoice, and a credit note."""
    monkeypatch.setattr(MarketClock, "now", lambda _: NEXT_CLOSING)
    make_run(opened_at=DAY, horizon_start=DAY)
    term = short_months(cast, settings)
    deliver(called_off(cast, term, 0, cards=5, hours=2), 5, 4)
    spot = _spot(cast, "3.333333", 27_001, 28_800)
    _spot(cast, "0.070001", 28_799, 1)
    settle_at(APRIL)
    assess_service_levels(now=APRIL, actor=SETTLER)
    close()
    late = correction(
        spot, "late", f"{spot.pk}-0", at=NOON, seconds=3600, quantity=25_000, after=timedelta(hours=3)
    )
    send(agent_of(spot.agreement.owner), late, now=MUCH_LATER)

    first = Document.objects.filter(kind="invoice").earliest("pk")
    credit(cast, first, 100)
    rate_at(NEXT_CLOSING)
    close(NEXT_CLOSING)
    check_now()
    seal()
    roll_up(now=NEXT_CLOSING, actor=ROLLER)


def _spot(cast: Cast, price: str, *quantities: int) -> Delivery:
    delivery = make_delivery(
        owner=cast.other_owner,
        buyer=cast.buyer,
        prices=[price] * len(quantities),
        start=NOON,
        fleet=make_fleet(make_site(cast.other_owner), cards=8),
    )
    events = [
        event(delivery, f"{delivery.pk}-{hour}", at=NOON + hour * HOUR, seconds=3600, quantity=quantity)
        for hour, quantity in enumerate(quantities)
    ]
    send(agent_of(cast.other_owner), *events, now=delivery.ends_at + HOUR)
    return delivery


def of_usage() -> Any:
    """The lines of invoices that are not what a month of a term agreement owes beside its usage."""
    return Line.objects.filter(document__kind="invoice").exclude(item__in=OF_MONTHS)


def test_every_page_says_what_the_invoices_say(cast: Cast, scene: None) -> None:
    assert Charge.objects.filter(sequence__gt=0).exists()
    assert Charge.objects.filter(kind__in=OF_MONTHS).exists()
    assert Document.objects.filter(kind="credit_note").exists()
    client = signed_in(cast.auditor)

    page = client.get("/audit/?month=2026-03")
    api = client.get("/api/v1/audit/utilisation?start=2026-03-01T00:00Z&end=2026-04-01T00:00Z").json()

    lines = of_usage().aggregate(seconds=Sum("quantity"), exact=Sum("exact"))
    found, (shown,) = page.context["found"], page.context["money"].values()
    assert found.allocated == found.charged == lines["seconds"] == api["total"]["card_seconds"]["allocated"]
    assert shown.amount + shown.credited == lines["exact"]
    assert Decimal(api["money"]["CNY"]["amount"]) == shown.amount
    usage = Charge.objects.filter(kind="usage").aggregate(seconds=Sum("quantity"), amount=Sum("amount"))
    assert (found.charged, shown.amount) == (usage["seconds"], usage["amount"])


def test_each_site_says_what_its_agreements_were_invoiced(cast: Cast, scene: None) -> None:
    client = signed_in(cast.auditor)
    sites = {row.key: row for row in client.get("/audit/?month=2026-03").context["page"]}
    assert len(sites) == 3

    for pk in sites:
        page = client.get(f"/audit/sites/{pk}/?month=2026-03")
        lines = of_usage().filter(agreement__delivery__site=pk)
        sums = lines.aggregate(seconds=Sum("quantity"), exact=Sum("exact"))
        owed = sum((each.amount + each.credited for each in page.context["money"].values()), Decimal(0))
        assert page.context["found"].charged == (sums["seconds"] or 0)
        assert owed == (sums["exact"] or 0)


def test_hours_days_and_months_say_the_same(cast: Cast, scene: None) -> None:
    viewer = cast.viewer_of(cast.auditor)
    whole = cascade(viewer, start=DAY, end=DAY + timedelta(days=30), by="site")
    parts = [
        cascade(viewer, start=start, end=end, by="site")
        for start, end in (
            (DAY, NOON + HOUR),
            (NOON + HOUR, NOON + timedelta(days=2)),
            (NOON + timedelta(days=2), DAY + timedelta(days=30)),
        )
    ]
    together = [row for part in parts for row in part]
    assert total(whole) == total(together)
    assert money(whole) == money(together)
