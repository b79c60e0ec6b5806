"""The settings refuse what Cardhour does not run on. Each case is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

GOOD = {
    "DATABASE_URL": "postgresql://someone@localhost/cardhour",
    "REDIS_URL": "redis://localhost:6379/0",
    "SECRET_KEY": "a secret for a test",
    "CARDHOUR_BASE_URL": "https://cardhour.example",
}
CLEARED = ("CARDHOUR_DEMO", "CARDHOUR_CLOCK_SPEED", "DEBUG")


def load(**changes: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
    return subprocess.run(
        [sys.executable, "-c", "import marketplace.settings"],
        env=kept | GOOD | changes,
        capture_output=True,
        text=True,
        check=False,
    )


def test_they_load_with_what_production_gives() -> None:
    assert load().returncode == 0


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"DATABASE_URL": "sqlite:///cardhour.db"}, "must name a PostgreSQL server"),
        ({"EMAIL_URL": "consolemail://"}, "EMAIL_URL begins with"),
        ({"CARDHOUR_CLOCK_SPEED": "120"}, "CARDHOUR_CLOCK_SPEED must be 1"),
        ({"CARDHOUR_CLOCK_MARKET_ANCHOR": "2026-01-01T00:00:00"}, "needs a UTC offset"),
    ],
)
def test_they_say_what_is_wrong(changes: dict[str, str], complaint: str) -> None:
    refused = load(**changes)
    assert refused.returncode != 0
    assert complaint in refused.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "SECRET_KEY"])
def test_what_has_no_safe_default_must_be_given(name: str) -> None:
    kept = {n: v for n, v in (os.environ | GOOD).items() if n not in {name, *CLEARED}}
    refused = subprocess.run(
        [sys.executable, "-c", "import marketplace.settings"],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    assert name in refused.stderr
    assert refused.returncode != 0


@pytest.mark.parametrize(("changes", "proxies"), [({}, 0), ({"BEHIND_PROXY": "1"}, 1)])
def test_behind_a_proxy_visitors_are_throttled_one_by_one(changes: dict[str, str], proxies: int) -> None:
    """Else all have the address of the proxy, and one who guesses passwords locks out everybody."""
    program = "from marketplace import settings; print(settings.ALLAUTH_TRUSTED_PROXY_COUNT)"
    kept = {name: value for name, value in os.environ.items() if name not in {*CLEARED, "BEHIND_PROXY"}}
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | GOOD | changes,
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == str(proxies)
