from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from marketplace.clearing import remedies, wording
from marketplace.clearing.models import Explanation
from marketplace.demand.models import Alternative
from tests.cast import Cast
from tests.clearing.market import make_market, run
from tests.factories import HOUR, START, make_region, make_request
from tests.pages_market.scenes import make_explanation, make_run, queries_of, signed_in


def address(explanation: Explanation) -> str:
    return f"/market/explanations/{explanation.run_id}/{explanation.request_id}/"


@pytest.mark.django_db(transaction=True)
def test_asking_again_with_the_remedy_matches(cast: Cast, now: datetime) -> None:
    _, request = make_market(ask="10", limit="9")
    cleared = run()
    explanation = Explanation.objects.get(run=cleared, request=request)
    request.organisation.memberships.create(user=cast.nobody_yet, role="trader")

    page = signed_in(cast.nobody_yet).get(address(explanation))

    query = parse_qs(urlsplit(page.context["again"]).query)
    assert "Raising the limit to ¥10.00/card-h would have matched it." in page.content.decode()
    assert query == {"request": [str(request.pk)], "alternative": ["0"], "limit": ["10"]}
    again = make_request(request.organisation, limit=query["limit"][0])
    run()
    assert Explanation.objects.get(request=again).outcome == "matched"


@pytest.mark.django_db
def test_the_funnel_ends_with_what_decided(cast: Cast, now: datetime) -> None:
    request = make_request(cast.buyer, alternatives=[{"memory_gb": Decimal(80)}])
    explanation = make_explanation(make_run(), request)

    page = signed_in(cast.buyer_viewer).get(address(explanation))

    [funnel] = page.context["funnels"]
    assert [(stage["label"], stage["kept"], stage.get("binding", False)) for stage in funnel.stages] == [
        ("Offers on the market", 10, False),
        ("Memory per card: at least 80\N{NO-BREAK SPACE}GB", 7, False),
        ("Limit price: ¥12.00/card-h", 0, True),
    ]
    assert "what decided it was the limit price" in page.content.decode()


@pytest.mark.django_db
def test_offers_that_others_took_end_the_funnel_too(cast: Cast, now: datetime) -> None:
    explanation = make_explanation(
        make_run(), make_request(cast.buyer), binding="capacity", removed=[("memory", 3)]
    )

    [funnel] = signed_in(cast.buyer_viewer).get(address(explanation)).context["funnels"]

    assert funnel.stages[-1] == {
        "label": "Enough of them left together for the whole amount",
        "kept": 0,
        "removed": 7,
        "binding": True,
    }


@pytest.mark.django_db
def test_who_may_read_an_explanation(cast: Cast, now: datetime) -> None:
    page = address(make_explanation(make_run(), make_request(cast.buyer)))

    def status(user: object) -> int:
        return signed_in(user).get(page).status_code  # type: ignore[arg-type]

    for role in ("viewer", "trader", "finance", "admin"):
        assert status(getattr(cast, f"buyer_{role}")) == 200
    assert status(cast.auditor) == status(cast.operator) == 200
    assert status(cast.stranger) == status(cast.owner_admin) == 404
    assert signed_in(None).get(page)["Location"].startswith("/accounts/login/")


@pytest.mark.django_db
def test_only_who_may_trade_is_offered_to_ask_again(cast: Cast, now: datetime) -> None:
    remedy = {"alternative": 0, "constraint": "limit", "value": 13_000_000}
    page = address(make_explanation(make_run(), make_request(cast.buyer), remedy=remedy))

    offered = {
        name: bool(signed_in(getattr(cast, name)).get(page).context["again"])
        for name in ("buyer_viewer", "buyer_finance", "buyer_trader", "buyer_admin", "auditor")
    }

    assert [name for name, is_offered in offered.items() if is_offered] == ["buyer_trader", "buyer_admin"]


@pytest.mark.django_db
def test_the_link_counts_alternatives_whatever_their_positions_are(cast: Cast, now: datetime) -> None:
    request = make_request(cast.buyer, alternatives=[{}, {"limit": Decimal(11)}])
    for alternative in request.alternatives.order_by("-position"):
        Alternative.objects.filter(pk=alternative.pk).update(position=alternative.position + 1)
    remedy = {"alternative": 2, "constraint": "limit", "value": 13_000_000}

    page = signed_in(cast.buyer_trader).get(address(make_explanation(make_run(), request, remedy=remedy)))

    assert parse_qs(urlsplit(page.context["again"]).query)["alternative"] == ["1"]


