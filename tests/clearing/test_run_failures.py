"""Whatever goes wrong in a run is on record, and the next run is not held up by it."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from django.db import connection

from accounts.models import AuditEvent
from accounts.selectors import audit_events_for
from marketplace.agreements import services as agreements
from marketplace.agreements.models import Agreement
from marketplace.clearing import services as clearing
from marketplace.clearing.models import Allocation, MarketRun
from tests.cast import Cast
from tests.clearing.market import make_market, run

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "the limit of request 7 is 12.34"
STEPS = {
    "begin_attempt": clearing,
    "take_snapshot": clearing,
    "compute": clearing,
    "commit": clearing,
    "conclude": agreements,
}


def break_down(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise RuntimeError(SECRET)


@pytest.mark.parametrize("step", STEPS)
def test_an_error_that_nobody_expected_fails_the_run_and_only_the_exchange_reads_it(
    step: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_market()
    with monkeypatch.context() as patch:
        patch.setattr(STEPS[step], step, break_down)
        failed = run()
    event = AuditEvent.objects.get(action="run.failed")
    assert failed.state == MarketRun.State.FAILED
    assert failed.failure.startswith("The run met an error that nobody expected.")
    assert SECRET not in failed.failure
    assert SECRET in event.data["details"]
    assert "break_down" in event.data["details"]
    assert event in audit_events_for(cast.viewer_of(cast.auditor))
    assert event not in audit_events_for(cast.viewer_of(cast.buyer_admin))
    assert not Allocation.objects.exists()


def test_the_next_run_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    make_market()
    with monkeypatch.context() as patch:
        patch.setattr(clearing, "compute", break_down)
        failed = run()
    done = run()
    assert done.pk != failed.pk
    assert done.state == MarketRun.State.COMMITTED
    assert Agreement.objects.count() == 1


def test_an_error_of_the_database_in_the_commit_is_recorded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its transaction is lost; the failure is written in the next one."""
    make_market()

    def ask_nonsense(*_args: Any, **_kwargs: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr(agreements, "conclude", ask_nonsense)
    assert run().state == MarketRun.State.FAILED
    assert "division by zero" in AuditEvent.objects.get(action="run.failed").data["details"]
