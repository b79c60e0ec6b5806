"""Sites against policies: the figure, what it was made of, and what follows; for one site and for all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.actors import task_actor
from accounts.models import AuditEvent
from marketplace.audit.compliance import wording
from marketplace.audit.compliance.all_sites import bounds_by_site
from marketplace.audit.compliance.models import Policy
from marketplace.audit.compliance.selectors import assess, assess_one, policies_in_force, sites_of
from marketplace.audit.compliance.services import enact, load_examples
from marketplace.clock import MarketClock
from marketplace.errors import InvalidInput, NotAllowed
from marketplace.supply.models import Fleet, RoundTrip, Site
from tests.billing.builders import make_delivery, refused
from tests.cast import Cast
from tests.compliance.scenes import A_DAY, MIDNIGHT, NOW, added_up, confirmed, days, make_policy
from tests.factories import make_fleet, make_region, make_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet(cast: Cast) -> Fleet:
    return make_fleet(make_site(cast.owner, pue=Decimal("1.2"), renewable_share=Decimal("0.6")), cards=128)


@pytest.fixture
def site(fleet: Fleet) -> Site:
    return Site.objects.select_related("region__zone", "owner").get(pk=fleet.site_id)


@pytest.fixture(autouse=True)
def _at_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MarketClock, "now", lambda _clock: NOW)


def words(policy: Policy, site: Site) -> tuple[str, str, str]:
    found = assess_one(policy, site, now=NOW)
    return found.status.value, plain(wording.measured(found)), plain(wording.outlook(found))


def plain(text: str) -> str:
    """With spaces that a keyboard has."""
    return text.replace("\u202f", " ").replace("\xa0", " ")


def test_at_todays_rate_it_falls_below_40_percent_on_3_march(fleet: Fleet, site: Site) -> None:
    added_up()
    days(fleet, *[50] * 9, 20)
    assert words(make_policy(), site) == (
        "complies",
        "47 %",
        "At today’s rate it falls below 40 % on 3 Mar.",
    )


def test_the_inputs_of_the_figure_are_shown(fleet: Fleet, site: Site) -> None:
    """128 cards over ten days are 30,720 card-hours, of which 47 % are 14,438.4."""
    added_up()
    days(fleet, *[50] * 9, 20)
    found = assess_one(make_policy(), site, now=NOW)
    assert {label: plain(amount) for label, amount in wording.inputs(found)} == {
        "Installed": "30,720 card-h",
        "active": "14,438.4 card-h",
    }
    assert found.window == (MIDNIGHT - 10 * A_DAY, MIDNIGHT)


def test_a_breach_says_since_when_and_until_when_it_may_be_cured(fleet: Fleet, site: Site) -> None:
    added_up()
    days(fleet, *[50] * 10, *[0] * 3)
    assert words(make_policy(), site) == (
        "curing",
        "35 %",
        "In breach since 28 Feb; to be cured before 7 Mar.",
    )


def test_what_is_not_added_up_neither_passes_nor_fails(fleet: Fleet, site: Site) -> None:
    days(fleet, *[90] * 10)
    policy = make_policy()
    assert words(policy, site) == ("unknown", "not known", "10 of 10 days are not added up yet.")
    added_up(since=MIDNIGHT - 9 * A_DAY)
    assert words(policy, site)[2] == "1 of 10 days are not added up yet."


def test_readings_that_did_not_arrive_leave_it_open_only_where_they_matter(fleet: Fleet, site: Site) -> None:
    """A tenth of the cards was there and told nothing: 35 % may have been 45 %, and 60 % is enough anyway."""
    added_up()
    days(fleet, *[35] * 10, unreported=fleet.cards * 8_640)
    assert words(make_policy(), site) == (
        "unknown",
        "35 % – 45 %",
        "Readings are missing, and with them it could be either.",
    )
    assert words(make_policy(slug="low", threshold=Decimal("0.2")), site)[0] == "complies"


def test_agreements_under_a_confirmed_finding_do_not_count(cast: Cast, fleet: Fleet, site: Site) -> None:
    """64 of 128 cards are sold, 32 of them by a sham for one day of ten: 50 % less a tenth of 25 %."""
    added_up()
    days(fleet, *[0] * 10, sold=50)
    start = MIDNIGHT - 3 * A_DAY
    sham = make_delivery(
        owner=cast.owner, buyer=cast.buyer, fleet=fleet, cards=32, prices=["10"] * 24, start=start
    ).agreement
    policy = make_policy("genuine")
    confirmed(sham, state="dismissed")
    assert words(policy, site)[:2] == ("complies", "50 %")
    confirmed(sham)
    assert words(policy, site)[:2] == ("complies", "47.5 %")


def test_power_that_nobody_told_is_known_only_where_the_policy_takes_declarations(site: Site) -> None:
    pue = {"threshold": Decimal("1.25"), "warning": Decimal("0.1"), "window_days": 2}
    assert words(make_policy("pue", accepts_declared=True, **pue), site)[:2] == ("warning", "1.2")
    strict = words(make_policy("pue", slug="strict", **pue), site)
    assert strict == ("unknown", "not known", "Of 48 hours nobody told anything.")


def test_a_round_trip_counts_as_measured_or_within_the_band_of_its_estimate(site: Site) -> None:
    place = make_region("cn-beijing", latitude=Decimal("39.9"), longitude=Decimal("116.4"))
    policy = make_policy("latency", places=[place.slug], threshold=Decimal(31), warning=Decimal(0))
    assert words(policy, site)[0] == "unknown"
    RoundTrip.objects.create(
        site=site, region=place, measured_at=NOW - timedelta(hours=1), microseconds=30_500, sent=5, lost=0
    )
    assert words(policy, site)[:2] == ("complies", "30.5 ms")


def test_work_that_ran_where_it_may_not_breaks_residency(cast: Cast, fleet: Fleet, site: Site) -> None:
    make_delivery(
        owner=cast.owner, buyer=cast.buyer, fleet=fleet, cards=8, prices=["10"] * 2, start=MIDNIGHT - A_DAY
    )
    rule = {"jurisdiction": "CN", "threshold": Decimal(0), "warning": Decimal(0), "cure_days": 0}
    assert words(make_policy("residency", places=["EU"], **rule), site)[:2] == ("breach", "16 card-h")
    assert words(make_policy("residency", slug="home", places=["CN"], **rule), site)[0] == "complies"


def test_of_all_sites_at_once_the_figures_are_those_of_each(cast: Cast, fleet: Fleet, site: Site) -> None:
    """Every example that comes with the exchange, and three sites of which one is new and one is small."""
    added_up()
    days(fleet, *[50] * 60, sold=50)
    small = make_fleet(make_site(cast.owner), cards=8)
    days(small, *[10] * 60, sold=15)
    days(make_fleet(make_site(cast.owner), cards=8), *[10] * 2)
    make_region("cn-beijing", latitude=Decimal("39.9"), longitude=Decimal("116.4"))
    sham = make_delivery(
        owner=cast.owner, buyer=cast.buyer, fleet=small, cards=4, prices=["10"] * 24, start=MIDNIGHT - A_DAY
    ).agreement
    confirmed(sham)
    load_examples(actor=task_actor("a test"), now=NOW - A_DAY)
    make_policy("latency", places=["cn-beijing"], threshold=Decimal(20))
    for policy in policies_in_force(NOW):
        sites = list(sites_of(policy))
        assert sites
        bounds = bounds_by_site(policy, sites, now=NOW)
        for each in sites:
            standing = assess_one(policy, each, now=NOW).standing
            alone = None if standing.least is None else (standing.least, standing.most)
            assert bounds[each.pk] == alone, (policy.slug, each.pk)


def test_a_policy_holds_where_and_for_whom_it_says(site: Site, fleet: Fleet) -> None:
    make_policy(slug="large", least_cards=129)
    make_policy(slug="small", most_cards=127)
    make_policy(slug="abroad", jurisdiction="US")
    make_policy(slug="here", jurisdiction="CN", least_cards=128, most_cards=128)
    make_policy(slug="over", valid_until=NOW)
    make_policy(slug="later", valid_from=NOW + A_DAY)
    assert [each.policy.slug for each in assess(site, now=NOW)] == ["here"]
    assert [each.slug for each in policies_in_force(NOW) if site in sites_of(each)] == ["here"]


def figures(policy: Policy, **changes: Any) -> dict[str, Any]:
    names = ("threshold", "warning", "window_days", "cure_days", "least_cards", "most_cards")
    return {name: getattr(policy, name) for name in names} | changes


def test_what_is_enacted_is_the_next_version_and_holds_from_its_day_on(cast: Cast) -> None:
    first = make_policy()
    facts = {"valid_from": NOW + A_DAY, "source": "Decree 7", "now": NOW}
    second = enact(
        viewer=cast.viewer_of(cast.operator),
        policy=first,
        figures=figures(first, threshold=Decimal("0.5")),
        **facts,
    )
    assert (second.version, second.threshold, second.level, second.enacted_by) == (
        2,
        Decimal("0.5"),
        "active",
        cast.operator,
    )
    assert policies_in_force(NOW) == [first]
    assert policies_in_force(NOW + A_DAY) == [second]
    event = AuditEvent.objects.get(action="policy.enacted")
    assert event.data["threshold"] == ["0.4", "0.5"]
    with pytest.raises(InvalidInput, match="version 2"):
        enact(viewer=cast.viewer_of(cast.operator), policy=first, figures=figures(first), **facts)
    with refused("never_changed|kept as they are"):
        Policy.objects.filter(pk=first.pk).update(threshold=0)


def test_nobody_but_an_operator_enacts(cast: Cast) -> None:
    first = make_policy()
    facts = {"valid_from": NOW + A_DAY, "source": "Decree 7", "now": NOW}
    for person in (cast.auditor, cast.owner_admin):
        with pytest.raises(NotAllowed):
            enact(viewer=cast.viewer_of(person), policy=first, figures=figures(first), **facts)


def test_an_auditor_sees_who_would_fail_before_anything_is_enacted(
    cast: Cast, client: Client, fleet: Fleet
) -> None:
    added_up()
    days(fleet, *[50] * 10)
    other = make_fleet(make_site(cast.owner), cards=8)
    days(other, *[42] * 10)
    make_policy()
    client.force_login(cast.auditor)
    asked = {"threshold": "0.45", "warning": "0.05", "window_days": 10, "cure_days": 7, "least_cards": 0}
    page = client.get("/audit/policies/p-utilisation/", asked)
    assert page.context["counts"] == {"complies": 1, "warning": 1, "breach": 0, "unknown": 0}
    assert page.context["other"] == {"complies": 1, "warning": 0, "breach": 1, "unknown": 0}
    assert [(each["site"], each["before"], each["after"]) for each in page.context["changes"]] == [
        (other.site, "warning", "breach")
    ]
    assert "Enact the next version" not in page.content.decode()
    assert client.get("/audit/policies/p-utilisation/", asked | {"threshold": "45"}).status_code == 422
    assert Policy.objects.count() == 1


def test_an_operator_enacts_on_the_page(cast: Cast, client: Client) -> None:
    make_policy()
    client.force_login(cast.operator)
    facts = {
        "threshold": "0.45",
        "warning": "0.05",
        "window_days": 10,
        "cure_days": 7,
        "least_cards": 0,
        "valid_from": "2026-03-07T00:00",
        "source": "Decree 7",
    }
    answer = client.post("/audit/policies/p-utilisation/enact/", facts)
    assert answer.status_code == 302
    assert Policy.objects.get(version=2).threshold == Decimal("0.45")
