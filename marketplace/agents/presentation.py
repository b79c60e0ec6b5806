"""How an agent is, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from marketplace.agent.version import VERSION
from marketplace.agents.models import Agent
from marketplace.agents.selectors import silent_after

IN_STEP = 3
"""Clocks that differ by less seconds are taken for one, as the agent takes them."""

LATE = timedelta(hours=3)
"""An hour is metered when it is over, so an event that waits is an hour old at least."""

RECONCILES_EVERY = timedelta(minutes=30)

LOOK = gettext_noop(
    "On its machine: systemctl status cardhour-agent, then cardhour-agent doctor. "
    "The site’s offers come back by themselves when it reports."
)
START = gettext_noop("Start it: cardhour-agent doctor, then systemctl enable --now cardhour-agent.")
SET_THE_CLOCK = gettext_noop("Set up NTP on its machine. Until then the agent reckons with the difference.")
ASK_THE_BUFFER = gettext_noop(
    "On its machine cardhour-agent status says what waits, and why. Late usage is billed late."
)
READ_THE_LOG = gettext_noop("On its machine journalctl -u cardhour-agent says what stops it.")
INSTALL = gettext_noop("Install the exchange’s version on its machine and restart it.")


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that is not as it should be, and what to do. ``tone`` is harm or attention."""

    tone: str
    what: str
    to_do: str


@dataclass(frozen=True, slots=True)
class AgentLine:
    agent: Agent
    state: str
    lag: timedelta | None

    @property
    def lag_hours(self) -> int | None:
        return None if self.lag is None else self.lag // timedelta(hours=1)


def line_of(agent: Agent, now: datetime) -> AgentLine:
    heard = agent.seen_at or agent.enrolled_at
    state = "offline" if heard < now - silent_after() else "online"
    return AgentLine(agent, state, None if agent.unsent_since is None else now - agent.unsent_since)


def advice(line: AgentLine, now: datetime) -> Iterator[Advice]:
    """The gravest first."""
    agent = line.agent
    if line.state == "offline":
        yield Advice("harm", _silence(agent), _(LOOK))
    elif agent.seen_at is None:
        yield Advice("attention", _("It has enrolled and not reported yet."), _(START))
    if agent.clock_ahead is not None and abs(agent.clock_ahead) >= IN_STEP:
        yield Advice("attention", _clock(agent.clock_ahead), _(SET_THE_CLOCK))
    if line.lag is not None and line.lag > LATE:
        yield Advice("attention", _("Usage waits to be told for longer than it should."), _(ASK_THE_BUFFER))
    if agent.reconciled_at is not None and now - agent.reconciled_at > RECONCILES_EVERY + silent_after():
        yield Advice("attention", _("It has not gone through all deliveries for some time."), _(READ_THE_LOG))
    if agent.version and agent.version != VERSION:
        differs = _("It is version %(its)s; this exchange ships %(ours)s.")
        yield Advice("attention", differs % {"its": agent.version, "ours": VERSION}, _(INSTALL))


def _silence(agent: Agent) -> str:
    if agent.seen_at is None:
        return _("It enrolled and was never heard: none of the site’s offers enters a market run.")
    return _("It is silent: none of the site’s offers enters a market run.")


def _clock(ahead: int) -> str:
    if ahead > 0:
        told = ngettext("Its clock is %(n)s second ahead.", "Its clock is %(n)s seconds ahead.", ahead)
    else:
        told = ngettext("Its clock is %(n)s second behind.", "Its clock is %(n)s seconds behind.", -ahead)
    return told % {"n": abs(ahead)}
