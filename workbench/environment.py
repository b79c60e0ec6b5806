"""What the programs of the demo, and the commands beside it, find in their environment."""

import os
import secrets
from pathlib import Path

from workbench.clock import MarketClock
from workbench.databases import Databases
from workbench.files import write_private

LOCAL = "127.0.0.1,localhost"
# A demo of two minutes shows invoices too: periods of one market hour, closed as soon as they are rated. And
# a month of a term agreement is four hours (``demo.terms``).
BILLING = {
    "BILLING_PERIOD": "hours:1",
    "RATING_GRACE_MINUTES": "20",
    "BILLING_GRACE_MINUTES": "25",
    "TERM_CALENDAR": "hours:4",
}
# An hour of the market is half a minute here, by which sites of a busy machine are late. To fail what they
# deliver, and to buy it again, would keep the machine busier still.
DELIVERY = {
    "DELIVERY_START_WITHIN_MINUTES": "240",
    "DELIVERY_ATTEMPT_WITHIN_MINUTES": "120",
    "DELIVERY_END_WITHIN_MINUTES": "240",
}
# Where the simulated sites measure round trips to: no address of this kind exists.
PROBES = ("cn-beijing", "cn-shanghai", "cn-shenzhen", "cn-chengdu")
NETWORK = {"NETWORK_PROBES": ",".join(f"{region}={region}.probe.invalid:443" for region in PROBES)}


def demo_environment(data: Path, databases: Databases, clock: MarketClock, base_url: str) -> dict[str, str]:
    return {
        **BILLING,
        **DELIVERY,
        **NETWORK,
        "EMAIL_URL": f"file:///{data / 'mail'}",  # the parser takes the third slash away
        **os.environ,
        **_common(databases),
        **clock.environment(),
        "SECRET_KEY": os.environ.get("SECRET_KEY") or secret_key(data / "secret-key"),
        "DEBUG": "0",
        "CARDHOUR_DEMO": "1",
        "ALLOWED_HOSTS": LOCAL,
        "CARDHOUR_BASE_URL": base_url,
    }


def test_environment(databases: Databases) -> dict[str, str]:
    return {
        **os.environ,
        **_common(databases),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DEBUG": "0",
        "ALLOWED_HOSTS": f"{LOCAL},testserver",
        "CARDHOUR_BASE_URL": "http://testserver",
    }


def production_environment(databases: Databases) -> dict[str, str]:
    """As on a server, for `manage.py check --deploy`."""
    return {
        **os.environ,
        **_common(databases),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DEBUG": "0",
        "ALLOWED_HOSTS": "cardhour.example",
        "CARDHOUR_BASE_URL": "https://cardhour.example",
    }


def _common(databases: Databases) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        "DATABASE_URL": databases.database_url,
        "REDIS_URL": databases.redis_url,
        "PYTHONUNBUFFERED": "1",
        # A proxy must not be asked for the programs beside us.
        "NO_PROXY": _with_local("NO_PROXY"),
        "no_proxy": _with_local("no_proxy"),
    }


def _with_local(variable: str) -> str:
    return ",".join(part for part in (os.environ.get(variable), LOCAL) if part)


def secret_key(file: Path) -> str:
    """Made once, so that sessions survive a restart."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(50))
    return file.read_text().strip()
