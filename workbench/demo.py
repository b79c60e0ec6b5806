"""`make demo`: the whole exchange on one machine, and `make demo-reset`.

Migrations, the demo market, the web server, the workers, beat, and simulated sites, buyers and a bank. The
market clock runs fast and stops with the demo.
"""

import contextlib
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench import cards, databases
from workbench.clock import DEMO_SPEED, SPEED_VARIABLE, MarketClock, parse_speed
from workbench.environment import demo_environment
from workbench.files import write_private
from workbench.lock import is_locked, locked
from workbench.preflight import Problem, check_disk, check_port, check_writable, parse_port
from workbench.supervisor import Program, StopRequested, Supervisor

# Every queue of marketplace.queues has a worker here; market runs get one to themselves.
WORKER_QUEUES = {
    "worker-market": "market",
    "worker-rest": "default,billing,delivery,audit",
}
FIRST_RUN_MIB, LATER_RUN_MIB = 2048, 256
READY_WITHIN = 120.0
# What `make demo-reset` deletes; the secret key and the test databases stay.
OF_THE_DEMO = (
    *("demo*", "postgres", "valkey", "clock.json", "celerybeat-schedule*"),
    *("log", "mail", "running.json"),
)


@dataclass(frozen=True)
class Place:
    """The checkout, where its data goes, and what the person chose."""

    root: Path
    port: int = 8000
    speed: int = DEMO_SPEED

    @property
    def data(self) -> Path:
        return self.root / ".data"

    @property
    def clock_file(self) -> Path:
        return self.data / "clock.json"

    @property
    def running_file(self) -> Path:
        return self.data / "running.json"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def from_environment(cls, root: Path) -> "Place":
        port = parse_port(os.environ.get("PORT") or "8000")
        return cls(root, port, parse_speed(os.environ.get(SPEED_VARIABLE) or str(DEMO_SPEED)))


def run(place: Place) -> None:
    """Run the demo until somebody stops it."""
    started = time.monotonic()
    with _place_held(place, "The demo") as held:
        check_port(place.port)
        with _market(place, held) as (supervisor, environment):
            _load(supervisor, place, environment)
            with _step("services"):
                _start_services(supervisor, place, environment)
            _announce(place, time.monotonic() - started)
            _watch(supervisor)


@contextlib.contextmanager
def _place_held(place: Place, what: str) -> Iterator[int]:
    check_writable(place.root)
    place.data.mkdir(exist_ok=True)
    check_writable(place.data)
    with locked(place.data, what) as held:
        check_disk(place.data, LATER_RUN_MIB if (place.data / "postgres").exists() else FIRST_RUN_MIB)
        yield held


@contextlib.contextmanager
def _market(place: Place, held: int) -> Iterator[tuple[Supervisor, dict[str, str]]]:
    """Databases that run and a clock that is kept: what every program needs."""
    clock = MarketClock.resume(place.clock_file, speed=place.speed, wall=datetime.now(UTC))
    supervisor = Supervisor(
        place.data / "log",
        held=[held],
        adopt=True,
        heartbeat=lambda: clock.save(place.clock_file, datetime.now(UTC)),
    )
    try:
        with supervisor:
            with _step("databases"):
                servers = databases.start(supervisor, place.data)
            environment = {
                **cards.environment(os.environ),
                **demo_environment(place.data, servers, clock, place.url),
            }
            write_private(place.running_file, json.dumps(environment))
            yield supervisor, environment
    finally:
        place.running_file.unlink(missing_ok=True)
        clock.save(place.clock_file, datetime.now(UTC), stopped=True)


def _load(supervisor: Supervisor, place: Place, environment: Mapping[str, str]) -> None:
    for title, *arguments in (
        ("migrations", "migrate", "--no-input"),
        ("demo market", "load_demo"),
    ):
        with _step(title):
            supervisor.run(_python(place, environment, arguments[0], "manage.py", *arguments))


def _start_services(supervisor: Supervisor, place: Place, environment: Mapping[str, str]) -> None:
    web = supervisor.start(web_server(place, environment))
    for program in celery_programs(place, environment):
        supervisor.start(program)
    supervisor.wait_until(lambda: _answers(place.url + "/healthz"), web, READY_WITHIN)
    for program in (*cards.programs(place.root, place.url, environment), *simulations(place, environment)):
        supervisor.start(program)