REMEDIES: Mapping[str, tuple[object, str, dict[str, str]]] = {
    "limit": (12_345_678, "Raising the limit to ¥12.345678/card-h would", {"limit": "12.345678"}),
    "capacity": (3, "Asking for 3 cards instead of 8 cards would", {"amount": "3"}),
    "window": (
        30,
        "Accepting 3 Mar 2026, 15:00 as the latest end would",
        {"deadline": (START + 30 * HOUR).isoformat()},
    ),
    "model": ("h800", "Accepting NVIDIA H800 as well would", {"accelerator_models": "h800"}),
    "stack": ("cuda-12", "Accepting CUDA-12 as well would", {"stacks": "cuda-12"}),
    "jurisdiction": ("KR", "Accepting KR as well would", {"jurisdictions": "KR"}),
    "precision": ("fp16", "Accepting FP16 instead would", {"precision": "fp16"}),
    "memory": (65_536, "Changing memory per card to at least 64 GB would", {"memory_gb": "64"}),
    "latency": (
        219_275,
        "Changing round-trip time to at most 219.275 ms would",
        {"round_trip_ms": "219.275"},
    ),
    "bandwidth": (1000, "Changing bandwidth to at least 1,000 Mbit/s would", {"bandwidth_mbps": "1000"}),
    "renewable_share": (334_999, "to at least 33.4999 % would", {"renewable_share": "0.334999"}),
    "carbon": (412_049, "to at most 412.049 gCO₂/kWh would", {"carbon": "412.049"}),
    "verification": (1, "Changing verification level to Documents checked would", {"verification": "1"}),
    "notice": (90, "Changing interruption notice to at least 1 h 30 min would", {"notice_minutes": "90"}),
}


@pytest.mark.django_db
@pytest.mark.parametrize("constraint", REMEDIES)
def test_a_remedy_says_the_same_in_words_and_in_the_link(constraint: str, cast: Cast, now: datetime) -> None:
    value, words, fields = REMEDIES[constraint]
    remedy = {"alternative": 0, "constraint": constraint, "value": value}
    explanation = make_explanation(make_run(), make_request(cast.buyer), binding=constraint, remedy=remedy)
    alternatives = list(explanation.request.alternatives.all())

    said = remedies.remedy(explanation, alternatives, {"h800": "NVIDIA H800", "cuda-12": "CUDA-12"})

    assert said is not None
    assert words in said.words.replace("\N{NO-BREAK SPACE}", " ")
    assert said.fields == {"request": str(explanation.request_id), "alternative": "0", **fields}


@pytest.mark.django_db
def test_a_constraint_that_must_go_altogether_is_said_so(cast: Cast, now: datetime) -> None:
    remedy = {"alternative": 0, "constraint": "latency", "value": None}
    explanation = make_explanation(make_run(), make_request(cast.buyer), binding="latency", remedy=remedy)

    said = remedies.remedy(explanation, list(explanation.request.alternatives.all()), {})

    assert said is not None
    assert said.words == "Asking nothing about round-trip time would have matched it."
    assert said.fields["round_trip_ms"] == ""


@pytest.mark.django_db
def test_what_was_asked_is_said_beside_each_constraint(cast: Cast, now: datetime) -> None:
    facts = {
        "near": make_region(),
        "round_trip_ms": Decimal("23.4"),
        "jurisdictions": ["CN", "HK"],
        "verification": 2,
        "renewable_share": Decimal("0.4"),
        "gangs": 1,
    }
    [alternative] = make_request(cast.buyer, alternatives=[facts]).alternatives.all()

    said = {
        constraint: wording.requirement(constraint, alternative, "CNY").replace("\N{NO-BREAK SPACE}", " ")
        for constraint in wording.Constraint
    }

    assert said["latency"] == "Round-trip time: 23.4 ms to cn-wuhu"
    assert said["jurisdiction"] == "Jurisdiction: Mainland China, Hong Kong"
    assert said["verification"] == "Verification level: Acceptance test passed"
    assert said["capacity"] == "Free cards: 8 cards in one fabric"
    assert said["rate"] == "No rate known for the workload: Training"
    assert said["memory"] == "Memory per card"


@pytest.mark.django_db
def test_more_runs_and_alternatives_take_no_more_queries(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.buyer_viewer)
    small = make_explanation(make_run(), make_request(cast.buyer))
    few = queries_of(client, address(small))
    request = make_request(cast.buyer, alternatives=[{}, {}, {}])
    for _ in range(6):
        large = make_explanation(make_run(), request)

    assert queries_of(client, address(large)) == few <= 14
