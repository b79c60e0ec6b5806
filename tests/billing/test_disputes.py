"""A disputed charge is held until the outcome; both sides' figures are kept; nothing is forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from billing.invoicing.models import Document, Line
from billing.invoicing.replay import replay_bill
from billing.invoicing.selectors import drafts_for, open_charges_for
from billing.metering.models import Reading
from billing.rating import decisions, disputes
from billing.rating.comparisons import comparisons_of
from billing.rating.models import Charge, Dispute, DisputedSlot, ParkedUsage, RatingRun, UsageReport
from billing.rating.replay import replay_run
from billing.rating.usage_reports import ReportConflict, Seen, report_usage
from marketplace.agreements.terms import dispute_days, spot_terms
from marketplace.errors import InvalidInput, NotAllowed
from tests.billing.builders import HOUR, LONG_AFTER, MINUTE, START, agent_of, event, rate_at, send
from tests.billing.scenes import close, used
from tests.cast import Cast, bearer
from tests.pages_trade.scenes import page, signed_in, status

pytestmark = pytest.mark.django_db
RATED = START + 5 * HOUR
APRIL = datetime.fromisoformat("2026-04-02T00:00+00:00")
MAY = datetime.fromisoformat("2026-05-02T00:00+00:00")


@pytest.fixture
def charge(cast: Cast) -> Charge:
    """The first of three hours of 8 cards at ¥12.50, rated five hours after the start."""
    used(cast.owner, cast.buyer, quantities=(28_800, 28_800, 28_800))
    rate_at(RATED)
    return Charge.objects.get(slot=START)


def open_one(
    cast: Cast, charge: Charge, *, everything: bool = False, by: User | None = None, now: datetime = RATED
) -> Dispute:
    return disputes.open_dispute(
        viewer=cast.viewer_of(by or cast.buyer_finance),
        agreement=charge.agreement,
        charge=None if everything else charge,
        reason="We had six cards",
        now=now,
    )


def correct(cast: Cast, dispute: Dispute, quantity: int, *slots: datetime) -> Dispute:
    return disputes.correct_charges(
        viewer=cast.viewer_of(cast.operator),
        dispute=dispute,
        quantities=dict.fromkeys(slots or (START,), quantity),
        reason="Two cards were down",
        now=RATED + HOUR,
    )


def close_all(now: datetime = APRIL) -> None:
    rate_at(now)
    close(now)


def uphold(cast: Cast, dispute: Dispute) -> Dispute:
    viewer = cast.viewer_of(cast.operator)
    return disputes.uphold_charges(viewer=viewer, dispute=dispute, reason="The log says so", now=RATED)


def see(cast: Cast, charge: Charge, quantity: int = 21_600, name: str = "r1", **facts: Any) -> UsageReport:
    seen = Seen(**{"slot": charge.slot, "quantity": quantity, "name": name} | facts)
    viewer = cast.viewer_of(cast.buyer_trader)
    return report_usage(viewer=viewer, agreement=charge.agreement, seen=seen, now=RATED)[0]


def test_drafts_and_closings_leave_a_disputed_charge_out(cast: Cast, charge: Charge) -> None:
    dispute = open_one(cast, charge)
    viewer = cast.viewer_of(cast.buyer_finance)
    (planned,) = drafts_for(viewer, now=RATED)
    assert planned.draft.net == 20_000
    assert charge not in open_charges_for(viewer)
    close_all()
    assert Document.objects.get(kind="invoice").net == 20_000
    uphold(cast, dispute)
    close_all(MAY)
    late = Document.objects.filter(kind="invoice").latest("pk").lines.get()
    assert (late.amount, late.period.starts_at.month, late.service_from) == (10_000, 3, START)
    assert late.corrects == Document.objects.filter(kind="invoice").earliest("pk").lines.get()


def test_what_is_corrected_is_charged_as_decided_and_replays(cast: Cast, charge: Charge) -> None:
    correct(cast, open_one(cast, charge), 21_600)
    correction = Charge.objects.latest("pk")
    assert (correction.corrects, correction.quantity, correction.amount) == (charge, -7_200, Decimal(-25))
    close_all()
    invoice = Document.objects.get(kind="invoice")
    assert invoice.net == 27_500
    assert replay_bill(invoice).is_same, replay_bill(invoice).differences
    assert all(replay_run(run).is_same for run in RatingRun.objects.all())


def test_what_stands_on_an_invoice_stays_and_the_outcome_stands_on_the_next(
    cast: Cast, charge: Charge
) -> None:
    close_all()
    invoice = Document.objects.get(kind="invoice")
    correct(cast, open_one(cast, charge, now=RATED + timedelta(days=20)), 21_600)
    close_all(MAY)
    invoice.refresh_from_db()
    assert invoice.net == 30_000
    line = Document.objects.filter(kind="invoice").latest("pk").lines.get()
    assert (line.amount, line.corrects, line.service_from) == (-2_500, invoice.lines.get(), START)


def test_all_hours_of_an_agreement_are_one_dispute(cast: Cast, charge: Charge) -> None:
    dispute = open_one(cast, charge, everything=True)
    assert [each.slot for each in comparisons_of(dispute)] == [START + number * HOUR for number in range(3)]
    assert drafts_for(cast.viewer_of(cast.buyer_finance), now=RATED) == []
    correct(cast, dispute, 0, START + HOUR)
    assert [each.decided for each in comparisons_of(dispute)] == [None, 0, None]
    assert not DisputedSlot.objects.filter(is_open=True).exists()


def test_late_readings_of_a_disputed_hour_are_held_with_it(cast: Cast, charge: Charge) -> None:
    correct(cast, open_one(cast, charge), 28_000)
    agent = agent_of(cast.owner)
    first = Reading.objects.get(slot=START)
    late = event(charge.agreement.delivery, "late", seconds=3600, quantity=27_000)
    late["data"]["corrects"], late["time"] = first.event_id, (START + 9 * HOUR).isoformat()
    send(agent, late)
    rate_at()
    assert sum(each.quantity for each in Charge.objects.filter(slot=START)) == 28_000
    parked = ParkedUsage.objects.get()
    assert (parked.reason, parked.details["charged"]) == ("settled", 28_000)
    decisions.decide_overage(
        viewer=cast.viewer_of(cast.operator), parked=parked, quantity=27_000, why="corrected", now=LONG_AFTER
    )
    assert sum(each.quantity for each in Charge.objects.filter(slot=START)) == 27_000
    assert rate_at() is None
    assert all(replay_run(run).is_same for run in RatingRun.objects.all())


def test_a_charge_is_disputed_once_at_a_time(cast: Cast, charge: Charge) -> None:
    dispute = open_one(cast, charge)
    with pytest.raises(disputes.NothingToDispute):
        open_one(cast, charge)
    assert open_one(cast, charge, everything=True).slots.count() == 2
    uphold(cast, dispute)
    assert open_one(cast, charge).slots.count() == 1


def test_the_window_is_that_of_the_terms(cast: Cast, charge: Charge) -> None:
    days = dispute_days(charge.agreement.terms)
    with pytest.raises(disputes.NothingToDispute, match=str(days)):
        open_one(cast, charge, now=RATED + timedelta(days=days))
    open_one(cast, charge, now=RATED + timedelta(days=days) - MINUTE)


def test_terms_keep_the_window_that_they_were_made_with(cast: Cast, charge: Charge, settings: Any) -> None:
    settings.DISPUTE_DAYS = 7
    terms = charge.agreement.terms
    assert (terms["format"], terms["dispute_days"], dispute_days(terms)) == ("spot/2", 30, 30)
    assert dispute_days({"format": "spot/1"}) == 7
    allocation = charge.agreement.allocation
    made = spot_terms(allocation, commission_rate=Decimal("0.03"), profile_version=1)
    assert made["dispute_days"] == 7


@pytest.mark.parametrize("who", ["owner_admin", "stranger", "auditor", "operator", "buyer_viewer"])
def test_only_who_trades_or_pays_for_the_buyer_opens_one(cast: Cast, charge: Charge, who: str) -> None:
    with pytest.raises(NotAllowed):
        open_one(cast, charge, by=getattr(cast, who))


def test_a_token_that_reads_opens_none(cast: Cast, charge: Charge) -> None:
    viewer = cast.viewer_of_token(cast.buyer, "read")
    with pytest.raises(NotAllowed):
        disputes.open_dispute(viewer=viewer, agreement=charge.agreement, reason="x", now=RATED)


@pytest.mark.parametrize("who", ["owner_admin", "buyer_admin", "auditor", "stranger"])
def test_only_operators_decide(cast: Cast, charge: Charge, who: str) -> None:
    dispute, viewer = open_one(cast, charge), cast.viewer_of(getattr(cast, who))
    with pytest.raises(NotAllowed):
        disputes.uphold_charges(viewer=viewer, dispute=dispute, reason="x", now=RATED)
    with pytest.raises(NotAllowed):
        disputes.correct_charges(viewer=viewer, dispute=dispute, quantities={START: 0}, reason="x", now=RATED)


def test_more_than_was_bought_and_hours_of_no_dispute_are_refused(cast: Cast, charge: Charge) -> None:
    dispute = open_one(cast, charge)
    for quantity, slot in ((28_801, START), (-1, START), (0, START + HOUR)):
        with pytest.raises(InvalidInput):
            correct(cast, dispute, quantity, slot)
    assert Charge.objects.count() == 3


def test_a_closed_dispute_is_closed(cast: Cast, charge: Charge) -> None:
    dispute = uphold(cast, open_one(cast, charge))
    with pytest.raises(disputes.DisputeClosed):
        correct(cast, dispute, 0)
    with pytest.raises(disputes.DisputeClosed):
        disputes.answer_dispute(viewer=cast.viewer_of(cast.owner_admin), dispute=dispute, text="x", now=RATED)


def test_every_step_is_on_record(cast: Cast, charge: Charge) -> None:
    dispute = open_one(cast, charge)
    for user, text in ((cast.owner_trader, "All eight answered"), (cast.buyer_finance, "Not ours")):
        disputes.answer_dispute(viewer=cast.viewer_of(user), dispute=dispute, text=text, now=RATED)
    correct(cast, dispute, 21_600)
    actions = AuditEvent.objects.filter(object_type="rating.dispute").order_by("pk")
    assert [(each.action, each.user) for each in actions] == [
        ("rating.dispute_opened", cast.buyer_finance),
        ("rating.dispute_answered", cast.owner_trader),
        ("rating.dispute_answered", cast.buyer_finance),
        ("rating.dispute_corrected", cast.operator),
    ]
    assert [entry.side for entry in dispute.entries.order_by("pk")] == ["owner", "buyer"]


@pytest.mark.parametrize(
    "statement",
    [
        lambda dispute: DisputedSlot.objects.create(
            dispute=dispute, agreement=dispute.agreement, slot=START + HOUR
        ),
        lambda dispute: Dispute.objects.filter(pk=dispute.pk).update(reason="other"),
        lambda dispute: Dispute.objects.filter(pk=dispute.pk).update(state="upheld"),
        lambda dispute: DisputedSlot.objects.filter(dispute=dispute).update(slot=START + HOUR),
        lambda dispute: DisputedSlot.objects.filter(dispute=dispute).update(is_open=True),
        lambda _dispute: UsageReport.objects.update(quantity=1),
    ],
)
def test_the_database_forgets_none_and_keeps_one_open(cast: Cast, charge: Charge, statement: Any) -> None:
    dispute = open_one(cast, charge, everything=True)
    see(cast, charge)
    with pytest.raises(DatabaseError), transaction.atomic():
        statement(dispute)


@pytest.mark.parametrize("model", [Dispute, DisputedSlot, UsageReport])
def test_nothing_of_it_is_deleted(cast: Cast, charge: Charge, model: Any) -> None:
    open_one(cast, charge)
    see(cast, charge)
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.all()._raw_delete("default")


def test_a_report_is_kept_once_and_every_report_is_kept(cast: Cast, charge: Charge) -> None:
    first = see(cast, charge, 21_600)
    assert see(cast, charge, 21_600) == first
    with pytest.raises(ReportConflict):
        see(cast, charge, 21_601)
    see(cast, charge, 25_000, name="r2", note="counted again")
    assert UsageReport.objects.count() == 2
    (figures,) = comparisons_of(open_one(cast, charge))
    assert (figures.allocated, figures.reported, figures.difference) == (28_800, 25_000, -3_800)
    assert figures.note == "counted again"


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"slot": START + MINUTE}, "slot"),
        ({"slot": START - HOUR}, "slot"),
        ({"quantity": 28_801}, "quantity"),
        ({"name": " "}, "name"),
    ],
)
def test_an_impossible_report_is_told_why(cast: Cast, charge: Charge, facts: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        see(cast, charge, **facts)
    assert set(refusal.value.fields) == {field}


def test_the_whole_of_it_over_the_api(cast: Cast, charge: Charge, client: Client, now: datetime) -> None:
    def post(path: str, body: Any, **headers: str) -> Any:
        return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)

    buyer = bearer(cast.token(cast.buyer, "trade"))
    report = {"agreement": charge.agreement_id, "slot": START, "quantity": 5, "name": "x"}
    assert post("usage-reports", report, **buyer).status_code == 422
    body = {"agreement": charge.agreement_id, "charge": charge.pk, "reason": "six cards"}
    opened = post("disputes", body, **buyer, **{"Idempotency-Key": "1"})
    again = post("disputes", body, **buyer, **{"Idempotency-Key": "1"})
    assert (opened.status_code, again.json()) == (201, opened.json())
    pk = opened.json()["id"]
    owner = bearer(cast.token(cast.owner, "trade"))
    answered = post(f"disputes/{pk}/answers", {"text": "no"}, **owner, **{"Idempotency-Key": "2"})
    assert answered.json()["entries"][0]["side"] == "owner"
    client.force_login(cast.operator)
    decision = {"reason": "x", "quantities": [{"slot": START, "quantity": 21_600}]}
    decided = post(f"disputes/{pk}/decision", decision).json()
    assert (decided["state"], decided["slots"][0]["decided"]) == ("corrected", 21_600)


def test_both_parties_and_the_operator_use_the_pages(cast: Cast, charge: Charge, now: datetime) -> None:
    shown = page(cast.buyer_finance, reverse("billing:charge", args=[charge.pk]))
    assert "Open a dispute" in shown
    assert "Open a dispute" not in page(cast.owner_finance, reverse("billing:charge", args=[charge.pk]))
    buyer = signed_in(cast.buyer_finance)
    opened = buyer.post(reverse("billing:open_dispute", args=[charge.pk]), {"reason": "six cards"})
    address = reverse("billing:dispute", args=[Dispute.objects.get().pk])
    assert opened["Location"] == address
    for user in (cast.buyer_viewer, cast.owner_viewer, cast.auditor, cast.operator):
        assert "six cards" in page(user, address)
    assert status(cast.stranger, address) == 404
    answer = reverse("billing:answer_dispute", args=[Dispute.objects.get().pk])
    signed_in(cast.owner_trader).post(answer, {"text": "All eight answered"})
    assert "All eight answered" in page(cast.buyer_viewer, address)
    decide = reverse("billing:decide_dispute", args=[Dispute.objects.get().pk])
    field = f"quantity-{int(START.timestamp())}"
    assert field in page(cast.operator, address)
    signed_in(cast.operator).post(decide, {"reason": "Two cards were down", field: "21600"})
    assert "Two cards were down" in page(cast.owner_viewer, address)
    assert Line.objects.count() == 0
    assert Charge.objects.latest("pk").quantity == -7_200
    assert "charges corrected" in page(cast.buyer_viewer, reverse("billing:disputes"))
