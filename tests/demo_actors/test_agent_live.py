"""The simulated agent against a live exchange: from sold to metered, whatever dies on the way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum
from pytest_django.live_server_helper import LiveServer

from accounts.models import Scope
from billing.metering.models import Reading, ReadingConflict
from demo import agent
from demo.http import connect
from marketplace.delivery.models import Delivery
from marketplace.delivery.services import Step, fail_overdue, take_step
from tests.cast import Cast
from tests.delivery.agreements import make_agreement
from tests.demo_actors.conftest import Hands
from tests.factories import HOUR, START

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.delivery.urls")]

END = START + 2 * HOUR
MINUTE = timedelta(minutes=1)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def tokens(cast: Cast, tmp_path: Path) -> Path:
    """The agents of two sites, of which one has nothing to deliver."""
    agents = [cast.agent(owner) for owner in (cast.owner, cast.other_owner)]
    rows = [
        {"site": one.agent.site_id, "token": one.secret, "key": one.identity.key.secret} for one in agents
    ]
    file = tmp_path / "demo-agents.json"
    file.write_text(json.dumps(rows))
    return file


@pytest.fixture
def start_agents(live_server: LiveServer, tokens: Path) -> Iterator[Callable[[], agent.Agents]]:
    """Each call is a new process that knows nothing but the files."""
    with connect(live_server.url) as client:
        yield lambda: agent.agents_of(client, tokens)


def forget(tokens: Path) -> None:
    tokens.with_name("demo-agents-state.json").unlink(missing_ok=True)


def turn(agents: agent.Agents) -> None:
    agents.due.clear()
    agents.turn()


def readings() -> dict[str, int]:
    sums = Reading.objects.values_list("meter").annotate(total=Sum("quantity")).order_by("meter")
    return dict(sums)


def test_from_sold_to_ended_with_every_second_metered_once(
    cast: Cast, hands: Hands, start_agents: Callable[[], agent.Agents]
) -> None:
    agreement = make_agreement(owner=cast.owner, buyer=cast.buyer, cards=8)
    agents = start_agents()
    states = []
    for minute in (-40, -30, -20, 0, 31, 61, 95, 120):
        hands.set(START + minute * MINUTE)
        turn(agents)
        states.append(Delivery.objects.get().state)
    assert states == ["provisioning", "accepting", "accepting", *["active"] * 4, "ended"]
    delivery = agreement.delivery
    assert (delivery.active_from, delivery.active_until) == (START, END)
    assert delivery.acceptance["cards_visible"] == 8
    assert readings()["card-seconds.allocated"] == 8 * 2 * 3600
    assert Reading.objects.count() == 4 * 3
    assert 0 < readings()["energy.wh"] <= 8 * 2 * 700
    assert 0 <= readings()["card-seconds.active"] <= 8 * 2 * 3600


def test_a_restart_that_remembers_nothing_counts_nothing_twice(
    cast: Cast, hands: Hands, start_agents: Callable[[], agent.Agents], tokens: Path
) -> None:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    for minute in (-40, -30, 0, 5, 31, 61, 95, 120, 150):
        hands.set(START + minute * MINUTE)
        forget(tokens)
        turn(start_agents())
    assert Delivery.objects.get().state == "ended"
    assert readings()["card-seconds.allocated"] == 8 * 2 * 3600
    assert Reading.objects.count() == 4 * 3
    assert not ReadingConflict.objects.exists()


def test_what_ended_without_the_agent_is_metered_when_it_comes_back(
    cast: Cast, hands: Hands, start_agents: Callable[[], agent.Agents]
) -> None:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    for minute in (-40, -30, 0, 31):
        hands.set(START + minute * MINUTE)
        turn(start_agents())
    hands.set(END + HOUR)
    assert fail_overdue(now=hands.now) == ["ended"]
    assert Reading.objects.count() == 3
    agents = start_agents()
    turn(agents)
    assert Reading.objects.count() == 4 * 3
    assert readings()["card-seconds.allocated"] == 8 * 2 * 3600
    turn(agents)
    assert Delivery.objects.get().state == "ended"


def test_what_failed_unnoticed_is_metered_until_it_failed(
    cast: Cast, hands: Hands, start_agents: Callable[[], agent.Agents]
) -> None:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    agents = start_agents()
    for minute in (-40, -30, 0, 5):
        hands.set(START + minute * MINUTE)
        turn(agents)
    failed = START + 40 * MINUTE
    step = Step("failed", failed, {"reason": "fire"})
    site = cast.viewer_of_token(cast.owner, Scope.AGENT)
    hands.set(START + HOUR)
    take_step(viewer=site, delivery=Delivery.objects.get(), step=step, now=hands.now)
    for one in agents.sites:
        one.clock = replace(one.clock, told=hands.now)
    turn(agents)
    turn(agents)
    assert readings()["card-seconds.allocated"] == 8 * 40 * 60


def test_a_delivery_sold_in_the_last_minute_is_active_as_soon_as_it_can_be(
    cast: Cast, hands: Hands, start_agents: Callable[[], agent.Agents]
) -> None:
    hands.set(START - MINUTE)
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    agents = start_agents()
    for minute in (-1, 2, 4, 6, 8):
        hands.set(START + minute * MINUTE)
        turn(agents)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.active_from) == ("active", START + 6 * MINUTE)


def test_many_deliveries_need_few_requests(
    cast: Cast, hands: Hands, live_server: LiveServer, tokens: Path
) -> None:
    for _ in range(12):
        make_agreement(owner=cast.owner, buyer=cast.buyer, cards=2)
    asked: list[str] = []
    with connect(live_server.url) as client:
        client.event_hooks["request"] = [lambda request: asked.append(request.url.path)]
        agents = agent.agents_of(client, tokens)
        for minute in (-40, -30, 0):
            hands.set(START + minute * MINUTE)
            turn(agents)
        asked.clear()
        hands.set(END)
        turn(agents)
    assert sorted(asked) == [
        "/api/v1/agent/deliveries",
        "/api/v1/agent/deliveries",
        "/api/v1/agent/transitions",
        "/api/v1/meter-events",
    ]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"ended"}
    assert Reading.objects.count() == 12 * 4 * 3


def test_killed_at_any_moment_it_goes_on_where_it_was(
    cast: Cast, hands: Hands, live_server: LiveServer, tokens: Path
) -> None:
    for _ in range(3):
        make_agreement(owner=cast.owner, buyer=cast.buyer, cards=4)
    hands.set(START - 40 * MINUTE)
    for moment, reached in (
        (hands.now, lambda: _in_state("provisioning")),
        (START, lambda: _in_state("active")),
        (START + HOUR, lambda: Reading.objects.count() > 0),
        (END, lambda: _in_state("ended")),
    ):
        hands.set(moment)
        with _process(live_server.url, tokens) as process:
            _wait_for(reached, process)
            process.kill()
    assert readings()["card-seconds.allocated"] == 3 * 4 * 2 * 3600
    assert Reading.objects.count() == 3 * 4 * 3
    assert not ReadingConflict.objects.exists()


def _process(url: str, tokens: Path) -> subprocess.Popen[Any]:
    command = [sys.executable, "-m", "demo.agent", "--url", url, "--tokens", str(tokens)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def _in_state(state: str) -> bool:
    return set(Delivery.objects.values_list("state", flat=True)) == {state}


def _wait_for(reached: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        assert process.poll() is None, "the agent stopped by itself"
        assert time.monotonic() < deadline, Delivery.objects.values_list("state", flat=True)
        time.sleep(0.05)
