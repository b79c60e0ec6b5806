"""Term agreements: proposed by one side, concluded and amended by both, and then as they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from accounts.models import AuditEvent
from marketplace.agreements.models import Agreement
from marketplace.agreements.term_services import (
    AlreadyProposed,
    MonthsHaveBegun,
    NotProposed,
    accept_terms,
    propose_agreement,
    propose_amendment,
    refuse_terms,
)
from marketplace.agreements.terms import digest
from marketplace.errors import InvalidInput, NotAllowed
from marketplace.terms.models import TermAgreement, TermVersion, sheets_of
from marketplace.terms.sheet import MICRO
from tests.cast import Cast, bearer
from tests.conftest import NOW
from tests.factories import make_model, make_profile_version
from tests.terms.scenes import APRIL, SHEET, agreement_of, concluded, proposal, proposed

MORE = replace(SHEET, quantity=200 * MICRO)


def test_the_other_side_concludes_what_one_side_proposed(cast: Cast) -> None:
    make_profile_version()
    term = proposed(cast)
    assert not Agreement.objects.exists()
    with pytest.raises(NotAllowed):
        accept_terms(viewer=cast.viewer_of(cast.buyer_admin), agreement=term, number=1, now=NOW)
    accept_terms(viewer=cast.viewer_of(cast.owner_trader), agreement=term, number=1, now=NOW)
    term.refresh_from_db()
    agreement = agreement_of(term)
    assert (term.state, term.concluded_at) == (TermAgreement.State.CONCLUDED, NOW)
    assert (agreement.buyer, agreement.owner, agreement.currency) == (cast.buyer, cast.owner, "CNY")
    assert (agreement.card_hours, agreement.value) == (300, Decimal(3_000))
    assert (agreement.starts_at, agreement.ends_at) == (APRIL, term.spans[2][1])
    assert agreement.terms["each_month"] == SHEET.as_terms()
    assert agreement.terms_digest == digest(agreement.terms)
    version = term.versions.get()
    assert (version.proposer, version.closed_by) == (cast.buyer_trader, cast.owner_trader)
    recorded = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(recorded) == ["term_agreement.proposed", "term_agreement.accepted"]


def test_an_owner_may_propose_and_the_buyer_decline(cast: Cast) -> None:
    term = propose_agreement(
        viewer=cast.viewer_of(cast.owner_trader),
        organisation=cast.owner,
        term=proposal(cast.buyer.pk),
        now=NOW,
    )
    assert (term.buyer, term.owner) == (cast.buyer, cast.owner)
    version = refuse_terms(viewer=cast.viewer_of(cast.buyer_trader), agreement=term, number=1, now=NOW)
    term.refresh_from_db()
    assert version.state == TermVersion.State.DECLINED
    assert term.state == TermAgreement.State.DROPPED
    with pytest.raises(NotProposed):
        accept_terms(viewer=cast.viewer_of(cast.buyer_trader), agreement=term, number=1, now=NOW)


def test_who_proposed_may_withdraw(cast: Cast) -> None:
    term = proposed(cast)
    version = refuse_terms(viewer=cast.viewer_of(cast.buyer_trader), agreement=term, number=1, now=NOW)
    assert version.state == TermVersion.State.WITHDRAWN


@pytest.mark.parametrize("person", ["buyer_viewer", "buyer_finance", "owner_viewer", "stranger", "operator"])
def test_traders_of_the_two_sides_alone_decide(cast: Cast, person: str) -> None:
    term = concluded(cast)
    viewer = cast.viewer_of(getattr(cast, person))
    with pytest.raises(NotAllowed):
        propose_amendment(viewer=viewer, agreement=term, sheet=MORE, from_month=1, now=NOW)


def test_an_amendment_counts_from_its_month_once_both_sides_accept(cast: Cast) -> None:
    term = concluded(cast)
    owner, buyer = cast.viewer_of(cast.owner_trader), cast.viewer_of(cast.buyer_trader)
    propose_amendment(viewer=owner, agreement=term, sheet=MORE, from_month=1, now=NOW)
    assert [sheet.quantity for sheet in sheets_of(term, term.versions.all())] == [100 * MICRO] * 3
    with pytest.raises(AlreadyProposed):
        propose_amendment(viewer=buyer, agreement=term, sheet=SHEET, from_month=2, now=NOW)
    accept_terms(viewer=buyer, agreement=term, number=2, now=NOW)
    found = [sheet.quantity // MICRO for sheet in sheets_of(term, term.versions.all())]
    assert found == [100, 200, 200]


def test_terms_are_for_months_to_come(cast: Cast) -> None:
    term = concluded(cast)
    owner, buyer = cast.viewer_of(cast.owner_trader), cast.viewer_of(cast.buyer_trader)
    may = term.spans[1][0]
    propose_amendment(viewer=owner, agreement=term, sheet=MORE, from_month=1, now=may - timedelta(minutes=1))
    with pytest.raises(MonthsHaveBegun):
        accept_terms(viewer=buyer, agreement=term, number=2, now=may)
    with pytest.raises(DatabaseError, match="version_for_months_to_come"), transaction.atomic():
        term.versions.filter(number=2).update(state="accepted", closed_at=may + timedelta(seconds=1))
    with pytest.raises(InvalidInput) as past:
        proposed(cast, now=APRIL + timedelta(seconds=1))
    assert list(past.value.fields) == ["starts_at"]


def test_the_price_stays(cast: Cast) -> None:
    term = concluded(cast)
    dearer = replace(SHEET, price=11 * MICRO)
    with pytest.raises(InvalidInput) as refused:
        propose_amendment(
            viewer=cast.viewer_of(cast.owner_trader), agreement=term, sheet=dearer, from_month=1, now=NOW
        )
    assert list(refused.value.fields) == ["price_per_unit"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"starts_at": APRIL + timedelta(hours=1)}, "starts_at"),
        ({"months": 0}, "months"),
        ({"currency": "GBP"}, "currency"),
        ({"time_zone": "Asia/Nowhere"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": "Europe/Berlin"}, "starts_at"),
        # Half an hour past the full one all year, and in half of the months alone.
        ({"time_zone": "Asia/Kolkata"}, "time_zone"),
        ({"time_zone": "Australia/Lord_Howe", "months": 12}, "time_zone"),
    ],
)
def test_what_cannot_be_is_refused_by_name(cast: Cast, change: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        proposed(cast, **change)
    assert list(refused.value.fields) == [named]


def test_a_zone_that_changes_its_clocks_moves_no_month(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    before = concluded(cast)
    monkeypatch.setattr("marketplace.terms.calendar.ZoneInfo", lambda _zone: ZoneInfo("Asia/Tokyo"))
    after = TermAgreement.objects.get()
    ends = [APRIL + days * timedelta(days=1) for days in (30, 61, 91)]
    assert [end for _start, end in after.spans] == [end for _start, end in before.spans] == ends
    assert agreement_of(after).terms["month_ends"] == [end.isoformat() for end in ends]
    with pytest.raises(DatabaseError), transaction.atomic():
        TermAgreement.objects.update(month_ends=[end - timedelta(hours=1) for end in ends])
    with pytest.raises(InvalidInput):
        proposed(cast)


def test_what_no_agreement_can_be_worth_is_refused(cast: Cast) -> None:
    dear = replace(SHEET, quantity=10**8 * MICRO, price=999_999 * MICRO, tiers=())
    concluded(cast, sheet=dear, months=1)
    with pytest.raises(InvalidInput) as refused:
        proposed(cast, sheet=replace(dear, price=10**6 * MICRO), months=1)
    assert list(refused.value.fields) == ["quantity", "price_per_unit", "months"]
    with pytest.raises(InvalidInput):
        proposed(cast, sheet=dear, months=2)
    term = concluded(cast, sheet=replace(dear, quantity=MICRO))
    more = replace(dear, quantity=10**9 * MICRO)
    with pytest.raises(InvalidInput):
        propose_amendment(
            viewer=cast.viewer_of(cast.buyer_trader), agreement=term, sheet=more, from_month=1, now=NOW
        )


def test_the_database_keeps_what_was_agreed(cast: Cast) -> None:
    term = concluded(cast)
    attacks = [
        lambda: TermVersion.objects.filter(agreement=term).update(terms=MORE.as_terms()),
        lambda: TermVersion.objects.filter(agreement=term).update(state="open", closed_at=None),
        lambda: TermVersion.objects.filter(agreement=term).delete(),
        lambda: TermAgreement.objects.filter(pk=term.pk).update(months=1),
        lambda: TermAgreement.objects.filter(pk=term.pk).update(state="dropped", concluded_at=None),
        lambda: Agreement.objects.filter(term=term).update(kind="spot"),
    ]
    for attack in attacks:
        with pytest.raises(DatabaseError), transaction.atomic():
            attack()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"state": "concluded", "concluded_at": NOW}, "term_begins_proposed"),
        ({"ends_at": APRIL + timedelta(days=60)}, "term_ends_with_its_months"),
        ({"months": 2}, "term_ends_of_all_months"),
    ],
)
def test_the_database_takes_a_term_agreement_as_a_proposal_alone(
    cast: Cast, change: dict[str, Any], refusal: str
) -> None:
    term = proposed(cast)
    with transaction.atomic():
        _again(term).save()
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        _again(term, **change).save()
    assert _constraint(refused.value) == refusal


def test_the_database_takes_a_version_as_a_proposal_alone(cast: Cast) -> None:
    first = concluded(cast).versions.get()
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        _again(first, number=2).save()
    assert _constraint(refused.value) == "version_begins_open"
    with transaction.atomic():
        _again(first, number=2, state="open", closed_at=None, closed_by=None).save()


def test_the_database_keeps_an_agreement_to_the_parties_of_its_term(cast: Cast) -> None:
    agreement = agreement_of(concluded(cast))
    for change in ({"buyer": cast.other_buyer}, {"owner": cast.other_owner}, {"currency": "USD"}, {}):
        with pytest.raises(DatabaseError) as refused, transaction.atomic():
            _again(agreement, **change).save()
        once = "agreement_once_a_term_agreement"
        assert _constraint(refused.value) == ("agreement_keeps_to_its_term" if change else once)
    with pytest.raises(DatabaseError) as unconcluded, transaction.atomic():
        _again(agreement, term=proposed(cast)).save()
    assert _constraint(unconcluded.value) == "agreement_keeps_to_its_term"


def _again(row: Any, **changes: Any) -> Any:
    """The same row once more, with changes."""
    names = [field.name for field in row._meta.concrete_fields if not field.primary_key]
    return type(row)(**{name: getattr(row, name) for name in names} | changes)


def _constraint(error: DatabaseError) -> str:
    return error.__cause__.diag.constraint_name  # type: ignore[union-attr, no-any-return]


def test_over_the_api(cast: Cast, client: Client, now: object) -> None:
    make_profile_version()
    buyer, owner = cast.token(cast.buyer, "trade"), cast.token(cast.owner, "trade")
    sheet = {"quantity_a_month": "100", "price_per_unit": "10", "take_or_pay_share": "0.8"}
    given = sheet | {
        "counterparty": cast.owner.pk,
        "model": make_model().slug,
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "starts_at": APRIL.isoformat(),
        "months": 3,
        "overage": [{"above": "1.1", "price": "12"}],
        "make_up_months": 1,
    }

    def post(path: str, secret: str, data: dict[str, Any] | None = None) -> Any:
        headers = bearer(secret) | {"Idempotency-Key": str(uuid4())}
        return client.post(f"/api/v1/{path}", data or {}, content_type="application/json", headers=headers)

    made = post("term-agreements", buyer, given)
    assert made.status_code == 201, made.content
    path = f"term-agreements/{made.json()['id']}"
    assert made.json()["agreement"] is None
    accepted = post(f"{path}/versions/1/acceptance", owner)
    assert (accepted.status_code, accepted.json()["state"]) == (200, "concluded")
    agreement = client.get(f"/api/v1/agreements/{accepted.json()['agreement']}", headers=bearer(buyer)).json()
    assert (agreement["kind"], agreement["request"], agreement["card_hours"]) == ("term", None, 300)
    amended = post(f"{path}/amendments", owner, sheet | {"quantity_a_month": "200", "from_month": 1})
    assert amended.status_code == 201, amended.content
    assert amended.json()["versions"][1]["terms"]["quantity_a_month"] == "200"
    declined = post(f"{path}/versions/2/refusal", buyer)
    assert declined.json()["versions"][1]["state"] == "declined"
    assert len(client.get("/api/v1/term-agreements", headers=bearer(owner)).json()["results"]) == 1
    wrong = post("term-agreements", buyer, given | {"take_or_pay_share": "1.5"})
    assert [each["field"] for each in wrong.json()["errors"]] == ["take_or_pay"]
