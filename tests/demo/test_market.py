from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.draw import share_out
from demo.mapping import INVENTORY_SCALE, SHARES
from demo.market import Market, build_market
from demo.pricing import NoPriceError
from demo.snapshot import snapshot_of
from demo.specs import RequestSpec
from demo.trace import load_jobs, load_nodes
from marketplace.catalogue.data.tables import load_accelerators, load_zones
from marketplace.catalogue.normalisation import PROFILE_METHOD_VERSION
from marketplace.engine import clear
from marketplace.engine.snapshot import Unit

START = datetime(2026, 11, 23, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def market() -> Market:
    return build_market(START)


@pytest.fixture(scope="module")
def two_days(market: Market) -> list[RequestSpec]:
    return [request for hour in range(48) for request in market.requests_entering(hour)]


def test_there_are_enough_of_everyone(market: Market) -> None:
    assert (len(market.owners), len(market.buyers), len(market.sites)) == (40, 60, 220)
    assert {site.owner for site in market.sites} == {owner.slug for owner in market.owners}
    in_china = [site for site in market.sites if site.jurisdiction == "CN"]
    assert len(in_china) > len(market.sites) / 2


@pytest.mark.parametrize("language", ["name_en", "name_zh"])
def test_names_are_unique(market: Market, language: str) -> None:
    organisations = [getattr(one, language) for one in (*market.owners, *market.buyers)]
    sites = [getattr(site, language) for site in market.sites]
    assert len(set(organisations)) == len(organisations)
    assert len(set(sites)) == len(sites)


def test_many_models_of_many_vendors_are_installed_and_offered(market: Market) -> None:
    vendors = {model.slug: model.vendor for model in load_accelerators()}
    fleets = {fleet.slug: fleet.model for fleet in market.fleets}
    installed, offered = set(fleets.values()), {fleets[offer.fleet] for offer in market.offers}
    assert len(offered) >= 20
    assert {vendors[model] for model in offered} >= {"Huawei", "Cambricon", "Hygon", "AMD", "NVIDIA", "Intel"}
    assert len({vendors[model] for model in installed}) == 12


def test_no_node_of_the_trace_is_lost_or_added(market: Market) -> None:
    nodes = Counter[tuple[str, int]]()
    for fleet in market.fleets:
        assert fleet.cards % fleet.node_size == 0
        nodes[fleet.trace_model, fleet.node_size] += fleet.cards // fleet.node_size
    assert nodes == {(kind.model, kind.cards_per_node): kind.nodes * INVENTORY_SCALE for kind in load_nodes()}
    assert sum(kind.nodes * kind.cards_per_node for kind in load_nodes()) == 6_212


def test_shares_are_per_mille() -> None:
    assert {sum(shares.values()) for shares in SHARES.values()} == {1000}


def test_every_site_has_a_fleet_and_chinese_models_stay_in_china(market: Market) -> None:
    home = {site.slug: site for site in market.sites}
    assert {fleet.site for fleet in market.fleets} == set(home)
    stacks = {home[fleet.site].jurisdiction for fleet in market.fleets if fleet.stack == "cann"}
    assert stacks == {"CN"}


def test_asks_are_positive_and_in_the_zones_currency(market: Market) -> None:
    currencies = {zone.slug: zone.currency for zone in load_zones()}
    zone = {site.slug: site.zone for site in market.sites}
    fleets = {fleet.slug: fleet for fleet in market.fleets}
    for offer in market.offers:
        fleet = fleets[offer.fleet]
        assert offer.currency == currencies[zone[fleet.site]]
        assert all(type(ask) is Decimal and ask > 0 for ask in (offer.ask, *offer.hourly_asks))
        assert len(offer.hourly_asks) in {0, offer.hours}
        assert 0 < offer.cards <= fleet.cards
        assert offer.cards % offer.lot == 0


def test_no_fleet_offers_more_than_it_has(market: Market) -> None:
    offered = Counter[str]()
    for offer in market.offers:
        offered[offer.fleet] += offer.cards
    assert all(offered[fleet.slug] <= fleet.cards for fleet in market.fleets)


def test_a_good_part_asks_less_by_night(market: Market) -> None:
    hourly = [offer for offer in market.offers if offer.hourly_asks]
    assert len(hourly) > len(market.offers) / 2
    zones = {fleet.slug: fleet.site for fleet in market.fleets}
    offset = {site.slug: site.utc_offset_hours for site in market.sites}
    for offer in hourly:
        begins, _ = offer.window(START)
        local = begins + timedelta(hours=float(offset[zones[offer.fleet]]))
        until_noon = (12 - local.hour) % 24
        until_three = (3 - local.hour) % 24
        assert offer.hourly_asks[until_three] < offer.hourly_asks[until_noon] == offer.ask


def test_the_published_price_is_the_median_of_the_list(market: Market) -> None:
    assert market.prices.usd["h200-sxm"] == Decimal("2.829")
    assert market.prices.of("gaudi2", "CNY") == Decimal("1.1") * Decimal("7.10")
    with pytest.raises(NoPriceError, match="mlu590"):
        market.prices.of("mlu590", "CNY")


def test_a_model_without_a_price_costs_what_its_peers_cost_for_the_work(market: Market) -> None:
    assert market.prices.usd["h800-sxm"] == pytest.approx(market.prices.usd["h100-sxm"], rel=Decimal("0.25"))
    cheap, dear = market.prices.usd["t4"], market.prices.usd["ascend-910b2"]
    assert cheap < dear < market.prices.usd["h800-sxm"]


def test_demand_is_busy_at_first_and_steady_for_four_weeks(market: Market) -> None:
    counts = [market.demand.count(hour) for hour in range(28 * 24)]
    assert counts[0] >= 250
    assert all(40 <= count <= 60 for count in counts[1:])
    assert {40, 60} <= set(counts)
    last = market.requests_entering(28 * 24 - 1)
    assert last[-1].reference == f"D{sum(counts):06}"


def test_references_run_on_without_gaps(two_days: list[RequestSpec]) -> None:
    assert [one.reference for one in two_days] == [f"D{n:06}" for n in range(1, len(two_days) + 1)]


def test_most_buyers_name_no_chip(two_days: list[RequestSpec]) -> None:
    in_np = [one for one in two_days if one.alternatives[0].unit is Unit.NP]
    either = [one for one in two_days if len(one.alternatives) == 2]
    assert len(in_np) >= 0.45 * len(two_days)
    assert all(not alternative.models for one in in_np for alternative in one.alternatives)
    assert len(either) >= 0.15 * len(two_days)
    assert all(one.alternatives[0].models != one.alternatives[1].models for one in either)


def test_who_names_a_model_says_no_more_about_the_chip(two_days: list[RequestSpec]) -> None:
    named = [a for one in two_days for a in one.alternatives if a.models]
    assert named
    assert not [a for a in named if a.precision or a.memory_gb or a.stacks]


def test_two_alternatives_do_the_same_work_for_the_same_money(
    market: Market, two_days: list[RequestSpec]
) -> None:
    for one in two_days:
        if len(one.alternatives) == 2 and not one.alternatives[0].gang:
            first, second = one.alternatives
            work = [market.prices.rates[a.models[0], a.workload] * a.amount for a in (first, second)]
            assert work[0] <= work[1]
            assert first.limit * first.amount == pytest.approx(
                second.limit * second.amount, rel=Decimal("0.01")
            )


def test_requests_end_soon_and_within_three_days(two_days: list[RequestSpec]) -> None:
    hours = [one.alternatives[0].duration_hours for one in two_days]
    assert max(hours) <= 72
    assert sum(duration <= 6 for duration in hours) > 0.6 * len(hours)
    assert all(
        a.earliest_in_hours + a.duration_hours <= a.deadline_in_hours <= 168
        for one in two_days
        for a in one.alternatives
    )


def test_wishes_of_every_kind_occur(two_days: list[RequestSpec]) -> None:
    alternatives = [alternative for one in two_days for alternative in one.alternatives]
    for wish in (
        "latency",
        "jurisdictions",
        "stacks",
        "memory_gb",
        "precision",
        "gang",
        "renewable_share",
        "carbon",
        "careful",
        "verification",
        "bandwidth_mbps",
        "notice_minutes",
    ):
        assert sum(bool(getattr(a, wish)) for a in alternatives) > 0.01 * len(alternatives), wish
    assert len({one.least for one in two_days}) == 4
    money = Counter(one.currency for one in two_days)
    assert money["CNY"] > len(two_days) / 2
    assert min(money["USD"], money["EUR"]) > 0


def test_the_same_start_gives_the_same_market(market: Market) -> None:
    again = build_market(START)
    assert (again.sites, again.fleets, again.offers) == (market.sites, market.fleets, market.offers)
    assert again.requests_entering(7) == market.requests_entering(7)


@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 11, 23, 4),  # noqa: DTZ001
        datetime(2026, 11, 23, 4, 30, tzinfo=UTC),
        datetime(2026, 11, 23, 4, tzinfo=timezone(timedelta(hours=8))),
    ],
)
def test_a_market_starts_at_a_full_utc_hour(start: datetime) -> None:
    with pytest.raises(ValueError, match="full UTC hour"):
        build_market(start)


def test_the_first_run_matches_most_but_not_all(market: Market) -> None:
    requests = market.requests_entering(0)
    result = clear(snapshot_of(market, requests))
    fleets = {fleet.slug: fleet.model for fleet in market.fleets}
    models = {fleets[market.offers[placement.offer - 1].fleet] for placement in result.placements}
    matched = {placement.request for placement in result.placements}
    assert len(models) >= 20
    assert 0.6 * len(requests) < len(matched) < 0.95 * len(requests)


def test_the_trace_is_whole() -> None:
    jobs = load_jobs()
    assert len(jobs) == 7_064
    assert min(job.duration_s for job in jobs) >= 0
    assert sum(job.cards for job in jobs) == 6_989 + 2 * 16 + 4 * 15 + 8 * 44
    assert PROFILE_METHOD_VERSION


@given(st.integers(0, 10_000), st.lists(st.integers(1, 1_000), min_size=1, max_size=30))
def test_sharing_out_keeps_the_total_and_the_proportions(total: int, weights: list[int]) -> None:
    parts = share_out(total, weights)
    assert sum(parts) == total
    assert all(
        abs(part * sum(weights) - total * w) <= sum(weights) for part, w in zip(parts, weights, strict=True)
    )
