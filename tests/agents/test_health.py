"""An agent tells how it is; one that does not takes its site off the market, and brings it back by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from accounts.services import revoke_token
from marketplace.agent.exchange import Exchange, Refused, connect
from marketplace.agents.models import Agent
from marketplace.agents.selectors import Idle, idle_cards
from marketplace.agents.services import miss_agents
from marketplace.clearing.snapshot.supply import open_offers
from marketplace.clearing.snapshot.units import Window
from marketplace.clock import MarketClock
from marketplace.notifications import mailing
from marketplace.notifications.models import Event
from marketplace.supply.models import Site
from tests.agent.in_process import exchange_transport
from tests.agents_at_work import HOST, EnrolledAgent, agent_of
from tests.cast import Cast, bearer
from tests.conftest import NOW
from tests.factories import HOUR, START, make_fleet, make_offer, make_site, site_of
from tests.pages_market.scenes import make_rates

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def agent(cast: Cast) -> EnrolledAgent:
    return agent_of(cast.owner)


def beat(client: Client, agent: EnrolledAgent, **told: Any) -> Any:
    body = {
        "version": "0.1.0",
        "driver": "slurm",
        "unsent": 0,
        "unsent_since": None,
        "reconciled_at": "2026-03-02T08:20:00Z",
        "site_time": int(NOW.timestamp()),
    } | told
    return client.post(
        "/api/v1/agent/heartbeat", body, content_type="application/json", headers=bearer(agent.secret)
    )


def page(client: Client, cast: Cast, site: Site) -> str:
    client.force_login(cast.owner_viewer)
    return client.get(reverse("agents:site", args=[site.pk])).content.decode()


def test_the_page_says_how_the_agent_is_and_what_to_do(
    cast: Cast, client: Client, agent: EnrolledAgent
) -> None:
    site = agent.agent.site
    assert "It has enrolled and not reported yet." in page(client, cast, site)
    assert beat(client, agent).json() == {"silent_after": 900}
    assert "All is well:" in page(client, cast, site)
    beat(
        client,
        agent,
        site_time=int(NOW.timestamp()) - 300,
        unsent=7,
        unsent_since="2026-03-02T04:00:00Z",
        reconciled_at="2026-03-02T07:00:00Z",
        version="0.0.9",
    )
    known = Agent.objects.get()
    assert (known.unsent, known.driver, known.version) == (7, "slurm", "0.0.9")
    assert abs(known.clock_ahead + 300) <= 5
    shown = page(client, cast, site)
    for words in (
        "seconds behind.",
        "Set up NTP",
        "Usage waits to be told",
        "cardhour-agent status",
        "not gone through all deliveries",
        "journalctl",
        "It is version 0.0.9; this exchange ships 0.1.0.",
    ):
        assert words in shown
    client.force_login(cast.operator)
    row = client.get(reverse("agents:list")).content.decode()
    assert (str(site) in row, "0.0.9" in row) == (True, True)


@pytest.mark.parametrize(
    "change",
    [{"unsent": -1}, {"unsent": 2**40}, {"site_time": -1}, {"version": "x" * 41}, {"unsent_since": "soon"}],
)
def test_nonsense_is_refused(client: Client, agent: EnrolledAgent, change: dict[str, Any]) -> None:
    assert beat(client, agent, **change).status_code == 422
    assert Agent.objects.get().seen_at is None


def offered(now: datetime) -> set[int]:
    return {offer.pk for offer in open_offers(Window(START, 24), now, None)}


def test_a_silent_agent_takes_its_site_off_the_market_and_brings_it_back(
    cast: Cast,
    client: Client,
    agent: EnrolledAgent,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_rates()
    mine = make_offer(make_fleet(agent.agent.site), cards=8)
    elsewhere = make_offer(make_fleet(make_site(cast.owner)), cards=8)  # no agent was ever there
    beat(client, agent)
    assert miss_agents(now=now + 14 * MINUTE) == 0
    later = now + 16 * MINUTE
    assert [miss_agents(now=later), miss_agents(now=later + MINUTE)] == [1, 0]
    site = Site.objects.get(pk=agent.agent.site_id)
    assert site.agent_silent_since == later
    assert Event.objects.get().facts == {"site": str(site)}
    assert len(AuditEvent.objects.filter(action="site.agent_silent", organisation=cast.owner)) == 1
    monkeypatch.setattr(MarketClock, "now", lambda _clock: later)

    assert offered(later) == {elsewhere.pk}
    client.force_login(cast.owner_trader)
    for address in (
        reverse("home"),
        reverse("supply:offers"),
        reverse("supply:site", args=[site.pk]),
        reverse("supply:offer", args=[mine.pk]),
        reverse("agents:site", args=[site.pk]),
    ):
        assert "silent" in client.get(address).content.decode(), address

    assert beat(client, agent).status_code == 200
    assert Site.objects.get(pk=site.pk).agent_silent_since is None
    assert offered(later) == {mine.pk, elsewhere.pk}
    assert AuditEvent.objects.filter(action="site.agent_heard_again").count() == 1
    assert miss_agents(now=later + MINUTE) == 0


def test_those_who_trade_for_the_owner_are_written_to(
    cast: Cast, agent: EnrolledAgent, now: datetime
) -> None:
    people = {user.email for user in (cast.owner_admin, cast.owner_trader)}
    assert cast.owner_viewer
    assert cast.stranger
    miss_agents(now=now + 16 * MINUTE)
    mailing.mail_at_once(now=now + 16 * MINUTE)
    assert {message.to[0] for message in mail.outbox} == people


def test_a_site_whose_agent_was_revoked_goes_off_too(cast: Cast, agent: EnrolledAgent, now: datetime) -> None:
    """Nothing is delivered there any more. Another agent brings it back."""
    revoke_token(viewer=cast.viewer_of(cast.owner_admin), token=agent.agent.token, now=now)
    assert miss_agents(now=now + 16 * MINUTE) == 1


def test_in_a_demo_whose_clock_runs_fast_agents_have_as_long(
    cast: Cast, agent: EnrolledAgent, now: datetime, settings: Any
) -> None:
    settings.CLOCK_SPEED = 120
    assert miss_agents(now=now + 120 * 14 * MINUTE) == 0
    assert miss_agents(now=now + 120 * 16 * MINUTE) == 1
    assert site_of(cast.owner).agent_silent_since is not None


def test_idle_cards_are_shown_with_what_is_known_of_them(
    cast: Cast, client: Client, agent: EnrolledAgent
) -> None:
    told = {
        "n1/0": {"power.mean": 71, "energy.wh": 71},
        "n1/1": {"power.mean": 70},
        "n1/2": {"memory.mean": 0},
    }
    transport = exchange_transport()
    with connect(HOST, agent.auth, transport=transport) as line:
        for cards in ({"n1/0": {"power.mean": 9}}, told):  # told again, the last one counts
            Exchange(line).idle_cards("2026-03-02T07:00:00Z", cards)
        with pytest.raises(Refused, match="invalid_input"):
            Exchange(line).idle_cards("2026-03-02T07:00:00Z", {"n1/0": {"price": 1}})
        with pytest.raises(Refused, match="invalid_input"):
            Exchange(line).idle_cards("2026-03-02T07:30:00Z", told)
    assert idle_cards(agent.agent.site) == Idle(START - 2 * HOUR, 3, power=141, energy=71)
    assert "141 W" in page(client, cast, agent.agent.site)
