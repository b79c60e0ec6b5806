"""The three readers at work in a real browser, from the login to what they came for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from accounts.actors import task_actor
from accounts.models import User
from marketplace.agreements.models import Agreement
from marketplace.audit.utilisation.services import roll_up
from marketplace.clock import MarketClock
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Offer
from tests.cast import PASSWORD, Cast
from tests.clearing.market import make_reference, run
from tests.conftest import NOW
from tests.e2e.browser import chromium, page
from tests.factories import START, make_fleet, make_offer, make_region, make_request, make_site

__all__ = ["chromium", "page"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


@pytest.fixture(autouse=True)
def _a_stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MarketClock, "now", lambda _: NOW)


def sign_in(page: Page, server: LiveServer, user: User) -> None:
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    page.goto(f"{server.url}/accounts/login/")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign In", exact=True).click()
    page.wait_for_url(lambda url: "/accounts/login/" not in url)


def test_a_buyer_finds_compute_and_learns_why_the_second_request_was_not_matched(
    page: Page, live_server: LiveServer, cast: Cast
) -> None:
    make_reference()
    make_offer(make_fleet(make_site(cast.owner)), cards=8, ask="10", hours=24)
    sign_in(page, live_server, cast.buyer_trader)

    for title, limit in (("A good price", "12"), ("Too little", "9")):
        page.get_by_role("link", name="Find compute").first.click()
        page.get_by_label("Title").fill(title)
        page.get_by_label("For how long").fill("4")
        page.get_by_label("Limit").first.fill(limit)
        page.get_by_role("button", name="Put it on the market").click()
        expect(page.get_by_text(title).first).to_be_visible()
    assert ComputeRequest.objects.filter(organisation=cast.buyer, state="open").count() == 2

    run()
    agreement = Agreement.objects.get()
    page.goto(f"{live_server.url}/agreements/")
    page.get_by_role("link", name=f"A{agreement.pk}").click()
    expect(page.get_by_role("main")).to_contain_text("8 cards for 4 h")
    expect(page.get_by_role("main")).to_contain_text("¥320.00")
    expect(page.get_by_role("link", name="What was sold, metered and charged")).to_have_count(0)
    expect(page).to_have_title(f"Agreement A{agreement.pk} · Cardhour")

    unmatched = ComputeRequest.objects.get(title="Too little")
    page.goto(f"{live_server.url}/requests/{unmatched.pk}/")
    page.locator("main a[href*='/market/explanations/']").first.click()
    expect(page.get_by_role("main")).to_contain_text("¥10.00")


def test_what_is_typed_while_a_quote_is_on_its_way_is_quoted_next(
    page: Page, live_server: LiveServer, cast: Cast
) -> None:
    make_reference()
    make_offer(make_fleet(make_site(cast.owner)), cards=8, ask="10", hours=24)
    sign_in(page, live_server, cast.buyer_trader)
    under_way: list[Route] = []

    def hold(route: Route) -> None:
        under_way.append(route)

    page.route("**/requests/quote/", hold, times=1)
    with page.expect_request("**/requests/quote/"):
        page.get_by_role("link", name="Find compute").first.click()

    page.get_by_label("For how long").fill("4")
    page.wait_for_timeout(700)
    with page.expect_request("**/requests/quote/") as newest:
        under_way[0].continue_()
    assert newest.value.response().status == 200
    assert "hours=4" in newest.value.post_data


def test_an_owner_puts_cards_on_the_market(page: Page, live_server: LiveServer, cast: Cast) -> None:
    fleet = make_fleet(make_site(cast.owner, make_region()), cards=64)
    sign_in(page, live_server, cast.owner_trader)
    page.goto(f"{live_server.url}/offers/")
    page.get_by_role("link", name="One offer").click()
    page.get_by_label("Fleet").select_option(str(fleet.pk))
    page.get_by_label("Cards", exact=True).fill("16")
    page.get_by_label("Ask", exact=True).fill("11.50")
    page.get_by_role("button", name="Put it on the market").click()
    page.wait_for_url("**/offers/*/")
    offer = Offer.objects.get()
    assert (offer.cards, offer.currency, offer.entered_at) == (16, "CNY", NOW)
    assert [str(ask) for ask in offer.asks] == ["11.500000"]
    assert offer.created_by == cast.owner_trader


def test_an_auditor_sees_the_levels_and_opens_a_site(
    page: Page, live_server: LiveServer, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_reference()
    site = make_site(cast.owner)
    make_offer(make_fleet(site, cards=32), cards=16, hours=24)
    make_request(cast.buyer, cards=16, hours=2)
    run()
    later = START + timedelta(hours=2, minutes=5)
    roll_up(now=later, actor=task_actor("a test"))
    monkeypatch.setattr(MarketClock, "now", lambda _: later)
    sign_in(page, live_server, cast.auditor)
    page.get_by_role("link", name="Utilisation").first.click()
    expect(page.get_by_role("main")).to_contain_text("of what is installed was active")
    page.get_by_role("link", name=site.name_en).first.click()
    expect(page.get_by_role("heading", level=1).or_(page.get_by_role("main")).first).to_contain_text(
        site.name_en
    )


def test_the_slash_finds_a_request_and_the_keyboard_does_the_rest(
    page: Page, live_server: LiveServer, cast: Cast
) -> None:
    found = make_request(cast.buyer, title="Ships at sea")
    make_request(cast.buyer, title="Ships on land")
    sign_in(page, live_server, cast.buyer_trader)
    page.goto(f"{live_server.url}/requests/")

    page.keyboard.press("/")
    page.keyboard.type("ships")
    results = page.locator("#palette [data-found] a")
    expect(results).to_have_count(2)
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    expect(results.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/requests/{found.pk}/")

    page.keyboard.press("/")
    expect(page.locator("#palette")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()


def test_the_columns_are_chosen_with_the_keyboard(page: Page, live_server: LiveServer, cast: Cast) -> None:
    make_request(cast.buyer, title="Ships at sea")
    sign_in(page, live_server, cast.buyer_trader)
    page.goto(f"{live_server.url}/requests/")
    expect(page.get_by_role("columnheader", name="Limit")).to_have_count(1)

    page.locator("summary", has_text="Columns").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Limit", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Show these").press("Enter")

    expect(page.get_by_role("columnheader", name="Limit")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Title")).to_have_count(1)
