"""Closing a budget and entering a request under it at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connection

from marketplace.demand import groups, services
from marketplace.demand.models import Budget, ComputeRequest
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.errors import DomainError
from tests.cast import Cast
from tests.conftest import NOW
from tests.demand.groups import make_budget
from tests.factories import HOUR, START, make_model, make_region

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20


def both(cast: Cast, budget: Budget) -> list[str]:
    """How closing the budget ended, and how entering a request under it did."""
    viewer, barrier = cast.viewer_of(cast.buyer_trader), Barrier(2)
    wanted = AlternativeInput(
        unit="cards",
        amount=Decimal(8),
        workload="training",
        earliest_start=START,
        hours=4,
        deadline=START + 24 * HOUR,
        limit=Decimal(12),
    )
    request = RequestInput("A run", "CNY", (wanted,), shared_budget=budget.pk)
    outcomes: list[str] = []

    def act(what: Callable[[], object]) -> None:
        barrier.wait()
        try:
            what()
            outcomes.append("done")
        except DomainError:
            outcomes.append("refused")
        finally:
            connection.close()

    acts = (
        lambda: groups.close_budget(viewer=viewer, budget=budget, now=NOW),
        lambda: services.create_request(viewer=viewer, organisation=cast.buyer, request=request, now=NOW),
    )
    threads = [Thread(target=act, args=[each]) for each in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_a_budget_that_is_being_closed_takes_no_request(cast: Cast) -> None:
    """Either the request is refused, or the closing is; never both, and neither with an error of ours."""
    make_model()
    make_region()
    for _ in range(ROUNDS):
        budget = make_budget(cast.buyer)
        assert both(cast, budget) == ["done", "refused"]
        budget.refresh_from_db()
        has_open = ComputeRequest.objects.filter(shared_budget=budget, state="open").exists()
        assert has_open == (budget.closed_at is None)
