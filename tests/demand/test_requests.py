"""What a buyer may ask for, what is refused, and how a request leaves the market."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts.models import AuditEvent, Scope
from marketplace.demand import services
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.demand.selectors import requests_for
from marketplace.demand.tasks import expire_requests
from marketplace.errors import InvalidInput, NotAllowed
from tests.cast import Cast
from tests.factories import HOUR, START, make_model, make_region, make_request, make_stack

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    make_model()
    make_model("mystery", memory_gb=None)
    make_region()
    make_stack("cann-8")


def alternative(**facts: Any) -> AlternativeInput:
    usual = {
        "unit": "cards",
        "amount": Decimal(8),
        "workload": "training",
        "earliest_start": START,
        "hours": 4,
        "deadline": START + 24 * HOUR,
        "limit": Decimal(12),
    }
    return AlternativeInput(**usual | facts)


def enter(cast: Cast, now: datetime, *alternatives: AlternativeInput, **facts: Any) -> ComputeRequest:
    wanted = {"title": "A run", "currency": "CNY", "alternatives": alternatives or (alternative(),)}
    return services.create_request(
        viewer=cast.viewer_of(cast.buyer_trader),
        organisation=cast.buyer,
        request=RequestInput(**wanted | facts),
        now=now,
    )


def withdraw(cast: Cast, request: ComputeRequest, now: datetime) -> ComputeRequest:
    viewer = cast.viewer_of(cast.buyer_trader)
    return services.withdraw_request(viewer=viewer, request=request, now=now)


def test_a_request_enters_with_its_alternatives_in_order(cast: Cast, now: datetime) -> None:
    request = enter(
        cast,
        now,
        alternative(accelerator_models=("h800", "h800"), stacks=("cann-8", "cuda-12"), gangs=1),
        alternative(
            unit="np",
            amount=Decimal("2.5"),
            limit=None,
            budget=Decimal(900),
            near="cn-wuhu",
            round_trip_ms=Decimal(20),
            jurisdictions=("CN",),
            precision="bf16",
        ),
        least_share=Decimal("0.5"),
    )
    first, second = request.alternatives.all()
    assert [model.slug for model in first.accelerator_models.all()] == ["h800"]
    assert {stack.slug for stack in first.stacks.all()} == {"cann-8", "cuda-12"}
    assert (second.unit, second.budget, second.near.slug) == ("np", 900, "cn-wuhu")
    event = AuditEvent.objects.get(action="request.entered")
    assert (event.user, event.organisation) == (cast.buyer_trader, cast.buyer)
    assert event.data["alternatives"][1]["near"] == "cn-wuhu"
    assert event.data["alternatives"][0]["hours"] == 4


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("unit", {"unit": "racks"}),
        ("amount", {"amount": Decimal(0)}),
        ("amount", {"amount": Decimal("1.5")}),
        ("amount", {"amount": Decimal(1_000_001)}),
        ("workload", {"workload": "mining"}),
        ("limit", {"limit": None}),
        ("limit", {"budget": Decimal(5)}),
        ("limit", {"limit": Decimal(0)}),
        ("limit", {"limit": Decimal(100_001)}),
        ("budget", {"limit": None, "budget": Decimal(0)}),
        ("budget", {"limit": None, "budget": Decimal(10_000_000)}),
        ("hours", {"hours": 0}),
        ("hours", {"hours": 169}),
        ("deadline", {"deadline": START + 3 * HOUR}),
        ("deadline", {"deadline": START + 4 * HOUR - MINUTE}),
        ("deadline", {"earliest_start": START + MINUTE, "deadline": START + 4 * HOUR}),
        ("deadline", {"earliest_start": START - 99 * HOUR, "deadline": START + 3 * HOUR}),
        ("accelerator_models", {"accelerator_models": ("h800", "abacus")}),
        ("accelerator_models", {"accelerator_models": ("mystery",)}),
        ("stacks", {"stacks": ("fortran",)}),
        ("jurisdictions", {"jurisdictions": ("XX",)}),
        ("near", {"near": "atlantis", "round_trip_ms": Decimal(5)}),
        ("round_trip_ms", {"near": "cn-wuhu"}),
        ("round_trip_ms", {"round_trip_ms": Decimal(5)}),
        ("round_trip_ms", {"near": "cn-wuhu", "round_trip_ms": Decimal(0)}),
        ("precision", {"precision": "fp3"}),
        ("memory_gb", {"memory_gb": Decimal(-1)}),
        ("renewable_share", {"renewable_share": Decimal("1.01")}),
        ("carbon", {"carbon": Decimal(-1)}),
        ("verification", {"verification": 4}),
        ("bandwidth_mbps", {"bandwidth_mbps": -1}),
        ("notice_minutes", {"notice_minutes": -1}),
    ],
)
def test_a_wrong_alternative_is_refused_with_its_place_and_field(
    cast: Cast, now: datetime, field: str, facts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        enter(cast, now, alternative(), alternative(**facts))
    assert list(refusal.value.fields) == [f"alternatives.1.{field}"]
    assert not ComputeRequest.objects.exists()


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("title", {"title": "  "}),
        ("title", {"title": "x" * 121}),
        ("currency", {"currency": "XAU"}),
        ("least_share", {"least_share": Decimal(0)}),
        ("least_share", {"least_share": Decimal("1.1")}),
        ("alternatives", {"alternatives": ()}),
        ("alternatives", {"alternatives": (alternative(),) * 9}),
    ],
)
def test_a_wrong_request_is_refused_with_the_name_of_the_field(
    cast: Cast, now: datetime, field: str, facts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        enter(cast, now, **facts)
    assert list(refusal.value.fields) == [field]


def test_every_wrong_field_is_named_at_once(cast: Cast, now: datetime) -> None:
    with pytest.raises(InvalidInput) as refusal:
        enter(cast, now, alternative(unit="racks", hours=0), title="")
    assert set(refusal.value.fields) == {"title", "alternatives.0.unit", "alternatives.0.hours"}


def test_the_last_possible_deadline_is_accepted(cast: Cast, now: datetime) -> None:
    enter(cast, now, alternative(earliest_start=START - 99 * HOUR, deadline=START + 4 * HOUR + MINUTE))


def test_only_who_trades_for_a_buyer_makes_and_withdraws_requests(cast: Cast, now: datetime) -> None:
    request = make_request(cast.buyer)
    wanted = RequestInput("A run", "CNY", (alternative(),))
    for viewer in (
        cast.viewer_of(cast.buyer_viewer),
        cast.viewer_of(cast.buyer_finance),
        cast.viewer_of(cast.stranger),
        cast.viewer_of(cast.auditor),
        cast.viewer_of(cast.operator),
        cast.viewer_of_token(cast.buyer, Scope.READ),
    ):
        with pytest.raises(NotAllowed):
            services.create_request(viewer=viewer, organisation=cast.buyer, request=wanted, now=now)
        with pytest.raises(NotAllowed):
            services.withdraw_request(viewer=viewer, request=request, now=now)
    with pytest.raises(InvalidInput, match="Only a buyer"):
        services.create_request(
            viewer=cast.viewer_of(cast.owner_trader), organisation=cast.owner, request=wanted, now=now
        )


def test_a_buyer_sees_its_own_requests_an_auditor_all_a_stranger_none(cast: Cast) -> None:
    request = make_request(cast.buyer)
    for user in (cast.buyer_viewer, cast.auditor, cast.operator):
        assert list(requests_for(cast.viewer_of(user))) == [request]
    for user in (cast.stranger, cast.owner_admin, cast.nobody_yet):
        assert not requests_for(cast.viewer_of(user)).exists()


def test_an_open_request_is_withdrawn_once(cast: Cast, now: datetime) -> None:
    request = make_request(cast.buyer)
    for _ in range(2):
        assert withdraw(cast, request, now).state == "withdrawn"
    assert AuditEvent.objects.filter(action="request.withdrawn").count() == 1


def test_a_matched_request_is_not_withdrawn_even_if_it_looked_open(cast: Cast, now: datetime) -> None:
    request = make_request(cast.buyer)
    ComputeRequest.objects.update(state="matched")
    with pytest.raises(services.RequestNotOpen) as refusal:
        withdraw(cast, request, now)
    assert refusal.value.details == {"state": "matched"}
    assert ComputeRequest.objects.get().state == "matched"
    assert not AuditEvent.objects.exists()


def test_a_request_expires_when_its_last_alternative_cannot_start_any_more(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = {"deadline": START + 6 * HOUR}
    request = make_request(cast.buyer, alternatives=[late | {"hours": 5}, late | {"hours": 2}])
    matched = make_request(cast.buyer, hours=1, deadline=START + HOUR, state="matched")
    assert services.expire_requests(now=START + 4 * HOUR - MINUTE) == 0
    monkeypatch.setattr("marketplace.demand.tasks.market_now", lambda: START + 4 * HOUR)
    expire_requests()
    assert services.expire_requests(now=START + 5 * HOUR) == 0
    request.refresh_from_db()
    matched.refresh_from_db()
    assert (request.state, matched.state) == ("expired", "matched")
    assert AuditEvent.objects.get().task == "market.expire_requests"


@pytest.mark.parametrize("state", ["matched", "expired", "withdrawn"])
def test_a_closed_request_never_opens_again_and_is_never_deleted(cast: Cast, state: str) -> None:
    request = make_request(cast.buyer, state=state)
    for other in {"open", "matched", "expired", "withdrawn"} - {state}:
        with pytest.raises(DatabaseError, match="transition"), transaction.atomic():
            ComputeRequest.objects.update(state=other)
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        request.delete()


@pytest.mark.parametrize(
    "facts",
    [
        {"amount": Decimal(0)},
        {"amount": Decimal(1_000_001)},
        {"limit": None},
        {"budget": Decimal(1)},
        {"limit": Decimal(100_001)},
        {"limit": None, "budget": Decimal(100_000) * 33},
        {"hours": 0},
        {"deadline": START},
        {"round_trip_ms": Decimal(1)},
        {"near": make_region},
        {"renewable_share": Decimal(2)},
    ],
)
def test_the_database_refuses_alternatives_that_no_run_could_clear(cast: Cast, facts: dict[str, Any]) -> None:
    make_request(cast.buyer)
    changes = {name: value() if callable(value) else value for name, value in facts.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Alternative.objects.update(**changes)


@pytest.mark.parametrize("field", ["earliest_start", "deadline"])
@pytest.mark.parametrize(
    "moment", [datetime.min.replace(tzinfo=UTC), datetime(9999, 12, 31, 23, 30, tzinfo=UTC)]
)
def test_a_request_is_of_our_time(cast: Cast, now: datetime, field: str, moment: datetime) -> None:
    """Neither arithmetic nor a page in another zone could hold the others."""
    with pytest.raises(InvalidInput) as refusal:
        enter(cast, now, alternative(**{field: moment}))
    assert f"alternatives.0.{field}" in refusal.value.fields
