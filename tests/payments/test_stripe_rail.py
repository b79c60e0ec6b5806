"""What the Stripe rail promises of itself."""

from __future__ import annotations

import ast
from pathlib import Path

import stripe

from billing.payments.handlers import HANDLERS
from billing.payments.rails import stripe_rail
from billing.payments.rails.stripe_rail import API_VERSION, METHODS_OF
from marketplace.catalogue.models import CurrencyCode

ROOT = Path(__file__).parents[2]
PACKAGES = ("accounts", "benchmarks", "billing", "demo", "marketplace", "workbench")


def test_the_pinned_version_is_the_one_that_the_library_was_made_for() -> None:
    """A release of the library may be for another version: then somebody must read what changed."""
    assert stripe.api_version == API_VERSION
    assert API_VERSION in (ROOT / "docs" / "stripe.md").read_text()


def test_only_one_module_imports_stripe() -> None:
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.append(node.module)
                if any(name.split(".")[0] == "stripe" for name in names):
                    found.add(path.relative_to(ROOT).as_posix())
    assert found == {"billing/payments/rails/stripe_rail.py"}


def test_the_library_never_repeats_what_has_an_effect() -> None:
    client = stripe_rail._client("sk_test_x", "http://127.0.0.1:1")
    assert client._requestor._options.max_network_retries == 0


def test_every_currency_has_a_way_to_pay() -> None:
    assert set(METHODS_OF) == set(CurrencyCode.values)


def test_the_documents_name_every_event_that_is_handled() -> None:
    text = (ROOT / "docs" / "stripe.md").read_text()
    for kind in HANDLERS:
        family, _, last = kind.rpartition(".")
        assert family in text, kind
        assert f"`{kind}`" in text or f"`.{last}`" in text, kind


def test_an_address_of_a_bank_is_https_or_none() -> None:
    for url, shown in (("https://bank.example/a", "https://bank.example/a"), ("javascript:alert(1)", "")):
        intent = {"next_action": {"redirect_to_url": {"url": url}}}
        assert stripe_rail._action_url(intent) == shown
