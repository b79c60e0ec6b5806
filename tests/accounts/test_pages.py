from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from accounts import audit
from accounts.actors import Actor
from accounts.middleware import SESSION_KEY
from accounts.models import Membership, Organisation
from tests.cast import Cast

NEW = {
    "kind": "buyer",
    "name_en": "New Compute",
    "name_zh": "新算力",
    "jurisdiction": "CN",
    "time_zone": "Asia/Shanghai",
}


@pytest.fixture
def admin(cast: Cast, client: Client) -> Client:
    client.force_login(cast.owner_admin)
    return client


def test_who_has_no_organisation_is_led_to_create_one(cast: Cast, client: Client) -> None:
    client.force_login(cast.nobody_yet)

    assert client.get("/team/").headers["Location"] == "/organisation/new/"
    answer = client.post("/organisation/new/", NEW, follow=True)

    assert answer.redirect_chain == [("/team/", 302)]
    assert "New Compute is ready" in answer.content.decode()


def test_a_refused_form_comes_back_with_what_is_wrong(cast: Cast, admin: Client) -> None:
    answer = admin.post("/organisation/new/", NEW | {"name_en": cast.owner.name_en})

    assert answer.status_code == 422
    assert "is taken" in answer.content.decode()
    assert Organisation.objects.count() == 1


def test_an_invitation_appears_in_the_list(admin: Client) -> None:
    answer = admin.post("/team/invite/", {"email": "new@example.com", "role": "trader"}, follow=True)

    assert "new@example.com" in answer.content.decode()


def test_a_wrong_address_comes_back(admin: Client) -> None:
    assert admin.post("/team/invite/", {"email": "no address", "role": "trader"}).status_code == 422


def test_a_refusal_is_a_page_that_says_what_to_do(cast: Cast, admin: Client) -> None:
    membership = cast.owner_admin.memberships.get()

    answer = admin.post(f"/team/{membership.pk}/remove/")

    assert answer.status_code == 409
    assert "Make somebody else one first" in answer.content.decode()


def test_colleagues_see_the_team_and_no_buttons(cast: Cast, client: Client) -> None:
    client.force_login(cast.owner_viewer)
    html = client.get("/team/").content.decode()

    assert cast.owner_viewer.email in html
    assert "/role/" not in html
    assert "/invite/" not in html


def test_switching_to_another_organisation_of_ones_own(cast: Cast, client: Client) -> None:
    client.force_login(cast.stranger)
    assert cast.other_owner.name_en in client.get("/team/").content.decode()

    answer = client.post("/organisation/switch/", {"organisation": cast.other_buyer.pk, "next": "/tokens/"})

    assert answer.headers["Location"] == "/tokens/"
    assert client.session[SESSION_KEY] == cast.other_buyer.pk
    assert "Programs act for Far Away AI" in client.get("/tokens/").content.decode()


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_switching_leads_nowhere_else(cast: Cast, admin: Client, onward: str) -> None:
    answer = admin.post("/organisation/switch/", {"organisation": cast.owner.pk, "next": onward})

    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("pk", ["", "x", "999999", "99999999999999999999999"])
def test_switching_to_nothing(admin: Client, pk: str) -> None:
    assert admin.post("/organisation/switch/", {"organisation": pk}).status_code == 404


def test_an_organisation_that_one_left_is_no_longer_the_chosen_one(cast: Cast, client: Client) -> None:
    client.force_login(cast.stranger)
    client.post("/organisation/switch/", {"organisation": cast.other_buyer.pk})
    Membership.objects.filter(user=cast.stranger, organisation=cast.other_buyer).delete()

    assert "Far Away Data Centres" in client.get("/team/").content.decode()


def test_the_audit_chain_page_shows_ones_own_events_page_by_page(
    cast: Cast, client: Client, now: datetime
) -> None:
    actor = Actor(user=cast.owner_admin)
    for number in range(51):
        audit.record(actor=actor, action=f"a.{number}.", target=cast.owner, now=now, organisation=cast.owner)
    audit.record(actor=actor, action="b.secret", target=cast.buyer, now=now, organisation=cast.buyer)
    audit.seal()
    client.force_login(cast.owner_viewer)

    page = client.get("/audit-chain/")
    older = client.get(f"/audit-chain/?before={page.context['older']}")

    assert [event.action for event in older.context["events"]] == ["a.0."]
    assert older.context["older"] is None
    assert "b.secret" not in page.content.decode()
    assert "<strong>52</strong>" in page.content.decode()


@pytest.mark.parametrize(("path", "queries"), [("/team/", 6), ("/tokens/", 5), ("/audit-chain/", 7)])
def test_queries_do_not_grow_with_the_rows(
    cast: Cast, admin: Client, now: datetime, path: str, queries: int, django_assert_num_queries: Any
) -> None:
    for number in range(8):
        cast.join(cast.person(f"p{number}"), cast.owner, "trader")
        cast.token(cast.owner, "read")
        audit.record(
            actor=Actor(user=cast.owner_admin),
            action="x",
            target=cast.owner,
            organisation=cast.owner,
            now=now,
        )
    audit.seal()

    with django_assert_num_queries(queries):
        admin.get(path)


@pytest.mark.parametrize(("onward", "location"), [("", "/"), ("word", "word"), ("a:b", "/"), ("//evil", "/")])
def test_the_switch_leads_to_an_address_of_ours(
    cast: Cast, admin: Client, onward: str, location: str
) -> None:
    answer = admin.post("/organisation/switch/", {"organisation": cast.owner.pk, "next": onward})
    assert (answer.status_code, answer.headers["Location"]) == (302, location)


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "²", "٣٤", "-1", "\0"])
def test_a_number_that_no_row_has_is_no_error(admin: Client, number: str) -> None:
    assert admin.post("/organisation/switch/", {"organisation": number}).status_code == 404
    assert admin.get("/audit-chain/", {"before": number}).status_code == 200
