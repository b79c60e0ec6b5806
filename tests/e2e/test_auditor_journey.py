"""An auditor: from the nation to a site below its threshold, a suspicious agreement and its readings, and
away with a pack that proves itself. In both languages; what is read is asked of the catalogue of messages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.cache import cache
from django.utils import translation
from django.utils.translation import gettext as _
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts import audit
from accounts.actors import task_actor
from accounts.models import AuditEvent
from marketplace.agreements.models import Agreement
from marketplace.audit.access.looks import LOOKED
from marketplace.audit.evidence.tasks import make_evidence_pack
from marketplace.audit.findings.cases import Case, Row, Subject, Window
from marketplace.audit.findings.models import Finding, Severity
from marketplace.audit.findings.services import Detected, report
from marketplace.audit.findings.thresholds import thresholds_of
from marketplace.audit.utilisation.services import roll_up
from marketplace.clock import MarketClock
from marketplace.jobs.models import Job
from tests.billing.builders import START
from tests.cast import Cast
from tests.compliance.scenes import make_policy
from tests.e2e.browser import chromium, watched
from tests.e2e.test_owner_journey import sign_in
from tests.evidence.scenes import traded
from tests.utilisation.scenes import opened

__all__ = ["chromium"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

LANGUAGES = {"en": "en-GB", "zh-hans": "zh-CN"}
# Two days after the agreement was delivered: on the whole day in between the site sold nothing.
NOW = START + timedelta(days=2)


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    with translation.override(request.param):
        yield request.param


@pytest.fixture
def suspicious(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Agreement:
    """An agreement at a site that has to sell a fifth of what it installed, with a finding about it."""
    cache.clear()
    monkeypatch.setattr(MarketClock, "now", lambda _clock: NOW)
    opened()
    delivery = traded(cast)
    make_policy(
        slug="sold", level="sold", threshold=Decimal("0.2"), window_days=1, title_en="Sold", title_zh="已售"
    )
    roll_up(now=NOW, actor=task_actor("a test"))
    slot = delivery.starts_at.isoformat()
    facts = {"slot": slot, "delivery": delivery.pk, "allocated": 28_800, "active": 28_700, "energy": 5_600}
    case = Case(
        key=f"site:{delivery.site_id}",
        severity=Severity.SERIOUS,
        window=Window(NOW - timedelta(days=7), NOW),
        statistics={"hours": 72, "busy_share": 1, "duty": 1, "watts": 650, "variation": 0},
        subjects=(Subject(cast.owner.pk, site=delivery.site_id),),
        evidence=(Row("metered_hour", f"{delivery.pk}/{slot}", facts, (cast.owner.pk, cast.buyer.pk)),),
    )
    report(
        Detected(case, "constant-load", thresholds_of("constant-load")), actor=task_actor("a test"), now=NOW
    )
    audit.seal()
    return delivery.agreement


def test_an_auditor_follows_a_doubt_to_its_evidence(
    language: str,
    chromium: Browser,
    live_server: LiveServer,
    cast: Cast,
    suspicious: Agreement,
    tmp_path: Path,
) -> None:
    with watched(chromium, LANGUAGES[language]) as page:
        sign_in(page, live_server, cast.auditor)
        sees_the_nation(page, live_server)
        finds_the_site_below_its_threshold(page, live_server)
        opens_the_dossier(page)
        reads_the_agreement_and_its_readings(page, live_server, suspicious)
        pack = exports_the_pack(page, live_server, tmp_path)
        proves_it_elsewhere(pack, tmp_path)
        looks_at_the_chain(page, live_server)
    whose = set(AuditEvent.objects.filter(action=LOOKED).values_list("organisation", flat=True))
    assert whose == {None, cast.owner.pk, cast.buyer.pk}


def sees_the_nation(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/audit/")
    main = page.get_by_role("main")
    for level in ("offered", "sold", "allocated", "active"):
        expect(main.get_by_text(_(level.capitalize())).first).to_be_visible()


def finds_the_site_below_its_threshold(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/audit/policies/")
    page.locator("main tbody th a").first.click()
    page.wait_for_url("**/audit/policies/sold/")
    page.locator("main a[href$='/dossier/']").first.click()
    page.wait_for_url("**/dossier/")


def opens_the_dossier(page: Page) -> None:
    policies = page.locator("#policies")
    expect(policies).to_contain_text(translation.pgettext("state", "in breach, curing"))
    policies.locator("summary").first.click()
    expect(policies).to_contain_text(_("Installed"))
    expect(page.locator("#findings tbody a")).to_have_count(1)


def reads_the_agreement_and_its_readings(page: Page, server: LiveServer, agreement: Agreement) -> None:
    page.locator(f"#agreements a[href='/agreements/{agreement.pk}/']").click()
    page.wait_for_url(f"**/agreements/{agreement.pk}/")
    page.goto(f"{server.url}/agreements/{agreement.pk}/usage/")
    page.locator("main a[href^='/charges/']").first.click()
    page.wait_for_url("**/charges/*/")
    page.locator("main a[href^='/readings/']").first.click()
    page.wait_for_url("**/readings/*/")


def exports_the_pack(page: Page, server: LiveServer, folder: Path) -> Path:
    page.goto(f"{server.url}/findings/{Finding.objects.get().pk}/")
    page.locator("main a[href^='/audit/evidence/']").click()
    page.wait_for_url("**/audit/evidence/?case=finding**")
    expect(page.locator("[name=case]")).to_have_value("finding")
    page.locator("main form[action='/audit/evidence/new/'] [type=submit]").click()
    page.wait_for_url("**/jobs/*/")
    make_evidence_pack(Job.objects.get().pk)
    page.locator("main a[href^='/audit/evidence/']").click(timeout=15_000)
    page.wait_for_url("**/audit/evidence/*/")
    with page.expect_download() as download:
        page.locator("main a[href$='/download/']").click()
    pack = folder / "pack.zip"
    download.value.save_as(pack)
    return pack


def proves_it_elsewhere(pack: Path, folder: Path) -> None:
    """Unpacked on a machine that has only Python."""
    unpack = [sys.executable, "-I", "-m", "zipfile", "-e", str(pack), str(folder / "pack")]
    subprocess.run(unpack, check=True)
    verifier = [sys.executable, "-I", "-S", str(folder / "pack" / "verify.py")]
    found = subprocess.run(verifier, capture_output=True, text=True, check=False, cwd=folder)
    assert (found.returncode, found.stderr) == (0, "")
    assert "rows that the finding rests on are as the detector read them" in found.stdout


def looks_at_the_chain(page: Page, server: LiveServer) -> None:
    """The digests are on the page of the chain, and its command finds every link whole."""
    page.goto(f"{server.url}/audit-chain/")
    expect(page.get_by_role("main")).to_contain_text(_("Audit chain"))
    assert list(audit.verify_chain(now=NOW)) == []
