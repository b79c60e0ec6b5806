"""The command that tries real Stripe, tried on ours."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from billing.payments.management.commands.try_stripe import CARDS
from billing.payments.rails import Outcome
from tests.payments import fake_stripe
from tests.payments.fake_stripe import FakeStripe


@pytest.fixture
def stripes_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours calls them differently."""
    monkeypatch.setattr(fake_stripe, "DECLINED", "pm_card_visa_chargeDeclined")
    monkeypatch.setattr(fake_stripe, "NEEDS_BANK", "pm_card_authenticationRequired")


def run(**options: str) -> str:
    out = io.StringIO()
    call_command("try_stripe", stdout=out, **options)
    return out.getvalue()


@pytest.mark.usefixtures("stripes_cards")
def test_it_says_of_each_step_what_stripe_did(fake: FakeStripe) -> None:
    fake.objects["acct_1"] = {
        "id": "acct_1",
        "object": "account",
        "created": 1,
        "currencies": ["eur"],
        "capabilities": {"transfers": "active"},
    }
    said = run(connected="acct_1")
    assert "WRONG" not in said
    assert said.count("\nok ") == 4 * len(CARDS) + 3


@pytest.mark.usefixtures("stripes_cards")
def test_it_fails_when_stripe_does_otherwise(fake: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CARDS, "pm_card_visa", Outcome.PROCESSING)
    with pytest.raises(CommandError, match="did not go"):
        run()


@pytest.mark.parametrize("key", ["", "sk_live_x"])
def test_it_never_uses_a_live_key(settings: object, key: str) -> None:
    settings.STRIPE_SECRET_KEY = key  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="test key"):
        run()
