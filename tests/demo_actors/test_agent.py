"""The simulated sites against a live exchange: from sold to metered, whatever dies on the way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum
from pytest_django.live_server_helper import LiveServer

from billing.metering.models import Reading, ReadingConflict
from demo.agent import Agents, agents_of
from demo.enrolment import agents_to_run, appoint_administrators
from marketplace.agent.events import ALLOCATED
from marketplace.agents.models import Agent
from marketplace.delivery.models import AcceptanceTest, AccessDetails, Delivery
from marketplace.delivery.services import fail_overdue
from marketplace.supply.models import RoundTrip
from tests.cast import Cast
from tests.delivery.agreements import make_agreement
from tests.demo_actors.conftest import Hands
from tests.factories import HOUR, START, make_region

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.demo_actors.urls")]

END = START + 2 * HOUR
MINUTE = timedelta(minutes=1)
SETTLED = 2 * MINUTE
FILES = ExitStack()
"""What the agents of a test opened."""

ROOT = Path(__file__).parents[2]
MOMENTS = (-40 * MINUTE, 0 * HOUR, HOUR + SETTLED, 2 * HOUR, 2 * HOUR + SETTLED)
OF_A_CARD = 2 * 3600


@pytest.fixture
def sites(cast: Cast, hands: Hands, tmp_path: Path) -> Callable[[], Path]:
    """The list of sites as each start of the demo writes it."""

    def write() -> Path:
        appoint_administrators()
        rows = agents_to_run(now=hands.now, wall_now=datetime.now(UTC))
        file = tmp_path / "demo-agents.json"
        file.write_text(json.dumps(rows, default=str))
        return file

    return write


@pytest.fixture
def start_agents(live_server: LiveServer, sites: Callable[[], Path]) -> Iterator[Callable[[], Agents]]:
    """Each call is a new process that knows nothing but the files."""
    with FILES:
        yield lambda: agents_of(live_server.url, sites(), FILES)


def turn(agents: Agents) -> None:
    agents.look_at_the_clock()
    for worker in agents.workers:
        for site in worker.sites:
            site.has_to = True  # the clock was turned
            done = site.look(worker.link, FILES)
            assert done is None or done.problems == []


def readings() -> dict[str, int]:
    sums = Reading.objects.values_list("meter").annotate(total=Sum("quantity")).order_by("meter")
    return dict(sums)


def test_the_agents_import_nothing_of_the_exchange() -> None:
    program = "import sys, demo.agent; print(*{name.split('.')[0] for name in sys.modules}, *sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = set(ran.stdout.split())
    assert "httpx" in imported
    assert not {"django", "rest_framework", "celery", "accounts", "billing"} & imported
    ours = {name for name in imported if name.startswith("marketplace.")}
    assert {name for name in ours if not name.startswith("marketplace.agent.")} == {"marketplace.agent"}


def test_from_enrolled_to_ended_with_every_second_metered_once(
    cast: Cast, hands: Hands, start_agents: Callable[[], Agents], settings: Any
) -> None:
    settings.NETWORK_PROBES = {"beijing": "beijing.probe.invalid:443"}
    make_region("beijing")
    agreement = make_agreement(owner=cast.owner, buyer=cast.buyer, cards=8)
    agents = start_agents()
    states = []
    for moment in MOMENTS:
        hands.set(START + moment)
        turn(agents)
        states.append(Delivery.objects.get().state)
    assert states == ["accepting", "active", "active", "active", "ended"]
    delivery = agreement.delivery
    assert START <= delivery.active_from <= START + timedelta(seconds=3)
    assert delivery.active_until == END
    lost = 8 * int((delivery.active_from - START).total_seconds())
    assert readings()[ALLOCATED] == pytest.approx(8 * OF_A_CARD - lost, abs=8)
    assert 0 <= readings()["card-seconds.active"] <= 8 * OF_A_CARD
    test = AcceptanceTest.objects.get()
    assert (test.passed, test.evidence["note"]) == (True, "Invented by the demo: no card was measured.")
    [trip] = test.evidence["round_trips"]
    assert (trip["region"], trip["lost"]) == ("beijing", 0)
    assert Agent.objects.get(site=delivery.site).driver == "demo"
    assert all(trip.microseconds for trip in RoundTrip.objects.all())
    assert RoundTrip.objects.exists()


def test_a_restart_that_lost_its_buffer_counts_nothing_twice(
    cast: Cast, hands: Hands, start_agents: Callable[[], Agents], tmp_path: Path
) -> None:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    for moment in (*MOMENTS, 2 * HOUR + 5 * MINUTE):
        hands.set(START + moment)
        turn(start_agents())
        for file in tmp_path.glob("demo-agents/*/buffer.sqlite3*"):
            file.unlink()
    assert Delivery.objects.get().state == "ended"
    assert Reading.objects.filter(meter=ALLOCATED).count() == 2
    assert not ReadingConflict.objects.exists()


def test_what_ended_without_the_agent_is_metered_when_it_comes_back(
    cast: Cast, hands: Hands, start_agents: Callable[[], Agents]
) -> None:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    for moment in MOMENTS[:2]:
        hands.set(START + moment)
        turn(start_agents())
    hands.set(END + HOUR)
    assert fail_overdue(now=hands.now) == ["ended"]
    assert not Reading.objects.exists()
    for _ in range(2):
        turn(start_agents())
    assert Reading.objects.filter(meter=ALLOCATED).count() == 2


def test_an_agent_that_was_never_heard_gets_another_code(
    cast: Cast, hands: Hands, sites: Callable[[], Path], start_agents: Callable[[], Agents], tmp_path: Path
) -> None:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    turn(start_agents())
    assert {row["code"] for row in json.loads(sites().read_text())} == {""}
    Agent.objects.update(seen_at=None)
    for file in tmp_path.glob("demo-agents/*/identity.json"):
        file.unlink()
    turn(start_agents())
    assert Agent.objects.filter(token__revoked_at=None).count() == 1


def test_killed_at_any_moment_it_goes_on_where_it_was(
    cast: Cast, hands: Hands, live_server: LiveServer, sites: Callable[[], Path]
) -> None:
    for _ in range(3):
        make_agreement(owner=cast.owner, buyer=cast.buyer, cards=4)
    for moment, reached in (
        (-40 * MINUTE, lambda: _in_state("accepting")),
        (0 * HOUR, lambda: _in_state("active")),
        (HOUR + SETTLED, lambda: Reading.objects.count() > 0),
        (2 * HOUR + SETTLED, lambda: _in_state("ended")),
    ):
        hands.set(START + moment)
        with _process(live_server.url, sites()) as process:
            _wait_for(reached, process)
            process.kill()
    assert Reading.objects.filter(meter=ALLOCATED).count() == 3 * 2
    assert AccessDetails.objects.count() == 3
    assert not ReadingConflict.objects.exists()


def _process(url: str, sites: Path) -> subprocess.Popen[Any]:
    command = [sys.executable, "-m", "demo.agent", "--url", url, "--sites", str(sites)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def _in_state(state: str) -> bool:
    return set(Delivery.objects.values_list("state", flat=True)) == {state}


def _wait_for(reached: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + 40
    while not reached():
        assert process.poll() is None, "the agents stopped by themselves"
        assert time.monotonic() < deadline, Delivery.objects.values_list("state", flat=True)
        time.sleep(0.05)
