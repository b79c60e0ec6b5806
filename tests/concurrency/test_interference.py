"""One party cannot stop the market: whoever overtakes a run once does not overtake it twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.actors import Viewer
from accounts.models import AuditEvent
from marketplace import book
from marketplace.agreements.models import Agreement
from marketplace.clearing import services as clearing
from marketplace.clearing.models import MarketRun
from marketplace.demand import services as demand
from marketplace.demand.models import ComputeRequest
from marketplace.errors import DomainError
from marketplace.supply import services as supply
from marketplace.supply.models import Offer
from marketplace.supply.rules import OfferChange
from tests.cast import Cast
from tests.clearing.market import make_reference, run
from tests.conftest import NOW
from tests.factories import make_fleet, make_offer, make_request, make_site

pytestmark = pytest.mark.django_db(transaction=True)


def elsewhere(call: Callable[[], Any]) -> None:
    """Do it in a connection of its own, as another process does: locks are held by connections."""
    refused: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            refused.append(error)
        finally:
            connection.close()

    thread = Thread(target=work)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()
    if refused:
        raise refused[0]


@dataclass
class Saboteur:
    """Does something between every snapshot and its commit, and remembers what was refused."""

    interfere: Callable[[], Any]
    attempts: int = 0
    refusals: list[DomainError] = field(default_factory=list)

    def compute(self, data: bytes) -> clearing.Computed:
        result = COMPUTE(data)
        self.attempts += 1
        try:
            elsewhere(self.interfere)
        except DomainError as refusal:
            self.refusals.append(refusal)
        return result


COMPUTE = clearing.compute


def withdraw_and_enter_again(viewer: Viewer) -> None:
    """Take the open request off the market and put the same one on it again."""
    for request in ComputeRequest.objects.filter(state="open"):
        demand.withdraw_request(viewer=viewer, request=request, now=NOW)
        make_request(request.organisation)


def amend(viewer: Viewer) -> None:
    """Raise the ask by a little: it still matches, and at the old price it does not sell."""
    offer = Offer.objects.get()
    change = OfferChange(asks=(offer.asks[0] + Decimal("0.01"),))
    supply.amend_offer(viewer=viewer, offer=offer, change=change, now=NOW)


def withdraw_and_list_again(viewer: Viewer) -> None:
    offer = Offer.objects.get(state="open")
    supply.withdraw_offer(viewer=viewer, offer=offer, now=NOW)
    make_offer(offer.fleet)


def a_market_of(cast: Cast) -> None:
    make_reference()
    make_offer(make_fleet(make_site(cast.owner)))
    make_request(cast.buyer)


def interfered(monkeypatch: pytest.MonkeyPatch, interfere: Callable[[], Any]) -> Saboteur:
    saboteur = Saboteur(interfere)
    monkeypatch.setattr(clearing, "compute", saboteur.compute)
    return saboteur


def test_a_buyer_who_withdraws_and_enters_again_at_every_attempt_delays_a_run_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_market_of(cast)
    viewer = cast.viewer_of(cast.buyer_trader)
    saboteur = interfered(monkeypatch, lambda: withdraw_and_enter_again(viewer))
    done = run()
    assert (done.state, done.attempts, saboteur.attempts) == (MarketRun.State.COMMITTED, 2, 2)
    assert [refusal.code for refusal in saboteur.refusals] == ["book_closed"]
    assert Agreement.objects.get().buyer == cast.buyer


@pytest.mark.parametrize("interfere", [amend, withdraw_and_list_again])
def test_an_owner_who_changes_its_offer_at_every_attempt_delays_a_run_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, interfere: Callable[[Viewer], None]
) -> None:
    a_market_of(cast)
    viewer = cast.viewer_of(cast.owner_trader)
    saboteur = interfered(monkeypatch, lambda: interfere(viewer))
    done = run()
    assert (done.state, done.attempts, saboteur.attempts) == (MarketRun.State.COMMITTED, 2, 2)
    assert [refusal.code for refusal in saboteur.refusals] == ["book_closed"]
    assert Agreement.objects.get().owner == cast.owner


def test_the_book_is_open_again_after_the_run(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    a_market_of(cast)
    viewer = cast.viewer_of(cast.buyer_trader)
    interfered(monkeypatch, lambda: withdraw_and_enter_again(viewer))
    run()
    late = make_request(cast.buyer)
    elsewhere(lambda: demand.withdraw_request(viewer=viewer, request=late, now=NOW))
    late.refresh_from_db()
    assert late.state == ComputeRequest.State.WITHDRAWN


def test_a_refusal_says_when_to_try_again(cast: Cast) -> None:
    a_market_of(cast)
    viewer = cast.viewer_of(cast.buyer_trader)
    wanted = ComputeRequest.objects.get()
    with book.closed(), pytest.raises(book.BookClosed, match="again in 60 seconds") as refused:
        elsewhere(lambda: demand.withdraw_request(viewer=viewer, request=wanted, now=NOW))
    assert (refused.value.status, refused.value.wait) == (409, 60)
    wanted.refresh_from_db()
    assert wanted.state == ComputeRequest.State.OPEN
    assert not AuditEvent.objects.filter(action="request.withdrawn").exists()


def test_what_enters_while_the_book_is_closed_is_not_refused(cast: Cast) -> None:
    """New orders are not in the snapshot and overtake nothing; only changes wait."""
    a_market_of(cast)
    with book.closed():
        elsewhere(lambda: make_offer(make_fleet(make_site(cast.owner))))
        elsewhere(lambda: make_request(cast.buyer))
    assert ComputeRequest.objects.filter(state="open").count() == 2


def test_the_second_snapshot_waits_for_a_withdrawal_that_is_being_written(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that found the book open is awaited, so that the snapshot shows what it did."""
    a_market_of(cast)
    viewer = cast.viewer_of(cast.buyer_trader)
    first = ComputeRequest.objects.get()
    second = make_request(cast.buyer, limit="1")  # unmatched, so that no commit waits for its row
    written, awaited = Event(), Event()

    def withdraw_slowly() -> None:
        """Its transaction stays open until the run waits for it."""
        with transaction.atomic():
            demand.withdraw_request(viewer=viewer, request=second, now=NOW)
            written.set()
            if somebody_waits_for_the_book():
                awaited.set()
        connection.close()

    writer = Thread(target=withdraw_slowly)

    def interfere() -> None:
        if writer.ident is None:
            demand.withdraw_request(viewer=viewer, request=first, now=NOW)
            writer.start()
            assert written.wait(timeout=20)

    interfered(monkeypatch, interfere)
    done = run()
    writer.join(timeout=30)
    assert awaited.is_set()
    assert (done.state, done.attempts, done.requests_open) == (MarketRun.State.COMMITTED, 2, 0)


def somebody_waits_for_the_book() -> bool:
    """Whether somebody does within ten seconds."""
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                [book.BOOK_LOCK],
            )
            if cursor.fetchone():
                return True
            cursor.execute("SELECT pg_sleep(0.05)")
    return False


def test_a_run_that_kills_its_worker_again_and_again_is_given_up(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_market_of(cast)

    def die(_data: bytes) -> clearing.Computed:
        raise SystemExit

    monkeypatch.setattr(clearing, "compute", die)
    for _ in range(5):
        with pytest.raises(SystemExit):
            run()
    done = run()
    assert (done.state, done.attempts) == (MarketRun.State.FAILED, 5)
    assert done.failure == "given up after 5 attempts"
    monkeypatch.setattr(clearing, "compute", COMPUTE)
    assert run(NOW + timedelta(minutes=5)).state == MarketRun.State.COMMITTED
