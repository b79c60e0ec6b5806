"""Models are imported inside: this is read before the applications are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.payments.fake_stripe import FakeStripe


@pytest.fixture
def fake(settings: Any) -> Iterator[FakeStripe]:
    """A Stripe of ours, and settings that lead there."""
    from tests.payments.fake_stripe import KEY, SECRET, running  # noqa: PLC0415

    for server in running():
        settings.STRIPE_SECRET_KEY = KEY
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_an_old_one", SECRET]
        settings.STRIPE_API_BASE = server.address
        settings.STRIPE_REDIRECTS = True
        yield server


@pytest.fixture
def handled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is so fast that the webhook's answer waits for it."""
    from billing.payments import tasks, webhooks  # noqa: PLC0415
    from tests.payments.scenes import NOW  # noqa: PLC0415

    def handle(event_id: int) -> None:
        webhooks.handle(event_id, now=NOW)

    monkeypatch.setattr(tasks.handle_provider_event, "delay", handle)
