"""What the simulated site agent decides by itself: steps, intervals, quantities, and what it imports."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from demo.agent import Accepted, Agents, SiteAgent, due_at
from demo.agent_meters import events, intervals, watt_hours
from demo.agent_steps import Delivery, next_step, steps_until
from demo.http import Exchange, Patience, Refused, Unavailable, chunks, read_json, write_json

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SCHEDULED = Delivery(
    id=7,
    site=3,
    state="scheduled",
    state_since=None,
    starts_at=START,
    ends_at=START + 2 * HOUR,
    active_from=None,
    active_until=None,
    cards=4,
    model="h800",
    memory_gb="80.00",
    tdp_w=700,
)
ACTIVE = replace(SCHEDULED, state="active", state_since=START, active_from=START)


def test_the_agent_imports_nothing_of_the_exchange() -> None:
    """But how the real agent of a site signs, which knows nothing of the exchange either."""
    forbidden = {"django", "rest_framework", "celery", "accounts", "billing"}
    program = "import sys, demo.agent; print(*{name.split('.')[0] for name in sys.modules}, *sys.modules)"
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert "httpx" in ran.stdout.split()
    imported = set(ran.stdout.split())
    assert not forbidden & imported
    ours = {name for name in imported if name.startswith("marketplace.")}
    assert {name for name in ours if not name.startswith("marketplace.agent.")} == {"marketplace.agent"}


def test_a_delivery_sold_early_is_active_at_its_very_start() -> None:
    early = START - 40 * MINUTE
    assert [(s.to, s.at) for s in steps_until(SCHEDULED, early)] == [("provisioning", early)]
    provisioning = replace(SCHEDULED, state="provisioning", state_since=early)
    steps = [(step.to, step.at) for step in steps_until(provisioning, START + MINUTE)]
    assert steps == [("accepting", early + 3 * MINUTE), ("active", START)]


def test_a_delivery_sold_late_is_active_after_its_acceptance() -> None:
    provisioning = replace(SCHEDULED, state="provisioning", state_since=START - MINUTE)
    assert [step.at for step in steps_until(provisioning, START + 5 * MINUTE)] == [START + 2 * MINUTE]
    assert [step.to for step in steps_until(provisioning, START + 6 * MINUTE)] == ["accepting", "active"]


def test_nothing_becomes_active_after_its_window() -> None:
    late = replace(SCHEDULED, state="accepting", state_since=SCHEDULED.ends_at - MINUTE)
    assert list(steps_until(late, SCHEDULED.ends_at + HOUR)) == []
    assert next_step(ACTIVE, START) is None


def test_time_is_cut_at_half_hours_and_at_the_ends_of_activity() -> None:
    late = replace(ACTIVE, active_from=START + 10 * MINUTE, active_until=START + 95 * MINUTE)
    cut = [(i.starts_at - START, i.ends_at - START) for i in intervals(late, None, START + timedelta(days=1))]
    assert cut == [
        (10 * MINUTE, 30 * MINUTE),
        (30 * MINUTE, 60 * MINUTE),
        (60 * MINUTE, 90 * MINUTE),
        (90 * MINUTE, 95 * MINUTE),
    ]


def test_only_what_is_over_is_metered_and_what_was_accepted_is_not_metered_again() -> None:
    assert len(list(intervals(ACTIVE, None, START + 59 * MINUTE))) == 1
    since = START + 30 * MINUTE
    assert [i.starts_at for i in intervals(ACTIVE, since, START + HOUR)] == [since]
    assert list(intervals(SCHEDULED, None, START + HOUR)) == []


def test_the_same_usage_is_the_same_events() -> None:
    first, second = (
        [events(ACTIVE, interval) for interval in intervals(delivery, None, now)]
        for delivery, now in (
            (ACTIVE, START + HOUR),
            (replace(ACTIVE, state="ended", active_until=ACTIVE.ends_at), START + 9 * HOUR),
        )
    )
    assert second[: len(first)] == first
    assert len({event["id"] for made in second for event in made}) == 4 * 3


def test_quantities_are_whole_and_possible() -> None:
    (interval,) = intervals(ACTIVE, None, START + 30 * MINUTE)
    allocated, active, energy = (event["data"]["quantity"] for event in events(ACTIVE, interval))
    assert allocated == 4 * 1800
    assert 0 <= active <= allocated
    assert energy == watt_hours(700, allocated, active)
    assert watt_hours(700, 3600, 3600) == 700
    assert watt_hours(700, 3600, 0) == 175
    assert [event["data"]["meter"] for event in events(replace(ACTIVE, tdp_w=None), interval)] == [
        "card-seconds.allocated",
        "card-seconds.active",
    ]


def test_what_was_accepted_survives_a_restart_and_a_torn_file(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    accepted = Accepted.load(file)
    accepted.note(ACTIVE, START)
    accepted.note(replace(ACTIVE, id=8), START + 72 * HOUR)
    accepted.save()
    assert Accepted.load(file).until == {8: START + 72 * HOUR}
    file.write_text('{"8": "20')
    assert Accepted.load(file).until == {}


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1})
    assert read_json(tmp_path / "x.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert read_json(tmp_path / "none.json") is None


def test_chunks_keep_the_order() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]


def exchange(answer: httpx.Response | Exception) -> Exchange:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Exchange(httpx.Client(base_url="http://exchange", transport=httpx.MockTransport(handle)), "t")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(503, json={}),
        httpx.Response(502, text="<html>"),
        httpx.Response(429, json={}),
        httpx.Response(409, json={"code": "idempotency_key_in_use"}),
    ],
)
def test_what_may_work_later_is_tried_later_and_longer_each_time(
    answer: httpx.Response | Exception, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable):
        exchange(answer).get("/")
    owner = SiteAgent("1", exchange(answer), Accepted(tmp_path / "state.json"), catch_up=False)
    agents = Agents([owner])
    assert [agents.turn() for _ in range(6)] == [1, 2, 4, 8, 15, 15]
    assert owner.catch_up


def test_one_owner_that_is_refused_does_not_hold_up_the_others(tmp_path: Path) -> None:
    nothing = {"market_time": START.isoformat(), "clock_speed": 120, "next": None, "results": []}
    accepted = Accepted(tmp_path / "state.json")
    refused = SiteAgent("1", exchange(httpx.Response(401, json={})), accepted)
    fine = SiteAgent("2", exchange(httpx.Response(200, json=nothing)), accepted)
    agents = Agents([refused, fine])
    agents.turn()
    assert list(agents.due) == ["2"]


def test_the_agent_looks_again_in_time_for_a_beginning_an_end_and_a_half_hour() -> None:
    soon, half = START - 4 * MINUTE, START + 30 * MINUTE
    for delivery, now, due in (
        (SCHEDULED, START - HOUR, START - 40 * MINUTE),
        (SCHEDULED, soon, START),
        (replace(SCHEDULED, state="accepting", state_since=soon), soon, START),
        (replace(SCHEDULED, state="accepting", state_since=START), START, START + 4 * MINUTE),
        (ACTIVE, START + 5 * MINUTE, half),
        (replace(ACTIVE, ends_at=START + 20 * MINUTE), START + 5 * MINUTE, START + 20 * MINUTE),
        (ACTIVE, ACTIVE.ends_at + MINUTE, ACTIVE.ends_at + MINUTE),
    ):
        assert due_at(delivery, now) == due


def test_a_refusal_is_told_from_an_outage() -> None:
    with pytest.raises(Refused, match="422 invalid_input: no") as refusal:
        exchange(httpx.Response(422, json={"code": "invalid_input", "detail": "no"})).post("/", {})
    assert refusal.value.status == 422
    patience = Patience()
    patience.failed()
    patience.succeeded()
    assert patience.failed() == 1
