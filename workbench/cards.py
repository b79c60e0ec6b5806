"""Card payments in the demo: localstripe on loopback, unless the environment names an account at Stripe."""

import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from workbench.supervisor import Program

LOOPBACK = "127.0.0.1"
# The stand-in takes any key that looks like one of Stripe's.
KEY, WEBHOOK_SECRET = "sk_test_localstripe", "whsec_localstripe"


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What the exchange is told of a stand-in on a free port; nothing where Stripe itself is named."""
    if given.get("STRIPE_SECRET_KEY"):
        return {}
    return {
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "STRIPE_API_BASE": f"http://{LOOPBACK}:{_free_port()}",
        "STRIPE_REDIRECTS": "off",
    }


def programs(root: Path, exchange: str, given: Mapping[str, str]) -> Iterator[Program]:
    base = urlsplit(given.get("STRIPE_API_BASE", ""))
    if base.hostname != LOOPBACK:
        return
    options = {
        "--port": str(base.port),
        "--keep": str(root / ".data" / "demo-stripe.pickle"),
        "--webhooks": f"{exchange}/webhooks/stripe/",
        "--secret": given["STRIPE_WEBHOOK_SECRETS"],
    }
    command = [sys.executable, "-m", "demo.stripe", *(word for pair in options.items() for word in pair)]
    yield Program("stripe", command, env=given, cwd=root)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
