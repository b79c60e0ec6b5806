"""Overage has a way out: an operator decides how much of it is charged, and both parties see it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import AuditEvent
from billing.rating import decisions
from billing.rating.models import Charge, ParkedUsage
from billing.rating.selectors import charges_for
from marketplace.delivery.models import Delivery
from marketplace.errors import InvalidInput, NotAllowed
from tests.billing.builders import LONG_AFTER, MINUTE, START, agent_of, event, make_delivery, rate_at, send
from tests.cast import Cast

pytestmark = pytest.mark.django_db

COMMITTED = 8 * 3600


def report(cast: Cast, delivery: Delivery, name: str, minute: int, quantity: int = 480) -> None:
    send(agent_of(cast.owner), event(delivery, name, at=START + minute * MINUTE, quantity=quantity))


def an_overage(cast: Cast, *, charged_first: bool = False) -> ParkedUsage:
    """A full hour of eight cards, and a minute reported twice under another id."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    for minute in range(60):
        report(cast, delivery, f"e{minute}", minute)
    if charged_first:
        rate_at()
    report(cast, delivery, "again", 0)
    rate_at()
    return ParkedUsage.objects.get()


def decide(
    cast: Cast, parked: ParkedUsage, quantity: int = COMMITTED, why: str = "reported twice"
) -> Charge | None:
    return decisions.decide_overage(
        viewer=cast.viewer_of(cast.operator), parked=parked, quantity=quantity, why=why, now=LONG_AFTER
    )


def test_the_operator_charges_what_the_agreement_commits(cast: Cast) -> None:
    parked = an_overage(cast)
    assert not Charge.objects.exists()
    charge = decide(cast, parked)
    parked.refresh_from_db()
    assert charge is not None
    assert (charge.quantity, charge.amount, charge.sequence) == (COMMITTED, Decimal(80), 0)
    assert charge in charges_for(cast.viewer_of(cast.buyer_finance))
    assert charge in charges_for(cast.viewer_of(cast.owner_finance))
    assert parked.resolved_at == LONG_AFTER
    assert parked.decision == {"quantity": COMMITTED, "why": "reported twice"}


def test_the_decision_is_on_record_with_the_facts(cast: Cast) -> None:
    charge = decide(cast, an_overage(cast), quantity=COMMITTED - 480)
    decided = AuditEvent.objects.get(action="rating.overage_decided")
    assert charge is not None
    assert decided.user == cast.operator
    facts = {name: decided.data[name] for name in ("metered", "committed", "charged", "why", "charge")}
    assert facts == {
        "metered": COMMITTED + 480,
        "committed": COMMITTED,
        "charged": COMMITTED - 480,
        "why": "reported twice",
        "charge": charge.pk,
    }


def test_what_was_charged_before_is_corrected(cast: Cast) -> None:
    parked = an_overage(cast, charged_first=True)
    charge = decide(cast, parked, quantity=COMMITTED - 480)
    assert charge is not None
    assert (charge.quantity, charge.amount) == (-480, Decimal("-1.333333333333"))
    assert charge.corrects == Charge.objects.get(sequence=0)


def test_what_was_charged_right_is_not_charged_again(cast: Cast) -> None:
    assert decide(cast, an_overage(cast, charged_first=True)) is None
    assert Charge.objects.count() == 1
    assert not ParkedUsage.objects.filter(resolved_at=None).exists()


def test_rating_again_changes_nothing_and_further_readings_park_the_slot_again(cast: Cast) -> None:
    parked = an_overage(cast)
    decide(cast, parked)
    assert rate_at() is None
    report(cast, Delivery.objects.get(), "and again", 1)
    rate_at()
    assert Charge.objects.count() == 1
    assert ParkedUsage.objects.filter(resolved_at=None).exclude(pk=parked.pk).count() == 1


def test_a_slot_is_decided_once(cast: Cast) -> None:
    parked = an_overage(cast)
    decide(cast, parked)
    with pytest.raises(decisions.NothingToDecide):
        decide(cast, parked, quantity=0)
    assert Charge.objects.count() == 1


def test_a_slot_without_readings_is_not_decided(cast: Cast) -> None:
    """A missing fact is never a zero: the readings have to come."""
    make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    rate_at()
    with pytest.raises(decisions.NothingToDecide):
        decide(cast, ParkedUsage.objects.get(), quantity=0)


@pytest.mark.parametrize(
    ("quantity", "why", "field"),
    [(COMMITTED + 1, "x", "quantity"), (-1, "x", "quantity"), (COMMITTED, " ", "why")],
)
def test_more_than_was_bought_is_never_charged_and_a_reason_is_due(
    cast: Cast, quantity: int, why: str, field: str
) -> None:
    parked = an_overage(cast)
    with pytest.raises(InvalidInput) as refusal:
        decide(cast, parked, quantity, why)
    assert set(refusal.value.fields) == {field}
    assert not Charge.objects.exists()


@pytest.mark.parametrize("who", ["auditor", "owner_admin", "buyer_admin", "stranger"])
def test_only_operators_decide(cast: Cast, who: str) -> None:
    parked = an_overage(cast)
    with pytest.raises(NotAllowed):
        decisions.decide_overage(
            viewer=cast.viewer_of(getattr(cast, who)), parked=parked, quantity=0, why="x", now=LONG_AFTER
        )


def test_the_operator_decides_on_the_page(cast: Cast, client: Client) -> None:
    parked = an_overage(cast)
    client.force_login(cast.operator)
    address = f"/operator/parked/{parked.pk}/decide/"
    assert address in client.get("/operator/parked/").content.decode()
    wrong = client.post(address, {"quantity": "many", "why": ""})
    assert wrong.status_code == 422
    answer = client.post(address, {"quantity": COMMITTED, "why": "reported twice"}, follow=True)
    assert address not in answer.content.decode()
    assert Charge.objects.get().quantity == COMMITTED


def test_auditors_see_it_and_have_no_button(cast: Cast, client: Client) -> None:
    parked = an_overage(cast)
    client.force_login(cast.auditor)
    page = client.get("/operator/parked/").content.decode()
    assert "More card-seconds than the agreement commits" in page
    assert f"/operator/parked/{parked.pk}/decide/" not in page


def test_a_decision_without_its_moment_is_refused_by_the_database(cast: Cast) -> None:
    parked = an_overage(cast)
    with pytest.raises(IntegrityError, match="parked_decision_resolves"), transaction.atomic():
        ParkedUsage.objects.filter(pk=parked.pk).update(decision={})
