"""An owner with idle cards: from an empty organisation to a month on the market, in both languages and, once,
without a pointer. What is read on the pages is asked of the catalogue of messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from allauth.account.models import EmailAddress
from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from marketplace.clock import MarketClock
from marketplace.jobs.models import Job
from marketplace.supply.models import Fleet, Offer
from marketplace.supply.tasks import import_offers
from tests.cast import PASSWORD, Cast
from tests.conftest import NOW
from tests.e2e.browser import chromium, page, watched
from tests.factories import make_fleet, make_model, make_region, make_site

__all__ = ["chromium", "page"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

LANGUAGES = {"en": "en-GB", "zh-hans": "zh-CN"}
LINES = """\
site,model,cards,from,until,ask,lot
Quiet Valley,h800,8,2026-04-01 00:00,2026-04-02 00:00,7.50,8
Loud Valley,h800,8,2026-04-02 00:00,2026-04-03 00:00,7.50,8
Quiet Valley,h800,eight,2026-04-03 00:00,2026-04-04 00:00,7.50,8
Quiet Valley,h800,8,2026-04-04 00:00,2026-04-03 00:00,7.50,8
"""


@pytest.fixture(autouse=True)
def _a_stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MarketClock, "now", lambda _: NOW)


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    with translation.override(request.param):
        yield request.param


def sign_in(page: Page, server: LiveServer, user: User) -> None:
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    page.goto(f"{server.url}/accounts/login/")
    page.locator("input[name=login]").fill(user.email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/accounts/login/" not in url)


def test_an_owner_with_idle_cards(
    language: str, chromium: Browser, live_server: LiveServer, cast: Cast
) -> None:
    make_region()
    make_model()
    with watched(chromium, LANGUAGES[language]) as page:
        sign_in(page, live_server, cast.owner_admin)
        registers_a_site_and_a_fleet(page, live_server)
        draws_a_month(page)
        imports_a_file_and_mends_it(page, live_server)
        reads_at_home_what_is_unsold(page, live_server)


def registers_a_site_and_a_fleet(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/sites/new/")
    page.locator("[name=name_en]").fill("Quiet Valley")
    page.locator("[name=name_zh]").fill("静谷")
    page.locator("[name=region]").select_option(index=1)
    page.locator("[name=pue]").fill("1.15")
    page.locator("[name=renewable_share]").fill("60")
    page.locator("[name=bandwidth_mbps]").fill("10000")
    page.locator("main form [type=submit]").click()
    page.wait_for_url("**/fleets/new/")
    page.locator("[name=model]").select_option(index=1)
    page.locator("[name=cards]").fill("64")
    page.locator("[name=node_size]").fill("8")
    page.locator("[name=interconnect]").fill("InfiniBand NDR")
    page.locator("[name=installed_at]").fill("2026-01-01T00:00")
    page.locator("main form [type=submit]").click()
    page.wait_for_url("**/sites/*/")
    assert Fleet.objects.get().cards == 64


def draws_a_month(page: Page) -> None:
    """The hours of a week by dragging, at a day and a night price; then once more in each week after."""
    page.get_by_role("link", name=gettext("Offer cards")).click()
    page.wait_for_url("**/offers/calendar/**")
    page.locator("[name=cards]").fill("16")
    page.locator("[name=ask]").fill("9")
    page.locator("[name=night_ask]").fill("6")
    drag(page, days=(3, 8), hours=(6, 23))
    expect(page.locator(".plan-blocks li")).to_have_count(1)
    assert "block=2026-03-03_2026-03-08_6-24_16_9_6" in page.url

    page.locator("#plan-copy-0").click()
    expect(page.locator(".plan-blocks li")).to_have_count(5)
    preview = page.locator("#plan-preview")
    expect(preview).to_contain_text("¥9.00")
    expect(preview).to_contain_text("¥6.00")
    expect(preview).to_contain_text("450")

    # Going back takes back the last step, and forward repeats it: the plan is in the address.
    page.go_back()
    expect(page.locator(".plan-blocks li")).to_have_count(1)
    page.go_forward()
    expect(page.locator(".plan-blocks li")).to_have_count(5)

    page.locator("#plan-preview form [type=submit]").click()
    page.wait_for_url("**/offers/?batch=*")
    expect(page.locator("#list tbody tr")).to_have_count(25)
    assert {len(offer.asks) for offer in Offer.objects.all()} == {18}


def drag(page: Page, *, days: tuple[int, int], hours: tuple[int, int]) -> None:
    box = page.locator("[data-month-grid]").bounding_box()
    assert box is not None
    row, column = box["height"] / 31, box["width"] / 24
    (first, last), (begin, end) = days, hours
    page.mouse.move(box["x"] + column * (begin + 0.5), box["y"] + row * (first - 0.5))
    page.mouse.down()
    page.mouse.move(box["x"] + column * (end + 0.5), box["y"] + row * (last - 0.5), steps=3)
    page.mouse.up()


def imports_a_file_and_mends_it(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/offers/import/")
    page.locator("[name=file]").set_input_files(
        {"name": "april.csv", "mimeType": "text/csv", "buffer": LINES.encode()}
    )
    page.locator("main form [type=submit]").click()
    page.wait_for_url("**/offers/import/*/")
    expect(page.locator("main [aria-invalid=true]")).to_have_count(3)

    page.locator("#line-3-site").fill("Quiet Valley")
    press_in_line(page, "do=mend", 3)
    expect(page.locator("main [aria-invalid=true]")).to_have_count(2)
    page.locator("#line-4-cards").fill("8")
    press_in_line(page, "do=mend", 4)
    expect(page.locator("main [aria-invalid=true]")).to_have_count(1)
    press_in_line(page, "do=leave", 5)
    expect(page.locator("main [aria-invalid=true]")).to_have_count(0)

    page.locator("form[action$='/confirm/'] [type=submit]").click()
    page.wait_for_url("**/jobs/*/")
    # In its own time, as a worker would: the page notices by itself.
    import_offers(Job.objects.get().pk)
    page.get_by_role("link", name=gettext("See what came of it")).click()
    expect(page.locator("#list tbody tr")).to_have_count(3)


def press_in_line(page: Page, step: str, line: int) -> None:
    name, value = step.split("=")
    page.locator(f"form[action$='/lines/{line}/'] [name={name}][value={value}]").click()


def reads_at_home_what_is_unsold(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/")
    main = page.get_by_role("main")
    expect(main).to_contain_text(gettext("Unsold for the next 24 hours, and why"))
    expect(main).to_contain_text(gettext("nobody bought this product"))


def test_a_month_is_listed_without_a_pointer(page: Page, live_server: LiveServer, cast: Cast) -> None:
    make_fleet(make_site(cast.owner, make_region()), cards=64)
    sign_in(page, live_server, cast.owner_trader)
    page.goto(f"{live_server.url}/offers/calendar/?month=2026-03")

    # The days are the rest of the month at first.
    for name, value in {"from_hour": "0", "until_hour": "24", "cards": "16", "ask": "9"}.items():
        go_to(page, name)
        page.keyboard.press("Control+A")
        page.keyboard.type(value)
    page.keyboard.press("Enter")
    expect(page.locator(".plan-blocks li")).to_have_count(1)

    go_to(page, "key")
    page.keyboard.press("Enter")
    page.wait_for_url("**/offers/?batch=*")
    offer = Offer.objects.get()
    assert (offer.cards, (offer.ends_at - offer.starts_at).days) == (16, 29)


def go_to(page: Page, name: str) -> None:
    """Tab on to a field, or to the button of the form that has it as a hidden one."""
    is_there = """name => {
        const at = document.activeElement;
        const hidden = at.form?.elements[name];
        return at.name === name || (at.type === "submit" && hidden?.type === "hidden" && name === "key");
    }"""
    for _ in range(120):
        if page.evaluate(is_there, name):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no key leads to {name}")
