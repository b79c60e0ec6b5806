"""A buyer who knows a workload, not chips: from the registration to the payment, in both languages, and once
to a match without a pointer. What is read on the pages is asked of the catalogue of messages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext as _
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from billing.invoicing.models import Document
from billing.invoicing.tasks import close_periods
from billing.payments.models import Payment
from billing.rating.tasks import rate_ended_slots
from marketplace.agent.sealing import seal
from marketplace.agreements.models import Agreement
from marketplace.agreements.tasks import run_market_task
from marketplace.clearing import quote_book
from marketplace.clearing.models import Explanation
from marketplace.clock import HOUR
from marketplace.delivery.tasks import schedule
from marketplace.demand.models import Budget, ComputeRequest
from tests.agents_at_work import enrolled_at
from tests.billing.builders import make_billing_facts
from tests.cast import PASSWORD, Cast
from tests.clearing.market import make_reference
from tests.e2e.browser import chromium, watched
from tests.e2e.market import MORNING, START, Market
from tests.factories import make_fleet, make_model, make_offer, make_region, make_site, make_zone
from tests.pages_market.scenes import make_profile
from tests.payments.scenes import bank_account

__all__ = ["chromium"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

LANGUAGES = {"en": "en-GB", "zh-hans": "zh-CN"}
HOURS = 72
DEADLINE = START + 96 * HOUR
THE_WORK = {
    "title": "Fine-tune a 70B model",
    "amount": "40",
    "hours": str(HOURS),
    "limit": "9",
    "round_trip_ms": "20",
    "renewable_share": "50",
}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    with translation.override(request.param):
        yield request.param


@pytest.fixture
def market(cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Market:
    """A nP-hour costs 8 near Shanghai, and 6 where it is green and far: both sites have 64 idle cards."""
    settings.BILLING_PERIOD = "hours:6"
    make_reference()
    make_billing_facts(cast.owner.jurisdiction)
    bank_account(cast)
    make_profile(make_model(), "1", "fine_tuning")
    market = Market(cast, client, monkeypatch)
    make_region("cn-shanghai", latitude=Decimal("31.23"), longitude=Decimal("121.47"))
    far = make_region("cn-guian", make_zone("cn-west"), latitude=Decimal("26.4"), longitude=Decimal("106.5"))
    market.fleet.site.renewable_share = Decimal("0.6")
    market.fleet.site.save()
    make_offer(market.fleet, cards=32, ask="30", hours=100)
    near = make_fleet(make_site(cast.owner, renewable_share=Decimal("0.6")), cards=64)
    market.site = near.site_id
    market.agent = enrolled_at(near.site).secret
    make_offer(near, cards=48, ask="8", hours=100)
    green = make_site(cast.owner, far, renewable_share=Decimal("0.9"))
    make_offer(make_fleet(green, cards=64), cards=64, ask="6", hours=100)
    quote_book.prepare(now=market.now)
    return market


def test_a_buyer_who_knows_a_workload(
    language: str, chromium: Browser, live_server: LiveServer, cast: Cast, market: Market
) -> None:
    with watched(chromium, LANGUAGES[language]) as page:
        registers(page, live_server)
        invites_a_colleague_and_sets_a_budget(page, live_server)
        says_what_is_needed(page, live_server)
        watches_the_match(page)
        reads_why_this_one(page)
        agreement = opens_the_agreement(page)
        the_site_begins(market, agreement)
        gets_in(page, live_server, agreement)
        the_site_delivers(market, agreement)
        sees_the_usage(page, live_server, agreement)
        the_month_ends(market)
        pays_the_invoice(page, live_server)
        asks_for_too_little_and_mends_it(page, live_server, market)


def main(page: Page) -> Locator:
    return page.get_by_role("main")


def submit(page: Page) -> None:
    page.locator("main form [type=submit]").last.click()


def registers(page: Page, server: LiveServer) -> None:
    # No two within the same minutes: mails to one address are rationed.
    buyer = f"ada.{uuid.uuid4().hex[:8]}@example.com"
    page.goto(f"{server.url}/accounts/signup/")
    page.locator("[name=email]").fill(buyer)
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill(PASSWORD)
    submit(page)
    page.wait_for_url("**/accounts/confirm-email/")
    link = re.search(r"https?://\S+/accounts/confirm-email/\S+/", mail.outbox[-1].body)
    assert link is not None
    page.goto(re.sub(r"https?://[^/]+", server.url, link[0]))
    submit(page)
    page.wait_for_url(lambda url: "confirm-email" not in url)
    if "/login/" in page.url:
        page.locator("[name=login]").fill(buyer)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[name=password]").press("Enter")
        page.wait_for_url(lambda url: "/login/" not in url)
    page.goto(f"{server.url}/organisation/new/")
    page.locator("[name=kind][value=buyer]").check()
    page.locator("[name=name_en]").fill("Ada Models")
    page.locator("[name=name_zh]").fill("艾达模型")
    page.locator("[name=jurisdiction]").fill("CN")
    submit(page)
    page.wait_for_url(lambda url: "/organisation/new/" not in url)


def invites_a_colleague_and_sets_a_budget(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/team/")
    page.locator("[name=email]").fill("bo@example.com")
    submit(page)
    expect(main(page)).to_contain_text("bo@example.com")

    page.goto(f"{server.url}/groups/")
    form = page.locator("form[action='/groups/budgets/']")
    form.locator("[name=name]").fill("Spring")
    form.locator("[name=amount]").fill("100000")
    form.locator("[type=submit]").click()
    expect(page.locator("#budgets")).to_contain_text("¥100,000.00")


def field(page: Page, name: str) -> Locator:
    return page.locator(f"[name=alternatives-0-{name}], [name={name}]").first


def fills_in(page: Page, work: dict[str, str]) -> None:
    page.locator("[name=shared_budget]").select_option(str(Budget.objects.get().pk))
    field(page, "workload").select_option("fine_tuning")
    field(page, "unit").select_option("np")
    # Sections that most leave empty open with the keyboard, and stay open.
    for summary in page.locator("#builder > form details.evidence > summary").all()[:2]:
        summary.press("Enter")
    field(page, "near").select_option("cn-shanghai")
    page.locator("[name=alternatives-0-jurisdictions][value=CN]").check()
    local = page.evaluate(f"new Date({int(DEADLINE.timestamp())} * 1000).toISOString().slice(0, 16)")
    field(page, "deadline").fill(local)
    for name, value in work.items():
        field(page, name).fill(value)


def says_what_is_needed(page: Page, server: LiveServer) -> None:
    """The panel answers while it is typed; what was typed outlives a visit elsewhere and an expired login."""
    page.goto(f"{server.url}/requests/new/")
    fills_in(page, THE_WORK)
    quote = page.locator("#quote")
    expect(quote).to_contain_text("¥8.00/nP-h")
    expect(quote).to_contain_text("¥2.00/nP-h")
    expect(quote).to_contain_text("H800")

    page.goto(f"{server.url}/market/")
    page.go_back()
    expect(field(page, "title")).to_have_value(THE_WORK["title"])
    expect(page.locator("[name=alternatives-0-jurisdictions][value=CN]")).to_be_checked()
    expect(quote).to_contain_text("¥8.00/nP-h")

    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.locator("#request-form [type=submit]").first.click()
    page.wait_for_url("**/accounts/login/**")
    page.context.add_cookies([each for each in cookies if each["name"] == "sessionid"])
    page.goto(f"{server.url}/requests/new/")
    expect(field(page, "renewable_share")).to_have_value("50")
    page.locator("#request-form [type=submit]").first.click()
    page.wait_for_url(re.compile(r"/requests/\d+/$"))
    asked = ComputeRequest.objects.get()
    assert (asked.title, asked.shared_budget) == (THE_WORK["title"], Budget.objects.get())
    assert asked.alternatives.get().deadline == DEADLINE


def watches_the_match(page: Page) -> None:
    """The page is not touched: it sees by itself that the run came."""
    expect(main(page)).to_contain_text(_("It waits for the next market run."))
    run_market_task()
    schedule()
    expect(page.locator("main a[href^='/agreements/']")).to_have_count(1, timeout=15_000)


def reads_why_this_one(page: Page) -> None:
    page.locator("main a[href*='/market/explanations/']").first.click()
    expect(main(page)).to_contain_text(_("Why this one"))
    # About half way between the ask and the limit, as nobody else sets the price.
    expect(main(page)).to_contain_text("¥8.50/nP-h")
    expect(main(page)).to_contain_text("¥1,440.")
    expect(page.locator("main a[href^='/market/runs/']").first).to_be_visible()
    page.go_back()


def opens_the_agreement(page: Page) -> Agreement:
    agreement = Agreement.objects.get()
    page.locator(f"main a[href='/agreements/{agreement.pk}/']").click()
    expect(main(page)).to_contain_text("¥24,479.98")
    return agreement


def the_site_begins(market: Market, agreement: Agreement) -> None:
    number, fleet = agreement.delivery.pk, agreement.allocation.offer.fleet
    market.step(number, "provisioning", MORNING + timedelta(minutes=20))
    key = agreement.buyer.access_key.public_key
    sealed = seal({"login": "ssh ada@login.wuhu.example"}, public_key=key, delivery=number)
    market.post(market.agent, f"agent/deliveries/{number}/access", {"sealed": sealed})
    market.step(number, "accepting", MORNING + timedelta(minutes=30))
    shown = {"cards_visible": 40, "model": fleet.model.slug, "memory_gb": "80", "passed": True}
    market.step(number, "active", START, acceptance=shown)


def gets_in(page: Page, server: LiveServer, agreement: Agreement) -> None:
    page.goto(f"{server.url}/deliveries/{agreement.delivery.pk}/")
    page.locator("main form[action$='/access/'] [type=submit]").click()
    expect(main(page)).to_contain_text("ssh ada@login.wuhu.example")


def the_site_delivers(market: Market, agreement: Agreement) -> None:
    """All cards for as long as was agreed."""
    number = agreement.delivery.pk
    for hour in range(HOURS):
        market.meter(number, hour, allocated=40 * 3600)
    market.step(number, "ended", START + HOURS * HOUR)


def sees_the_usage(page: Page, server: LiveServer, agreement: Agreement) -> None:
    page.goto(f"{server.url}/agreements/{agreement.pk}/")
    expect(page.locator("#usage svg[role=img]")).to_be_visible()
    expect(page.locator("#usage")).to_contain_text("2,880")


def the_month_ends(market: Market) -> None:
    market.now = START + (HOURS + 12) * HOUR
    rate_ended_slots()
    close_periods()


def pays_the_invoice(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/invoices/")
    page.locator("#list tbody a").first.click()
    page.locator("main a[href$='/pay/']").first.click()
    page.locator("[name=method][value=bank]").check()
    submit(page)
    page.wait_for_url(re.compile(r"/payments/[0-9a-f-]{36}/$"))
    expect(main(page)).to_contain_text("RF")
    assert Payment.objects.get().invoice == Document.objects.filter(kind="invoice").last()


def asks_for_too_little_and_mends_it(page: Page, server: LiveServer, market: Market) -> None:
    """At ¥5 nobody sells near Shanghai: the funnel says so, and one click raises the limit."""
    quote_book.prepare(now=market.now)
    page.goto(f"{server.url}/requests/new/")
    fills_in(page, THE_WORK | {"title": "Again", "hours": "4", "limit": "5", "amount": "8"})
    page.locator("#request-form [type=submit]").first.click()
    page.wait_for_url(re.compile(r"/requests/\d+/$"))
    run_market_task()
    refused = Explanation.objects.get(request__title="Again")
    page.goto(f"{server.url}/market/explanations/{refused.run_id}/{refused.request_id}/")
    expect(page.locator(".funnel .is-binding")).to_have_count(1)
    page.locator("#changes form [type=submit]").first.click()
    page.wait_for_url(lambda url: "/requests/" in url and not url.endswith(f"/{refused.request_id}/"))
    run_market_task()
    expect(page.locator("main a[href^='/agreements/']")).to_have_count(1, timeout=15_000)


def test_a_buyer_without_a_pointer(
    chromium: Browser, live_server: LiveServer, cast: Cast, market: Market
) -> None:
    """From the form to the reason of the match: every step is a key, and what has the focus is visible."""
    with watched(chromium, "en-GB") as page:
        sign_in(page, live_server, cast.buyer_trader)
        page.goto(f"{live_server.url}/requests/new/")
        typed = THE_WORK | {"unit": "n", "workload": "f", "near": "cn-sh"}
        for name in ("title", "workload", "amount", "unit", "hours", "limit"):
            tab_to(page, f"[name$={name}]")
            page.keyboard.press("ControlOrMeta+A")
            page.keyboard.type(typed[name])
        tab_to(page, "#builder summary")
        page.keyboard.press("Enter")
        for name in ("near", "round_trip_ms"):
            tab_to(page, f"[name$={name}]")
            page.keyboard.type(typed[name])
        expect(page.locator("#quote")).to_contain_text("¥8.00/nP-h")
        tab_to(page, "#request-form .form-actions [type=submit]")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/requests/\d+/$"))
        run_market_task()
        expect(page.locator("main a[href^='/agreements/']")).to_have_count(1, timeout=15_000)
        tab_to(page, "main a[href*='/market/explanations/']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/market/explanations/**")
        expect(main(page)).to_contain_text("Why this one")


def sign_in(page: Page, server: LiveServer, user: User) -> None:
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    page.goto(f"{server.url}/accounts/login/")
    page.locator("[name=login]").fill(user.email)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/accounts/login/" not in url)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until it has the focus; what a page loads anew may come between."""
    for _press in range(150):
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            shadow = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
            assert ring != "none" or shadow != "none", f"{selector} does not show that it has the focus"
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {selector}")
