"""What the rows are about: true objects of the owner and the buyer, and the arguments of their addresses.

Every one of them fits ``given`` of a ``Row``; those that return nothing are for lists.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

from billing.ledger.models import Account, Difference, LedgerCheck
from billing.rating.models import Charge, ParkedUsage
from billing.rating.usage_reports import Seen, report_usage
from marketplace.agreements.models import Agreement
from marketplace.clearing.models import MarketRun
from marketplace.delivery.models import Delivery
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Fleet, Offer, Site
from tests.billing import builders
from tests.cast import Cast
from tests.delivery import agreements
from tests.factories import (
    HOUR,
    START,
    make_fleet,
    make_model,
    make_offer,
    make_profile_version,
    make_region,
    make_request,
    make_site,
)
from tests.pages_market.scenes import make_explanation, make_price, make_run
from tests.pages_trade.scenes import billed, credited, disputed

Given = dict[str, object]


def listed(given: Callable[[Cast], Given]) -> Callable[[Cast], Given]:
    """The object is there, and the address does not name it."""

    def make(cast: Cast) -> Given:
        given(cast)
        return {}

    return make


def catalogue(cast: Cast) -> Given:
    make_profile_version()
    make_region()
    make_model()
    return {}


def a_model(cast: Cast) -> Given:
    catalogue(cast)
    return {"slug": make_model().slug}


def owners_site(cast: Cast) -> Site:
    return make_site(cast.owner)


def a_site(cast: Cast) -> Given:
    return {"pk": owners_site(cast).pk}


def owners_fleet(cast: Cast) -> Fleet:
    return make_fleet(owners_site(cast))


def a_fleet(cast: Cast) -> Given:
    return {"pk": owners_fleet(cast).pk}


def owners_offer(cast: Cast) -> Offer:
    return make_offer(owners_fleet(cast))


def an_offer(cast: Cast) -> Given:
    return {"pk": owners_offer(cast).pk}


def buyers_request(cast: Cast) -> ComputeRequest:
    return make_request(cast.buyer)


def a_request(cast: Cast) -> Given:
    return {"pk": buyers_request(cast).pk}


def committed_run() -> MarketRun:
    """One that sold something, with bytes that can be downloaded."""
    run = make_run(snapshot=gzip.compress(b"{}"), result=gzip.compress(b"{}"))
    make_price(run, "10")
    return run


def a_run(cast: Cast) -> Given:
    return {"pk": committed_run().pk}


def an_explanation(cast: Cast) -> Given:
    make_explanation(make_run(), buyers_request(cast))
    return {}


def the_agreement(cast: Cast) -> Agreement:
    return agreements.make_agreement(owner=cast.owner, buyer=cast.buyer)


def an_agreement(cast: Cast) -> Given:
    return {"pk": the_agreement(cast).pk}


def the_delivery(cast: Cast) -> Delivery:
    """Scheduled, and due within the hour."""
    return agreements.make_delivery(owner=cast.owner, buyer=cast.buyer)


def a_delivery(cast: Cast) -> Given:
    return {"pk": the_delivery(cast).pk}


def the_active_delivery(cast: Cast) -> Delivery:
    """Active for two hours that ended before the tests' now."""
    start = START - 3 * HOUR
    return builders.make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "12"], start=start)


def a_reading(cast: Cast) -> Given:
    delivery = the_active_delivery(cast)
    builders.send(builders.agent_of(cast.owner), builders.event(delivery))
    return {}


def a_conflict(cast: Cast) -> Given:
    delivery = the_active_delivery(cast)
    events = [builders.event(delivery), builders.event(delivery, quantity=1)]
    builders.send(builders.agent_of(cast.owner), *events)
    return {}


def a_parked_slot(cast: Cast) -> Given:
    """Nothing was reported for the hours of a delivery, so they wait for a person."""
    the_active_delivery(cast)
    builders.rate_at()
    assert ParkedUsage.objects.exists()
    return {}


def a_charge(cast: Cast) -> Given:
    return {"pk": billed(cast).charge.pk}


def a_dispute(cast: Cast) -> Given:
    return {"pk": disputed(cast).pk}


def an_earlier_charge(cast: Cast) -> Given:
    """Of an hour that is over."""
    a_reading(cast)
    builders.rate_at()
    return {"pk": Charge.objects.latest("pk").pk}


def a_usage_report(cast: Cast) -> Given:
    charge = Charge.objects.select_related("agreement").get(**an_earlier_charge(cast))
    seen = Seen(slot=charge.slot, quantity=1, name="r1")
    viewer = cast.viewer_of(cast.buyer_trader)
    report_usage(viewer=viewer, agreement=charge.agreement, seen=seen, now=builders.LONG_AFTER)
    return {}


def an_invoice(cast: Cast) -> Given:
    return {"number": billed(cast).invoice.number}


def a_statement(cast: Cast) -> Given:
    return {"number": billed(cast).statement.number}


def an_invoice_line(cast: Cast) -> Given:
    invoice = billed(cast).invoice
    return {"number": invoice.number, "line": invoice.lines.get().pk}


def a_statement_line(cast: Cast) -> Given:
    statement = billed(cast).statement
    return {"number": statement.number, "line": statement.lines.get().pk}


def a_credit_note(cast: Cast) -> Given:
    return {"number": credited(cast).number}


def an_account(cast: Cast) -> Given:
    """The owner's."""
    billed(cast)
    return {"pk": Account.objects.get(kind="payable").pk}


def a_difference(cast: Cast) -> Given:
    check = LedgerCheck.objects.create(started_at=START, rules=1, found=1)
    Difference.objects.create(rule="r", subject="s", expected="1", found="2", first_seen=check)
    return {}
