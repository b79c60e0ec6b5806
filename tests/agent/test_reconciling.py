"""The agent against the exchange itself: whatever dies on the way, the end and the money are the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing.metering.models import MeteredHour, ReadingConflict
from marketplace.agent.buffer import Buffer
from marketplace.agent.errors import AgentError
from marketplace.agent.exchange import Exchange, Unavailable, connect
from marketplace.agent.reconciling import Reconciler
from marketplace.agent.usage import Holding
from marketplace.clock import MarketClock
from marketplace.delivery.models import Delivery, DeliveryTransition
from marketplace.delivery.services import evict, fail_overdue, give_back, suspend
from tests.agent.in_process import exchange_transport
from tests.agent.memory_site import MemorySite
from tests.cast import Cast
from tests.delivery.agreements import make_agreement
from tests.factories import HOUR, START

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.delivery.urls")]

MINUTE = timedelta(minutes=1)
BEGIN, END = int(START.timestamp()), int((START + 2 * HOUR).timestamp())
# One job over the border of the hours, one in each, and one that outlives the delivery.
JOBS = [
    Holding(4, BEGIN + 600, BEGIN + 4_200),
    Holding(2, BEGIN + 60, BEGIN + 90),
    Holding(4, BEGIN + 5_000, None, paused=0),
]
OF_THE_FIRST_HOUR = 4 * 3_000 + 2 * 30
OF_THE_SECOND = 4 * 600 + 4 * 2_200
MOMENTS = [
    -40 * MINUTE,
    0 * MINUTE,
    HOUR + 2 * MINUTE,
    2 * HOUR,
    2 * HOUR + 2 * MINUTE,
    2 * HOUR + 3 * MINUTE,
]


CHANGES = {
    "take_step",
    "give_access",
    "provide",
    "accept",
    "stop",
    "remove",
    "note",
    "send_events",
    "remember",
}


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@dataclass
class Fuse:
    """Kills when the n-th thing outside of the process was done, and before it is known here."""

    left: int | None = None
    done: list[str] = field(default_factory=list)

    def burn(self, what: str, do: Callable[[], Any]) -> Any:
        result = do()
        if what not in CHANGES:
            return result
        self.done.append(what)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed(what)
        return result


class Fused:
    """Anything whose methods go through a fuse."""

    def __init__(self, behind: Any, fuse: Fuse) -> None:
        self._behind, self._fuse = behind, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._behind, name)
        return lambda *args, **kw: self._fuse.burn(name, lambda: method(*args, **kw))


@dataclass
class Hands:
    """The clock of the market and of the site: it stands where it is put."""

    now: datetime = START + MOMENTS[0]


@dataclass
class Scene:
    """A delivery, its site, and an agent that may be killed."""

    delivery: int
    client: httpx.Client
    path: Path
    hands: Hands = field(default_factory=Hands)
    site: MemorySite = field(default_factory=lambda: MemorySite(memory_gb="80"))
    fuse: Fuse = field(default_factory=Fuse)
    ahead: int = 0
    agent: Reconciler | None = None

    def start(self) -> Reconciler:
        """A new process that knows nothing but the file."""
        if self.agent is not None:
            self.agent.buffer._behind.close()  # type: ignore[attr-defined]
        exchange = Exchange(self.client, sleep=lambda _seconds: None)
        self.agent = Reconciler(
            Fused(exchange, self.fuse),  # type: ignore[arg-type]
            Fused(self.site, self.fuse),  # type: ignore[arg-type]
            Fused(Buffer.open(self.path), self.fuse),  # type: ignore[arg-type]
            clock=lambda: self.hands.now.timestamp() + self.ahead,
            full_every=0,
        )
        return self.agent

    def turn(self) -> list[str]:
        """One turn, in a new process where the old one was killed; returns the problems."""
        agent = self.agent or self.start()
        try:
            return [problem for _, problem in agent.turn().problems]
        except Killed:
            self.fuse.left = None
            return [problem for _, problem in self.start().turn().problems]

    def live(self, moments: list[timedelta] = MOMENTS) -> None:
        for moment in moments:
            self.hands.now = START + moment
            assert self.turn() == []

    def counted(self) -> list[int]:
        hours = MeteredHour.objects.filter(delivery=self.delivery, meter="card-seconds.allocated")
        return [int(hour.quantity) for hour in hours.order_by("slot")]

    def is_over(self) -> bool:
        """As it must end, whatever happened."""
        delivery = Delivery.objects.get(pk=self.delivery)
        steps = DeliveryTransition.objects.filter(delivery=delivery).order_by("pk")
        assert [step.to_state for step in steps] == ["provisioning", "accepting", "active", "ended"]
        assert not ReadingConflict.objects.exists()
        return delivery.state == "ended" and not self.site.provided


@pytest.fixture
def scene(cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    agent = cast.agent(cast.owner)
    with connect("http://testserver", agent.auth, transport=exchange_transport()) as client:
        scene = Scene(0, client, tmp_path / "buffer.sqlite3")
        monkeypatch.setattr(MarketClock, "now", lambda _clock: scene.hands.now)
        Exchange(client).deliveries()
        scene.delivery = Delivery.objects.get().pk
        scene.site.jobs[scene.delivery] = JOBS
        yield scene
        if scene.agent is not None:
            scene.agent.buffer._behind.close()  # type: ignore[attr-defined]


def test_from_sold_to_metered(scene: Scene, cast: Cast) -> None:
    scene.live(MOMENTS[:1])
    assert Delivery.objects.get().state == "accepting"
    assert scene.site.provided[scene.delivery].buyer == cast.buyer.pk
    scene.live(MOMENTS[1:3])
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.active_from) == ("active", START)
    assert scene.counted() == [OF_THE_FIRST_HOUR]
    scene.live(MOMENTS[3:])
    assert scene.counted() == [OF_THE_FIRST_HOUR, OF_THE_SECOND]
    assert scene.is_over()


def test_killed_at_any_step_it_goes_on_where_it_was(scene: Scene, cast: Cast, tmp_path: Path) -> None:
    """For each change that a whole life makes: killed when it is made, and started again."""
    scene.live()
    changes = list(scene.fuse.done)
    assert set(changes) == CHANGES
    for killed_at, change in enumerate(changes, start=1):
        make_agreement(owner=cast.owner, buyer=cast.buyer)
        scene.hands.now = START + MOMENTS[0]
        Exchange(scene.client).deliveries()
        pk = Delivery.objects.latest("pk").pk
        site, fuse = MemorySite(jobs={pk: JOBS}, memory_gb="80"), Fuse(killed_at)
        path = tmp_path / f"{killed_at}.sqlite3"
        again = replace(scene, delivery=pk, path=path, site=site, fuse=fuse, agent=None)
        again.live()
        assert fuse.left is None, change
        assert again.counted() == [OF_THE_FIRST_HOUR, OF_THE_SECOND], change
        assert again.is_over(), change
        again.agent.buffer._behind.close()  # type: ignore[union-attr]


def test_a_day_without_the_exchange_changes_no_figure(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The buyer's time ends at its end all the same, and the exchange ends the delivery itself."""
    scene.live([*MOMENTS[:2], MINUTE])
    with monkeypatch.context() as cut:
        cut.setattr(scene.client, "_transport", httpx.MockTransport(lambda _: httpx.Response(503)))
        for minutes in (62, 119, 121, 24 * 60):
            scene.hands.now = START + minutes * MINUTE
            with pytest.raises(Unavailable):
                scene.turn()
    assert scene.site.stopped == {scene.delivery}
    assert scene.agent is not None
    assert scene.agent.buffer.waiting() == 2
    assert scene.counted() == []
    fail_overdue(now=scene.hands.now)
    assert scene.turn() == []
    assert scene.counted() == [OF_THE_FIRST_HOUR, OF_THE_SECOND]
    delivery = Delivery.objects.get()
    assert (delivery.state, scene.site.provided) == ("ended", {})


