"""One turn: what the exchange wants, made so at the site, and what the site metered, told to the exchange.

A turn starts from what the exchange and the scheduler say now and from the buffer; it remembers nothing
else. Each thing that it does may be repeated. So an agent that is killed anywhere goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NoReturn, ParamSpec

from marketplace.agent.buffer import Buffer
from marketplace.agent.deliveries import BEFORE, OVER, Delivery, accepted, shifted, shown, step
from marketplace.agent.driver import Acceptance, Driver
from marketplace.agent.errors import AgentError, SiteProblem
from marketplace.agent.events import ALLOCATED, Metered, moment
from marketplace.agent.exchange import Clock, Exchange, Refused, Unavailable
from marketplace.agent.network import Trip, measure
from marketplace.agent.sealing import seal
from marketplace.agent.telemetry.collecting import Telemetry
from marketplace.agent.usage import Span, cells, without
from marketplace.agent.version import VERSION

P = ParamSpec("P")

SETTLE = 90
"""Seconds after which the accounting knows of what ended: its daemons pass it on one to another."""

LOOK_BACK = 6 * 3_600
"""What the accounting said is asked again for so long; what it says otherwise is corrected."""

AGAIN_AFTER = 300
"""Seconds between an attempt that did not succeed and the next: a node reboots, people put a card right."""

NETWORK_EVERY = 3_600
"""Seconds between two measurements of round trips."""

HEARD_EVERY = 60
"""Seconds between two reports of how the agent is: it is missed after many minutes."""

ACCEPTANCE_FAILED = "acceptance_failed"

IN_STEP = 3
"""Clocks that differ by less seconds are taken for one."""


@dataclass(slots=True)
class Turn:
    """What a turn met. ``problems`` are for the site's people, by delivery; 0 is the agent's own."""

    deliveries: int = 0
    told: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Reconciler:
    """``clock`` is the site's own, in seconds since 1970.

    Every ``full_every`` seconds, and when it begins, what is at the site is compared with what should be.
    Every ``heard_every`` and ``network_every`` seconds it tells how it is, and ``measure``s round trips, of
    which the last ones are evidence of an acceptance test too.
    """

    exchange: Exchange
    driver: Driver
    buffer: Buffer
    clock: Callable[[], float] = time.time
    full_every: float = 300
    heard_every: float = HEARD_EVERY
    network_every: float = NETWORK_EVERY
    measure: Callable[[str], Trip] = measure
    driver_name: str = ""
    telemetry: Telemetry | None = None
    version: str = ""
    last_full: float | None = None
    last_heard: float | None = None
    last_network: float | None = None
    round_trips: list[dict[str, Any]] = field(default_factory=list)
    reconciled: int | None = None
    is_full: bool = True
    now: int = 0
    offset: int = 0
    offset_since: int = 0
    exchange_clock: Clock = field(init=False)
    turn_now: Turn = field(default_factory=Turn)

    def turn(self) -> Turn:
        """``Unavailable`` where the exchange does not answer: by then the site was looked after."""
        self.turn_now = Turn()
        began = time.monotonic()
        self.is_full = _is_due(self.last_full, self.full_every, began)
        try:
            self._with_the_exchange()
            if self.is_full or _is_due(self.last_heard, self.heard_every, began):
                self._tell_how_it_is()
                self.last_heard = began
        except Unavailable:
            self._alone()
            raise
        if self.is_full:
            self.last_full = began
        return self.turn_now

    def wait_for_change(self, seconds: int) -> bool:
        """Until the exchange wants something else, or so long; whether it let us wait."""
        self.version, waited = self.exchange.changes(self.version, seconds)
        return waited

    def _with_the_exchange(self) -> None:
        self.exchange_clock, rows = self.exchange.deliveries()
        self._compare_clocks(self.exchange_clock)
        due = [Delivery.of(row) for row in rows]
        self._attempt(0, self.buffer.remember, rows)
        self.turn_now.deliveries = len(due)
        # First, for an hour that is over is told with what was seen of it.
        self._look_at_the_cards()
        self._attempt(0, self.driver.watch)
        for delivery in due:
            self._attempt(delivery.id, self._converge, delivery)
        self._attempt(0, self._clear_what_is_over, frozenset(one.id for one in due))
        self._attempt(0, self._tell)
        self._attempt(0, self._measure_network, {one.site for one in due})
        if self.telemetry is not None:
            over = self.now - SETTLE
            self._attempt(0, self.telemetry.tell_idle_hours, self.exchange, now=over, offset=self.offset)
        self.buffer.forget(self._moment())

    def _tell_how_it_is(self) -> None:
        """Last of all: who hears it knows that the turn came to its end."""
        if self.is_full:
            self.reconciled = self.now
        waits = self.buffer.waiting_since()
        self.exchange.heartbeat(
            {
                "version": VERSION,
                "driver": self.driver_name or type(self.driver).__name__,
                "unsent": self.buffer.waiting(),
                "unsent_since": None if waits is None else moment(waits),
                "reconciled_at": None if self.reconciled is None else moment(self.reconciled),
                "site_time": int(self.clock()),
            }
        )

    def _alone(self) -> None:
        """While the exchange does not answer, the buyer has what it was to have, to its end and no longer."""
        self.offset, self.offset_since = self.buffer.clock_offset() or (0, 0)
        self.now = int(self.clock()) - self.offset
        self._look_at_the_cards()
        self._attempt(0, self.driver.watch)
        for row in self.buffer.remembered():
            delivery = Delivery.of(row)
            if delivery.state != "scheduled":
                self._attempt(delivery.id, self._keep, delivery)

    def _attempt(
        self, delivery: int, what: Callable[P, None], *arguments: P.args, **options: P.kwargs
    ) -> None:
        """What fails for one delivery is noted, and tried again at the next turn."""
        try:
            what(*arguments, **options)
        except Unavailable:
            raise
        except AgentError as problem:
            self.turn_now.problems.append((delivery, str(problem)))

    def _converge(self, delivery: Delivery) -> None:
        if self.now >= delivery.window.until and delivery.metered is not None:
            self._finish(delivery)
        elif delivery.state in BEFORE:
            self._begin(delivery)
        elif delivery.state == "suspended":
            self._while_suspended(delivery)
        else:
            self._keep(delivery)
            self._give_access(delivery)
            self._suspend_what_is_gone(delivery)

    def _finish(self, delivery: Delivery) -> None:
        if self._is_finished(delivery):
            self.exchange.take_step(delivery.id, step("ended", delivery.window.until))
            self.driver.remove(delivery.id)

    def _begin(self, delivery: Delivery) -> None:
        """Everything that can be done now, one step after the other."""
        wanted, pk = delivery.wanted(self.offset), delivery.id
        if self.now >= delivery.window.until:
            raise SiteProblem(f"D{pk} could not begin before its time was over.")
        if delivery.state == "scheduled":
            if delivery.since and self.now < delivery.since + AGAIN_AFTER:
                return
            self.exchange.take_step(pk, step("provisioning", self.now))
        self.driver.provide(wanted)
        if delivery.state != "accepting":
            self.exchange.take_step(pk, step("accepting", self.now))
        if self.now < delivery.window.since:
            return
        seen = self.driver.accept(wanted)
        if self.round_trips:
            seen = replace(seen, evidence={**seen.evidence, "round_trips": self.round_trips})
        at = int(self.exchange_clock.now().timestamp())
        if not seen.passed:
            there = f"{seen.cards_visible} of {delivery.cards} cards are there"
            self._report_failed_test(delivery, seen, at, f"D{pk} does not pass acceptance: {there}.")
        try:
            self.exchange.take_step(pk, accepted(at, seen))
        except Refused as refusal:
            if refusal.problem.get("code") != ACCEPTANCE_FAILED:
                raise
            self._report_failed_test(delivery, seen, at, str(refusal.problem.get("detail", "")))
        self.driver.provide(replace(wanted, open=True))
        self._give_access(delivery)

    def _report_failed_test(self, delivery: Delivery, seen: Acceptance, at: int, problem: str) -> NoReturn:
        """Begin again later; where all attempts are used up, say that it failed."""
        if delivery.metered is not None:
            to = "suspended"
        else:
            to = "scheduled" if delivery.retries_left else "failed"
        told = {"reason": problem, "acceptance": shown(seen), "evidence": dict(seen.evidence)}
        self.exchange.take_step(delivery.id, step(to, at, told))
        raise SiteProblem(problem)

    def _while_suspended(self, delivery: Delivery) -> None:
        """What the owner took away runs no more; what went away by itself is tested when it is back."""
        self._meter(delivery, again=self.is_full)
        if delivery.held:
            self.driver.stop(delivery.id)
        elif self.now >= delivery.since + AGAIN_AFTER and self.driver.visible(delivery.wanted(self.offset)):
            self.exchange.take_step(delivery.id, step("accepting", self.now))

    def _keep(self, delivery: Delivery) -> None:
        if self.now >= delivery.window.until or delivery.held:
            self.driver.stop(delivery.id)
        elif self.is_full and delivery.state != "suspended":
            self.driver.provide(delivery.wanted(self.offset))
        self._meter(delivery, again=self.is_full)

    def _give_access(self, delivery: Delivery) -> None:
        """Once; where the agent was killed before, at a later turn."""
        if delivery.access_given or not delivery.access_key:
            return
        details = self.driver.access(delivery.wanted(self.offset))
        if details:
            sealed = seal(details, public_key=delivery.access_key, delivery=delivery.id)
            self.exchange.give_access(delivery.id, sealed)

    def _suspend_what_is_gone(self, delivery: Delivery) -> None:
        """Where some of the cards are there the buyer goes on with these, and pays for these."""
        if self.is_full and not self.driver.visible(delivery.wanted(self.offset)):
            at = int(self.exchange_clock.now().timestamp())
            gone = {"reason": f"None of the {delivery.cards} cards is there."}
            self.exchange.take_step(delivery.id, step("suspended", at, gone))

    def _is_finished(self, delivery: Delivery) -> bool:
        """Nothing of it runs any more, and all that it used is with the exchange."""
        if not self.driver.stop(delivery.id):
            return False
        self._meter(delivery, again=True)
        if delivery.metered is not None and self.now < delivery.metered.until + SETTLE:
            return False
        self._tell()
        return self.buffer.waiting(delivery.id) == 0

    def _clear_what_is_over(self, due: frozenset[int]) -> None:
        """Remove what is at the site and not due: but only what the exchange says is over."""
        for pk in sorted(self.driver.present() - due):
            self._attempt(pk, self._clear, pk)

    def _clear(self, pk: int) -> None:
        delivery = Delivery.of(self.exchange.delivery(pk))
        if delivery.state not in OVER or not self.driver.stop(pk):
            return
        self._meter(delivery, again=True)
        if delivery.metered is None or self.now >= delivery.metered.until + SETTLE:
            self.driver.remove(pk)

    def _meter(self, delivery: Delivery, *, again: bool) -> None:
        """Note what was used in each hour that is over; ``again`` what the accounting says otherwise now."""
        if delivery.metered is None:
            return
        known = self.buffer.noted(delivery.id, ALLOCATED)
        # Of what lies before the clocks were set otherwise, the accounting speaks in another time.
        asked_again = max(self.now - LOOK_BACK, self.offset_since) if again else self.now
        for cell in cells(delivery.metered):
            over = cell.until + SETTLE <= self.now
            if over and cell.since not in known:
                self._note(delivery, cell, *self._telemetry_of(delivery, cell))
            elif over and cell.until > asked_again:
                self._note(delivery, cell)

    def _note(self, delivery: Delivery, cell: Span, *telemetry: Metered) -> None:
        """While it is suspended the buyer has nothing, whatever the accounting says of the cards."""
        wanted = delivery.wanted(self.offset)
        quantity = sum(
            self.driver.card_seconds(wanted, shifted(part, self.offset))
            for part in without(cell, delivery.suspended)
        )
        metered = Metered(delivery.site, delivery.id, ALLOCATED, cell, quantity)
        self.buffer.note(*telemetry, metered, now=self._moment())

    def _look_at_the_cards(self) -> None:
        if self.telemetry is not None:
            problems = self.telemetry.collect(int(self.clock()))
            self.turn_now.problems += [(0, problem) for problem in problems]

    def _telemetry_of(self, delivery: Delivery, cell: Span) -> Iterator[Metered]:
        """What is told once, with the hour's usage."""
        if self.telemetry is not None:
            told = self.telemetry.of_delivery(delivery.id, shifted(cell, self.offset))
            for meter, quantity in told.items():
                yield Metered(delivery.site, delivery.id, meter, cell, quantity)

    def _tell(self) -> None:
        self.turn_now.told += self.buffer.send(self.exchange, now=self._moment())

    def _measure_network(self, sites: set[int]) -> None:
        """Round trips to the exchange's probes, now and then, of the site that has something to deliver."""
        began = time.monotonic()
        if not sites or not _is_due(self.last_network, self.network_every, began):
            return
        self.last_network = began
        at = self._moment().isoformat()
        self.round_trips = [
            {"region": probe["region"], "at": at, **asdict(self.measure(probe["address"]))}
            for probe in self.exchange.probes()
        ]
        for site in sorted(sites) if self.round_trips else ():
            self.exchange.report_round_trips(site, self.round_trips)

    def _compare_clocks(self, exchange_clock: Clock) -> None:
        """Where the clocks differ, the difference is kept: a second more or less moves no cell.

        A demo's clock runs at another speed than the site's, so there they are not compared.
        """
        self.now = int(exchange_clock.now().timestamp())
        ahead = round(self.clock()) - self.now if exchange_clock.speed == 1 else 0
        ahead = ahead if abs(ahead) >= IN_STEP else 0
        known = self.buffer.clock_offset()
        if known is None or abs(known[0] - ahead) >= IN_STEP:
            known = (ahead, 0 if known is None else self.now)
            self.buffer.keep_clock_offset(known[0], since=known[1])
        self.offset, self.offset_since = known

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


def _is_due(last: float | None, every: float, now: float) -> bool:
    return last is None or now >= last + every
