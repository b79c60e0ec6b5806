"""`make test` and its parts: a fixed list of checks, in order, ending with the first that fails; and
`make nightly`: the properties of the engine on many times as many random markets."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGINT

from workbench import databases
from workbench.environment import production_environment, test_environment
from workbench.lock import locked
from workbench.preflight import Problem, check_disk, check_writable
from workbench.supervisor import Program, Supervisor

TEST_MIB = 1024
PYTEST_PROCESSES = "2"
# Times what `make test` tries, it makes 100,000 markets and more; pytest says how many.
NIGHTLY_TIMES = "32"


@dataclass(frozen=True)
class Check:
    title: str
    command: Sequence[str]
    production: bool = False


# mypy's Django plugin reads the settings; it connects to nothing.
NOWHERE = databases.Databases("postgresql://cardhour@127.0.0.1/cardhour", "redis://127.0.0.1/0")


def lint(root: Path) -> Iterator[Check]:
    yield Check("ruff check", [tool("ruff"), "check", "."])
    yield Check("ruff format", [tool("ruff"), "format", "--check", "."])
    yield Check("import contracts", [tool("lint-imports")])
    yield from _template_checks(root)


def _template_checks(root: Path) -> Iterator[Check]:
    templates = _templates(root)
    if templates:
        yield Check("djade", [tool("djade"), "--check", *templates])
        yield Check("djlint", [tool("djlint"), "templates", "--lint", "--quiet"])


def _templates(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / "templates").rglob("*.html"))


def types(_root: Path) -> Iterator[Check]:
    yield Check("mypy", [tool("mypy")])


def formatting(root: Path) -> Iterator[Check]:
    """Not checks: what changes the files so that `lint` is content."""
    yield Check("ruff check --fix", [tool("ruff"), "check", "--fix", "--exit-zero", "."])
    yield Check("ruff format", [tool("ruff"), "format", "."])
    for template in _templates(root):
        yield Check(f"djade {template}", [tool("djade"), template])


def django_checks() -> Iterator[Check]:
    manage = [sys.executable, "manage.py"]
    yield Check("migrations", [*manage, "makemigrations", "--check", "--dry-run"])
    yield Check("deployment", [*manage, "check", "--deploy", "--fail-level", "WARNING"], production=True)


def tests(arguments: Sequence[str]) -> Check:
    return Check("pytest", [sys.executable, "-m", "pytest", "-n", PYTEST_PROCESSES, *arguments])


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def run_plain(root: Path, checks: Iterable[Check]) -> None:
    """Run checks that need no database."""
    with Supervisor(root / ".data" / "test" / "log", adopt=True) as supervisor:
        for check in checks:
            _run(supervisor, root, check, test_environment(NOWHERE))


def run_all(root: Path, arguments: Sequence[str]) -> None:
    with _supervised(root, "test") as (supervisor, folder):
        for check in (*lint(root), *types(root)):
            _run(supervisor, root, check, test_environment(NOWHERE))
        servers = databases.start(supervisor, folder, durable=False)
        environment, production = test_environment(servers), production_environment(servers)
        for check in django_checks():
            _run(supervisor, root, check, production if check.production else environment)
        _run(supervisor, root, tests(arguments), environment, last=True)


def run_nightly(root: Path, arguments: Sequence[str]) -> None:
    """Every night other markets: the date is the seed. What failed is kept in .hypothesis and tried first."""
    seed = f"{datetime.now(UTC):%Y%m%d}"
    times = {"CARDHOUR_TIMES_MARKETS": os.environ.get("CARDHOUR_TIMES_MARKETS", NIGHTLY_TIMES)}
    _say(f"== the seed is {seed}, if ARGS names no other")
    with _supervised(root, "nightly") as (supervisor, folder):
        environment = test_environment(databases.start(supervisor, folder, durable=False)) | times
        _run(supervisor, root, random_markets(seed, arguments), environment, last=True)


def random_markets(seed: str, arguments: Sequence[str]) -> Check:
    """The tests of the engine. The same seed tries the same markets."""
    shared = ["-n", PYTEST_PROCESSES, "--dist=worksteal", "--timeout=0", f"--hypothesis-seed={seed}"]
    return Check("random markets", [sys.executable, "-m", "pytest", "tests/engine", *shared, *arguments])


@contextmanager
def _supervised(root: Path, what: str) -> Iterator[tuple[Supervisor, Path]]:
    """A supervisor for the servers of one command, and the folder that they keep their data in."""
    folder = root / ".data" / what
    check_writable(root)
    folder.mkdir(parents=True, exist_ok=True)
    check_disk(folder, TEST_MIB)
    with (
        locked(folder, f"make {what}") as held,
        Supervisor(folder / "log", held=[held], adopt=True) as supervisor,
    ):
        yield supervisor, folder


def _run(
    supervisor: Supervisor,
    root: Path,
    check: Check,
    environment: dict[str, str],
    *,
    last: bool = False,
) -> None:
    """`last`: its own closing line ends the output, so nothing follows it."""
    _say(f"== {check.title}")
    started = time.monotonic()
    name = check.title.replace(" ", "-")
    program = Program(name, check.command, environment, root, console=True, stop_signal=SIGINT)
    try:
        supervisor.run(program)
    except Problem as problem:
        raise Problem(f"{check.title} failed after {time.monotonic() - started:.1f} s.") from problem
    if not last:
        _say(f"   {check.title}: ok, {time.monotonic() - started:.1f} s")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