def test_time_ends_without_the_exchange_even_if_it_had_only_just_begun(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.live(MOMENTS[:2])
    monkeypatch.setattr(scene.client, "_transport", httpx.MockTransport(lambda _: httpx.Response(503)))
    scene.hands.now = START + 2 * HOUR
    with pytest.raises(Unavailable):
        scene.turn()
    assert scene.site.stopped == {scene.delivery}


def test_a_lost_buffer_changes_no_figure(scene: Scene) -> None:
    scene.live(MOMENTS[:3])
    scene.path = scene.path.with_name("new.sqlite3")
    scene.start()
    scene.live(MOMENTS[3:])
    assert scene.counted() == [OF_THE_FIRST_HOUR, OF_THE_SECOND]
    assert scene.is_over()


@pytest.mark.parametrize("ahead", [-300, -2, 2, 300])
def test_a_site_whose_clock_is_wrong_is_metered_alike(scene: Scene, ahead: int) -> None:
    """Two seconds are taken for none: they are within what a poll takes."""
    scene.ahead = ahead
    if abs(ahead) > 2:
        scene.site.shifted(ahead)
    scene.live()
    assert scene.counted() == [OF_THE_FIRST_HOUR, OF_THE_SECOND]
    assert scene.is_over()


def test_a_clock_that_is_set_right_changes_no_hour_that_was_metered(scene: Scene) -> None:
    scene.ahead = 300
    scene.site.shifted(300)
    scene.live(MOMENTS[:3])
    scene.ahead = 0
    scene.site.jobs[scene.delivery] = JOBS[-1:]
    scene.live(MOMENTS[3:])
    assert scene.counted() == [OF_THE_FIRST_HOUR, 4 * 2_200]


@pytest.mark.parametrize("seed", range(4))
def test_a_line_that_is_cut_at_random_changes_no_figure(scene: Scene, seed: int) -> None:
    """Of all requests a quarter never arrives, and of a quarter the answer is lost."""
    chance, whole = random.Random(seed), scene.client._transport

    def cut(request: httpx.Request) -> httpx.Response:
        fate = chance.random()
        if fate < 0.25:
            raise httpx.ConnectError("cut before")
        answer = whole.handle_request(request)
        if fate < 0.5:
            raise httpx.ReadError("cut after")
        return answer

    scene.client._transport = httpx.MockTransport(cut)
    for moment in [*MOMENTS, *(2 * HOUR + minutes * MINUTE for minutes in range(4, 40))]:
        scene.hands.now = START + moment
        with suppress(Unavailable):
            scene.turn()
    scene.client._transport = whole
    scene.turn()
    active = Delivery.objects.get().active_from
    assert active is not None
    assert scene.is_over()
    late = max(0, int(active.timestamp()) - JOBS[1].since)
    assert late == 0
    assert scene.counted() == [OF_THE_FIRST_HOUR, OF_THE_SECOND]


def test_old_and_repeated_answers_undo_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the exchange wanted before, told again later and in any order."""
    told: list[list[dict[str, Any]]] = []
    deliveries = Exchange.deliveries

    def kept(exchange: Exchange) -> Any:
        clock, rows = deliveries(exchange)
        told.append(rows)
        return clock, rows

    monkeypatch.setattr(Exchange, "deliveries", kept)
    scene.live(MOMENTS[:3])
    for rows in [*reversed(told), *told]:
        clock = deliveries(Exchange(scene.client))[0]
        monkeypatch.setattr(Exchange, "deliveries", lambda _exchange, told=(clock, rows): told)
        scene.turn()
        assert scene.site.present() == {scene.delivery}
    monkeypatch.setattr(Exchange, "deliveries", deliveries)
    scene.live(MOMENTS[3:])
    assert scene.counted() == [OF_THE_FIRST_HOUR, OF_THE_SECOND]
    assert scene.is_over()


def test_what_the_accounting_learns_late_is_corrected(scene: Scene) -> None:
    scene.site.jobs[scene.delivery] = JOBS[:1]
    scene.live(MOMENTS[:3])
    assert scene.counted() == [12_000]
    scene.site.jobs[scene.delivery] = JOBS
    scene.live(MOMENTS[3:])
    assert scene.counted() == [OF_THE_FIRST_HOUR, OF_THE_SECOND]


def test_an_hour_without_a_job_is_a_zero_that_is_told(scene: Scene) -> None:
    scene.site.jobs = {}
    scene.live()
    assert scene.counted() == [0, 0]


def test_the_end_waits_for_jobs_and_usage(scene: Scene) -> None:
    scene.site.drains = 1
    scene.live(MOMENTS[:4])
    assert Delivery.objects.get().state == "active"
    scene.live(MOMENTS[4:])
    assert scene.is_over()


def test_a_delivery_is_not_over_while_usage_of_it_waits(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.live(MOMENTS[:3])
    later = {"status": "rejected", "reason": "in_future", "message": ""}
    with monkeypatch.context() as clock_is_wrong:
        clock_is_wrong.setattr(Exchange, "send_events", lambda _exchange, bodies: [later for _ in bodies])
        scene.live(MOMENTS[3:])
    assert Delivery.objects.get().state == "active"
    assert scene.site.present() == {scene.delivery}
    scene.live(MOMENTS[-1:])
    assert scene.is_over()


def test_cards_that_are_not_there_are_not_delivered(scene: Scene) -> None:
    scene.site.cards_up = 7
    scene.live(MOMENTS[:1])
    scene.hands.now = START
    assert scene.turn() == [f"D{scene.delivery} does not pass acceptance: 7 of 8 cards are there."]
    failed = DeliveryTransition.objects.latest("pk")
    assert (failed.to_state, failed.report["acceptance"]["cards_visible"]) == ("scheduled", 7)
    scene.site.cards_up = 8
    scene.live([4 * MINUTE])
    assert Delivery.objects.get().state == "scheduled"
    scene.live([5 * MINUTE])
    assert Delivery.objects.get().active_from == START + 5 * MINUTE


def test_what_never_passes_fails_after_so_many_attempts_and_is_cleared_away(scene: Scene) -> None:
    scene.site.cards_up = 7
    scene.live(MOMENTS[:1])
    for minutes in (0, 5, 10, 11):
        scene.hands.now = START + minutes * MINUTE
        scene.turn()
    failed = Delivery.objects.get()
    assert (failed.state, failed.retries, scene.site.provided) == ("failed", 2, {})


def test_what_the_site_loses_for_a_time_is_neither_metered_nor_billed(scene: Scene) -> None:
    """Cards that are gone from minute 20 on and there again at 40; a job went on as far as Slurm knows."""
    scene.live([*MOMENTS[:2], 19 * MINUTE])
    scene.site.cards_up = 0
    scene.live([20 * MINUTE, 30 * MINUTE])
    assert Delivery.objects.get().state == "suspended"
    scene.site.cards_up = 8
    scene.live([40 * MINUTE])
    assert Delivery.objects.get().state == "accepting"
    scene.live([40 * MINUTE])
    assert Delivery.objects.get().state == "active"
    assert Delivery.objects.get().active_from == START
    scene.live(MOMENTS[2:])
    assert scene.counted() == [2 * 30 + 4 * (10 + 20) * 60, OF_THE_SECOND]
    assert Delivery.objects.get().state == "ended"


def test_what_the_owner_takes_away_stays_away_until_it_is_given_back(scene: Scene, cast: Cast) -> None:
    owner = cast.viewer_of(cast.owner_trader)
    scene.live([*MOMENTS[:2], 19 * MINUTE])
    delivery = Delivery.objects.get()
    scene.hands.now = START + 20 * MINUTE
    suspend(viewer=owner, delivery=delivery, reason="A pump", now=scene.hands.now)
    scene.live([21 * MINUTE, 59 * MINUTE])
    assert scene.site.stopped == {scene.delivery}
    assert Delivery.objects.get().state == "suspended"
    give_back(viewer=owner, delivery=delivery, now=scene.hands.now)
    scene.live([60 * MINUTE])
    assert (Delivery.objects.get().state, scene.site.stopped) == ("active", set())
    scene.live(MOMENTS[2:])
    assert scene.counted() == [2 * 30 + 4 * 10 * 60, OF_THE_SECOND]


def test_what_is_evicted_is_cleared_away_and_metered_to_its_end(scene: Scene, cast: Cast) -> None:
    scene.live([*MOMENTS[:2]])
    scene.hands.now = START + 20 * MINUTE
    evict(
        viewer=cast.viewer_of(cast.owner_trader),
        delivery=Delivery.objects.get(),
        reason="Sold elsewhere",
        now=scene.hands.now,
    )
    scene.live([20 * MINUTE, 62 * MINUTE, 63 * MINUTE])
    assert scene.site.provided == {}
    assert scene.counted() == [2 * 30 + 4 * 10 * 60]


def test_what_failed_in_time_is_cleared_away(scene: Scene) -> None:
    scene.site.cards_up = 0
    scene.live(MOMENTS[:1])
    scene.hands.now = START + 61 * MINUTE
    fail_overdue(now=scene.hands.now)
    assert scene.turn() == []
    assert scene.site.provided == {}


def test_nothing_is_removed_that_the_exchange_does_not_call_over(scene: Scene) -> None:
    """An exchange that lists nothing, or knows nothing of it, is no reason to take anybody's cards."""
    scene.live(MOMENTS[:2])
    stranger = replace(scene.site.provided[scene.delivery], delivery=10**6)
    scene.site.provide(stranger)
    scene.hands.now = START + 5 * MINUTE
    [problem] = scene.turn()
    assert "404" in problem
    assert scene.site.present() == {scene.delivery, 10**6}
    Delivery.objects.update(
        starts_at=START + 5 * HOUR, ends_at=START + 6 * HOUR, active_from=START + 5 * HOUR
    )
    assert len(scene.turn()) == 1
    assert scene.site.present() == {scene.delivery, 10**6}
    assert scene.site.stopped == set()


def test_one_delivery_does_not_stop_another(
    scene: Scene, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    provide = scene.site.provide

    def fails(wanted: Any) -> None:
        if wanted.delivery == scene.delivery:
            raise AgentError("sacctmgr failed")
        provide(wanted)

    monkeypatch.setattr(scene.site, "provide", fails)
    assert scene.turn() == ["sacctmgr failed"]
    assert Delivery.objects.latest("pk").state == "accepting"
