"""`cardhour-agent`: the command of the agent."""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from marketplace.agent.buffer import Buffer
from marketplace.agent.configuration import IDENTITY, Configuration
from marketplace.agent.doctor import findings
from marketplace.agent.enrolling import enrol, rotate
from marketplace.agent.errors import AgentError, SiteProblem
from marketplace.agent.exchange import Exchange, Unavailable, connect
from marketplace.agent.reconciling import Reconciler, Turn
from marketplace.agent.signing import SignedBy
from marketplace.agent.telemetry.collecting import Telemetry
from marketplace.agent.telemetry.store import Samples

CONFIGURATION = Path("/etc/cardhour/agent.toml")
STATE = Path("/var/lib/cardhour")
EVERY = 15.0
LONGEST_WAIT = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 with a line on standard error that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        if "url" in options:  # before there is anything to configure
            return enrol_agent(options)
        return int(options.what(Configuration.read(options.config), options))
    except AgentError as problem:
        _complain(str(problem))
        return 1
    except KeyboardInterrupt:
        return 0


def enrol_agent(options: argparse.Namespace) -> int:
    enrolled = enrol(options.url, options.code, options.state / IDENTITY)
    _say(
        f"This is the agent of {enrolled['site_name']} (site {enrolled['site']}) now. Its key and its token "
        f"are in {options.state / IDENTITY}. Next: /etc/cardhour/agent.toml, then cardhour-agent doctor"
    )
    return 0


def rotate_key(configuration: Configuration, _options: argparse.Namespace) -> int:
    told = rotate(configuration.identity_file)
    _say(f"The key of site {told['site']}'s agent is {told['key'][:12]}… from now on; the one before ended.")
    return 0


def run(configuration: Configuration, options: argparse.Namespace) -> int:
    """Turn after turn, until it is ended."""
    with _agent(configuration) as agent:
        wait = _turn(agent, EVERY)
        while not options.once:
            _pause(agent, wait)
            wait = _turn(agent, wait)
    return 0


def doctor(configuration: Configuration, _options: argparse.Namespace) -> int:
    """What works and what does not, each in a line; 1 where anything does not."""
    all_well = True
    for is_well, line in findings(configuration):
        _say(line)
        all_well = all_well and is_well
    return int(not all_well)


def status(configuration: Configuration, _options: argparse.Namespace) -> int:
    """What waits for the exchange, and what the exchange will not take."""
    buffer = Buffer.open(configuration.state / "buffer.sqlite3")
    _say(f"{buffer.waiting()} events wait for the exchange.")
    for event_id, reason in buffer.refused():
        _say(f"refused: {event_id}: {reason}")
    buffer.close()
    return 0


def handed_over(configuration: Configuration, options: argparse.Namespace) -> int:
    configuration.manual().hand_over(options.delivery, options.cards, at=int(time.time()))
    return 0


def taken_back(configuration: Configuration, options: argparse.Namespace) -> int:
    configuration.manual().take_back(options.delivery, at=int(time.time()))
    return 0


@contextmanager
def _agent(configuration: Configuration) -> Iterator[Reconciler]:
    """The one agent of a state folder."""
    configuration.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (configuration.state / "lock").open("w") as lock, _client(configuration) as client:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SiteProblem(f"Another agent works in {configuration.state}.") from error
        buffer = Buffer.open(configuration.state / "buffer.sqlite3")
        samples = Samples.open(configuration.state / "samples.sqlite3")
        try:
            yield Reconciler(
                Exchange(client),
                configuration.make_driver(),
                buffer,
                driver_name=configuration.driver,
                telemetry=_telemetry(configuration, samples),
            )
        finally:
            buffer.close()
            samples.close()


def _client(configuration: Configuration) -> httpx.Client:
    """One whose requests are signed with the key that is in the file at the time."""
    return connect(configuration.identity().url, SignedBy(configuration.identity))


def _telemetry(configuration: Configuration, samples: Samples) -> Telemetry | None:
    sources = configuration.sources()
    return Telemetry(sources, configuration.holders(), samples) if sources else None


def _turn(agent: Reconciler, waited: float) -> float:
    """One turn; returns how long to wait. While the exchange does not answer, longer each time."""
    try:
        _report(agent.turn())
    except Unavailable as outage:
        _report(agent.turn_now)
        _complain(f"the exchange does not answer ({outage}); what is metered is kept")
        return min(waited * 2, LONGEST_WAIT)
    except AgentError as problem:
        _complain(str(problem))
    return EVERY


def _pause(agent: Reconciler, seconds: float) -> None:
    """Until the exchange wants something else, or so long. Where it cannot be waited for, just so long."""
    began = time.monotonic()
    try:
        if agent.wait_for_change(int(seconds)):
            return
    except AgentError:
        pass  # the turn that follows says so
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))


def _report(turn: Turn) -> None:
    if turn.told:
        _say(f"{turn.deliveries} deliveries; {turn.told} events told")
    for delivery, problem in turn.problems:
        _complain(f"D{delivery}: {problem}" if delivery else problem)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cardhour-agent", description="The agent of a Cardhour site")
    parser.add_argument("--config", type=Path, default=CONFIGURATION, help=f"default: {CONFIGURATION}")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("enrol", help="become the agent of a site, with a code of its page")
    command.add_argument("url", help="the exchange, for example https://cardhour.example")
    command.add_argument("--code", required=True)
    command.add_argument("--state", type=Path, default=STATE, help=f"the agent's folder; default: {STATE}")
    command.set_defaults(what=enrol_agent)
    commands.add_parser("rotate-key", help="change the agent's key").set_defaults(what=rotate_key)
    command = commands.add_parser("run", help="deliver and meter, until it is ended")
    command.add_argument("--once", action="store_true", help="one turn only")
    command.set_defaults(what=run)
    commands.add_parser("doctor", help="check everything, and say what is wrong").set_defaults(what=doctor)
    commands.add_parser("status", help="what the buffer holds").set_defaults(what=status)
    command = commands.add_parser("handed-over", help="a buyer has cards, given by hand")
    command.add_argument("delivery", type=int)
    command.add_argument("cards", type=int)
    command.set_defaults(what=handed_over)
    command = commands.add_parser("taken-back", help="the cards of a delivery were taken back")
    command.add_argument("delivery", type=int)
    command.set_defaults(what=taken_back)
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(line: str) -> None:
    sys.stderr.write(f"cardhour-agent: {line}\n")
    sys.stderr.flush()
