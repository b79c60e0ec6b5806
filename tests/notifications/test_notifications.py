"""People are told once, in words, why, and as they like it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import translation

from accounts.models import User
from marketplace.demand.services import expire_requests
from marketplace.errors import InvalidInput
from marketplace.notifications import mailing, services
from marketplace.notifications.kinds import KINDS
from marketplace.notifications.models import Event, Kind, Mail, Notification
from marketplace.notifications.selectors import in_words, notifications_of, unread_count
from marketplace.notifications.services import News
from tests.cast import Cast
from tests.clearing.market import make_market, run
from tests.factories import START, make_request


def an_invoice(cast: Cast, number: str = "I-1") -> News:
    facts = {"number": number, "total": "¥12.00", "due": "2026-04-01"}
    page = ("billing:invoice", number)
    return News(Kind.INVOICE_ISSUED, cast.buyer.pk, key=number, page=page, facts=facts)


@pytest.fixture
def told(cast: Cast, now: datetime) -> Callable[[], int]:
    """Tells of an invoice, as often as it is called, once everybody is there."""
    people = [cast.buyer_admin, cast.buyer_trader, cast.buyer_finance, cast.buyer_viewer, cast.stranger]
    assert len(people) == 5

    def tell() -> int:
        services.notify(an_invoice(cast), now=now)
        return Notification.objects.count()

    return tell


def test_those_are_told_whom_it_concerns(told: Callable[[], int], cast: Cast) -> None:
    told()
    assert {each.user for each in Notification.objects.all()} == {cast.buyer_admin, cast.buyer_finance}


def test_an_event_is_told_once(told: Callable[[], int]) -> None:
    assert [told(), told()] == [2, 2]


def test_it_says_what_why_and_where_in_the_readers_language(told: Callable[[], int], cast: Cast) -> None:
    told()
    (one,) = notifications_of(cast.buyer_finance)
    line = in_words(one)
    assert line.text == "Invoice I-1 over ¥12.00 is due on 2026-04-01."
    assert line.reason == f"You get this because you see the money of {cast.buyer}."
    assert line.url == "/invoices/I-1/"
    with translation.override("zh-hans"):
        assert cast.buyer.name_zh in in_words(one).reason


@pytest.mark.django_db(transaction=True)
def test_nothing_is_told_outside_of_the_transaction_of_the_event(cast: Cast, now: datetime) -> None:
    with pytest.raises(RuntimeError):
        services.notify(an_invoice(cast), now=now)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_never_told(cast: Cast, now: datetime) -> None:
    assert cast.buyer_admin
    with transaction.atomic():
        services.notify(an_invoice(cast), now=now)
        transaction.set_rollback(True)
    assert not Event.objects.exists()
    assert mailing.mail_at_once(now=now) == 0


def test_a_mail_leaves_once_in_both_languages(told: Callable[[], int], cast: Cast, now: datetime) -> None:
    told()
    assert [mailing.mail_at_once(now=now) for _ in range(2)] == [2, 0]
    (to_finance,) = [each for each in mail.outbox if each.to == [cast.buyer_finance.email]]
    assert "Invoice I-1 over ¥12.00" in to_finance.body
    assert "/invoices/I-1/" in to_finance.body
    assert str(cast.buyer.name_zh) in to_finance.body


def test_a_mail_that_could_not_be_handed_over_is_sent_by_the_next_sweep(
    told: Callable[[], int], cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    told()

    def no_server(*_args: object, **_options: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(mailing, "send_mail", no_server)
        with pytest.raises(ConnectionRefusedError):
            mailing.mail_at_once(now=now)
    assert mailing.mail_at_once(now=now) == 2


def test_everybody_says_how_it_wants_to_hear(told: Callable[[], int], cast: Cast, now: datetime) -> None:
    wishes = {cast.buyer_finance: Mail.DAILY, cast.buyer_admin: Mail.NEVER}
    for user, wish in wishes.items():
        services.prefer(user=user, wishes={Kind.INVOICE_ISSUED: wish}, now=now)
    told()

    assert mailing.mail_at_once(now=now) == 0
    assert mailing.mail_digests(now=now) == 1
    assert mail.outbox[0].to == [cast.buyer_finance.email]


def test_the_news_of_a_day_come_once_a_day_in_one_mail(cast: Cast, now: datetime) -> None:
    services.prefer(user=cast.buyer_finance, wishes={Kind.INVOICE_ISSUED: Mail.DAILY}, now=now)
    services.notify_all([an_invoice(cast, "I-1"), an_invoice(cast, "I-2")], now=now)
    assert mailing.mail_digests(now=now) == 1
    assert "I-1" in mail.outbox[0].body
    assert "I-2" in mail.outbox[0].body

    services.notify(an_invoice(cast, "I-3"), now=now)
    assert mailing.mail_digests(now=now + timedelta(hours=23)) == 0
    assert mailing.mail_digests(now=now + timedelta(hours=24)) == 1


def test_a_choice_that_does_not_exist_is_refused(cast: Cast, now: datetime) -> None:
    with pytest.raises(InvalidInput):
        services.prefer(user=cast.buyer_admin, wishes={"weather": Mail.DAILY}, now=now)


def test_every_kind_says_something(cast: Cast) -> None:
    assert set(KINDS) == set(Kind)


def test_the_bell_counts_what_is_new_until_it_is_read(
    told: Callable[[], int], cast: Cast, client: Client
) -> None:
    told()
    client.force_login(cast.buyer_finance)
    page = client.get("/notifications/").content.decode()
    assert "Notifications, 1 new" in page
    assert "Invoice I-1 over" in page

    (one,) = notifications_of(cast.buyer_finance)
    assert client.post(f"/notifications/{one.pk}/")["Location"] == "/invoices/I-1/"
    assert unread_count(cast.buyer_finance) == 0
    assert unread_count(cast.buyer_admin) == 1
    assert "Notifications, 0 new" in client.get("/notifications/").content.decode()


def test_nobody_opens_what_somebody_else_was_told(
    told: Callable[[], int], cast: Cast, client: Client
) -> None:
    told()
    client.force_login(cast.stranger)
    of_another = Notification.objects.latest("pk")
    assert client.post(f"/notifications/{of_another.pk}/").status_code == 404
    assert client.post("/notifications/read/").status_code == 302
    assert unread_count(of_another.user) == 1


def test_the_settings_name_the_kinds_that_concern_the_reader(cast: Cast, client: Client) -> None:
    client.force_login(cast.buyer_viewer)
    page = client.get("/notifications/settings/").content.decode()
    assert "A request is matched" in page
    assert "An invoice is issued" not in page
    answer = client.post("/notifications/settings/", dict.fromkeys(kinds_of(cast.buyer_viewer), "daily"))
    assert answer.status_code == 302


def kinds_of(user: User) -> list[str]:
    return [kind for kind in Kind if services.concerns(user, kind)]


def test_who_waits_for_a_request_is_told_that_it_expired(cast: Cast, now: datetime) -> None:
    assert cast.buyer_viewer
    make_request(cast.buyer, title="Ships", deadline=START + timedelta(hours=4))
    expire_requests(now=START + timedelta(days=2))
    (one,) = notifications_of(cast.buyer_viewer)
    assert "“Ships” was not matched in time" in in_words(one).text


@pytest.mark.django_db(transaction=True)
def test_a_run_tells_the_buyer_what_is_matched_and_the_owner_what_is_sold(cast: Cast, now: datetime) -> None:
    offer, request = make_market()
    cast.join(cast.nobody_yet, offer.fleet.site.owner, "viewer")
    cast.join(cast.nobody_yet, request.organisation, "viewer")
    run()
    told = {each.event.kind: in_words(each).text for each in notifications_of(cast.nobody_yet)}
    assert told.keys() == {Kind.MATCHED, Kind.SOLD}
    assert "8 cards" in told[Kind.MATCHED]
    assert "32 card-hours" in told[Kind.SOLD]