def web_server(place: Place, environment: Mapping[str, str]) -> Program:
    return _python(
        place,
        environment,
        "web",
        *("-m", "gunicorn", "marketplace.wsgi"),
        *("--bind", f"127.0.0.1:{place.port}", "--workers", "2", "--threads", "4"),
        *("--graceful-timeout", "5", "--no-control-socket"),
    )


def celery_programs(place: Place, environment: Mapping[str, str]) -> Iterator[Program]:
    celery = ("-m", "celery", "-A", "marketplace")
    for name, queues in WORKER_QUEUES.items():
        options = (
            "-Q",
            queues,
            "-n",
            f"{name}@%h",
            "-c",
            "1",
            "-l",
            "INFO",
            "--without-gossip",
            "--without-mingle",
        )
        yield _python(place, environment, name, *celery, "worker", *options)
    schedule = str(place.data / "celerybeat-schedule")
    yield _python(place, environment, "beat", *celery, "beat", "-s", schedule, "--pidfile=", "-l", "INFO")


def simulations(place: Place, environment: Mapping[str, str]) -> Iterator[Program]:
    for name, module, given, file in (
        ("sites", "demo.agent", "--sites", "demo-agents.json"),
        ("buyers", "demo.buyers", "--tokens", "demo-buyers.json"),
        ("terms", "demo.terms", "--tokens", "demo-terms.json"),
    ):
        options = ("--url", place.url, given, str(place.data / file))
        yield _python(place, environment, name, "-m", module, *options)
    bank = ("manage.py", "demo_bank", "--folder", str(place.data / "demo-bank"))
    yield _python(place, environment, "bank", *bank)


def _python(place: Place, environment: Mapping[str, str], name: str, *arguments: str) -> Program:
    return Program(name, [sys.executable, *arguments], env=environment, cwd=place.root)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _watch(supervisor: Supervisor) -> None:
    try:
        supervisor.watch()
    except StopRequested:
        _say("\nStopping")
        raise


def _announce(place: Place, seconds: float) -> None:
    _say(f"\nCardhour runs at {place.url} (ready after {seconds:.0f} s)\n")
    for line in logins_table(place.data / "demo-logins.json"):
        _say(f"  {line}")
    _say("\nLogs are in .data/log, mail in .data/mail.")
    _say("Ctrl-C stops everything, make demo continues where you stopped.")


def logins_table(file: Path) -> list[str]:
    columns = ("role", "email", "password", "what")
    rows = [columns, *([str(login[name]) for name in columns] for login in json.loads(file.read_text()))]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


@contextlib.contextmanager
def _step(title: str) -> Iterator[None]:
    started = time.monotonic()
    sys.stdout.write(f"  {title:<14}")
    sys.stdout.flush()
    try:
        yield
    except BaseException:
        _say("")
        raise
    _say(f"{time.monotonic() - started:6.1f} s")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def reset(place: Place) -> None:
    """Delete what the demo keeps."""
    external = [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]
    if external:
        raise Problem(
            f"{' and '.join(external)} is set: empty that server yourself, then unset it and try again."
        )
    if not place.data.exists():
        return
    with locked(place.data, "demo-reset"):
        for pattern in OF_THE_DEMO:
            for path in place.data.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    _say("The demo starts afresh next time.")


def manage(place: Place, arguments: list[str]) -> int:
    """Run manage.py with the demo's databases: those of the running demo, else started for the occasion."""
    if is_locked(place.data) and place.running_file.exists():
        return _manage_beside(place, arguments)
    with _place_held(place, "manage.py") as held, _market(place, held) as (supervisor, environment):
        return supervisor.run_in_foreground(_python(place, environment, "manage", "manage.py", *arguments))


def _manage_beside(place: Place, arguments: list[str]) -> int:
    environment = json.loads(place.running_file.read_text())
    os.chdir(place.root)
    os.execve(sys.executable, [sys.executable, "manage.py", *arguments], environment)  # noqa: S606
