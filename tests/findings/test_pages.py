"""What auditors and subjects read, where each figure leads, and what the pages cost."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from django.template import RequestContext, Template
from django.test import Client, RequestFactory

from accounts.actors import task_actor
from accounts.models import Membership
from billing.metering.models import MeteredHour
from marketplace.audit.findings.cases import Case, Row, Subject, Window
from marketplace.audit.findings.models import Evidence, Finding, FindingSubject, Severity
from marketplace.audit.findings.services import Detected, report
from marketplace.audit.findings.thresholds import thresholds_of
from tests.billing import builders
from tests.cast import Cast
from tests.conftest import NOW
from tests.factories import site_of
from tests.findings.rows import HOUR

MACHINE = task_actor("audit.detect")
MINING = {"hours": 72, "busy_share": 1, "duty": 1, "watts": 650, "variation": 0}


@pytest.fixture
def finding(cast: Cast, now: datetime) -> Finding:
    """A site that mines, eight hours of it as evidence; of the first one there are readings."""
    site = site_of(cast.owner)
    delivery = builders.make_delivery(
        owner=cast.owner, buyer=cast.buyer, prices=["10"] * 8, start=NOW.replace(minute=0) - 8 * HOUR
    )
    sent = builders.event(delivery, quantity=28_800, seconds=3600)
    builders.send(builders.agent_of(cast.owner), sent)
    assert MeteredHour.objects.exists()
    rows = []
    for number in range(8):
        slot = (delivery.starts_at + number * HOUR).isoformat()
        facts = {
            "slot": slot,
            "delivery": delivery.pk,
            "allocated": 28_800,
            "active": 28_700,
            "energy": 5_600,
        }
        rows.append(Row("metered_hour", f"{delivery.pk}/{slot}", facts, (cast.owner.pk, cast.buyer.pk)))
    rows.append(Row("agreement", str(delivery.agreement_id), {"value": "80"}, (cast.owner.pk, cast.buyer.pk)))
    case = Case(
        key=f"site:{site.pk}",
        severity=Severity.SERIOUS,
        window=Window(NOW - 168 * HOUR, NOW),
        statistics=MINING,
        subjects=(Subject(cast.owner.pk, site=site.pk),),
        evidence=rows,
    )
    made, _is_new = report(
        Detected(case, "constant-load", thresholds_of("constant-load")), actor=MACHINE, now=NOW
    )
    assert made is not None
    return made


def test_an_auditor_follows_a_finding_to_its_readings(cast: Cast, client: Client, finding: Finding) -> None:
    client.force_login(cast.auditor)

    queue = client.get("/findings/").content.decode()
    page = client.get(f"/findings/{finding.pk}/").content.decode()
    row = Evidence.objects.earliest("pk")
    hour = client.get(f"/findings/{finding.pk}/hours/{row.pk}/").content.decode()

    assert f"/findings/{finding.pk}/" in queue
    assert "Always busy at constant power" in queue
    assert "of 72 hours all sold cards were all but fully busy" in page
    assert "<polyline" in page
    assert f"/findings/{finding.pk}/hours/{row.pk}/" in page
    assert "/agreements/" in page
    assert "production traces" in page
    assert "/readings/" in hour


def test_it_is_judged_on_its_page(cast: Cast, client: Client, finding: Finding) -> None:
    cast.owner_admin  # noqa: B018 who is told
    client.force_login(cast.auditor)
    address = f"/findings/{finding.pk}"

    client.post(f"{address}/assign/", {"auditor": cast.auditor.pk})
    client.post(f"{address}/messages/", {"organisation": "", "text": "Look at the power."})
    client.post(f"{address}/messages/", {"organisation": cast.owner.pk, "text": "What runs there?"})
    other = Client()
    other.force_login(cast.owner_admin)
    seen = other.get(f"{address}/").content.decode()
    other.post(f"{address}/answers/", {"organisation": cast.owner.pk, "text": "A long training run."})
    refused = client.post(f"{address}/close/", {"outcome": "confirmed", "reason": " "})
    closed = client.post(
        f"{address}/close/", {"outcome": "dismissed", "reason": "They showed the job."}, follow=True
    )

    assert "What runs there?" in seen
    assert "Look at the power." not in seen
    assert refused.status_code == 422
    assert "They showed the job." in closed.content.decode()
    finding.refresh_from_db()
    assert (finding.state, finding.messages.count()) == ("dismissed", 3)


def test_filters_and_csv(cast: Cast, client: Client, finding: Finding) -> None:
    client.force_login(cast.auditor)
    for query, there in (
        ("severity=3", True), ("severity=1", False), ("detector=digits", False), ("state=all", True),
        ("state=confirmed", False), (f"site={site_of(cast.owner).pk}", True), ("site=999", False),
        (f"owner={cast.auditor.pk}", False), ("severity=nonsense", True),
    ):  # fmt: skip
        page = client.get(f"/findings/?{query}").content.decode()
        assert (f'href="/findings/{finding.pk}/"' in page) == there, query
    lines = b"".join(client.get("/findings/?format=csv").streaming_content).decode().splitlines()
    assert len(lines) == 2


def test_a_buyer_sees_nothing_of_a_finding_about_its_seller(
    cast: Cast, client: Client, finding: Finding
) -> None:
    client.force_login(cast.buyer_admin)
    assert f"F{finding.pk}" not in client.get("/findings/").content.decode()
    assert client.get(f"/findings/{finding.pk}/").status_code == 404


def test_a_subject_reads_no_figures_of_a_finding_that_is_about_others_too(
    cast: Cast, client: Client, finding: Finding
) -> None:
    client.force_login(cast.owner_admin)
    assert "of 72 hours" in client.get(f"/findings/{finding.pk}/").content.decode()

    FindingSubject.objects.create(finding=finding, organisation=cast.buyer)

    assert "of 72 hours" not in client.get(f"/findings/{finding.pk}/").content.decode()
    told = json.loads(client.get(f"/api/v1/findings/{finding.pk}").content)
    assert (told["statistics"], told["sentence"]) == ({}, "")
    assert [one["organisation"] for one in told["subjects"]] == [cast.owner.pk]


def test_the_api_says_what_the_page_says(cast: Cast, client: Client, finding: Finding) -> None:
    client.force_login(cast.auditor)
    told: dict[str, Any] = json.loads(client.get(f"/api/v1/findings/{finding.pk}").content)
    assert told["severity"] == "serious"
    assert told["statistics"]["watts"] == 650
    assert told["subjects"] == [
        {"organisation": cast.owner.pk, "site": site_of(cast.owner).pk, "agreement": None, "delivery": None}
    ]
    assert len(told["evidence"]) == 9


def test_pages_cost_the_same_however_much_there_is(
    cast: Cast, client: Client, finding: Finding, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        case = Case(
            key=f"site:{1000 + number}",
            severity=Severity.WARNING,
            window=Window(NOW - 168 * HOUR, NOW),
            statistics=MINING,
            subjects=(Subject(cast.owner.pk, site=site_of(cast.owner).pk), Subject(cast.buyer.pk)),
            evidence=[Row("delivery", str(place), {}, (cast.owner.pk,)) for place in range(40)],
        )
        report(Detected(case, "constant-load", thresholds_of("constant-load")), actor=MACHINE, now=NOW)
    client.force_login(cast.auditor)
    assert not Membership.objects.filter(user=cast.auditor).exists()
    with django_assert_max_num_queries(18):
        client.get("/findings/")
    with django_assert_max_num_queries(18):
        client.get(f"/findings/{Finding.objects.latest('pk').pk}/")


def test_other_pages_lead_to_the_findings_of_a_site(cast: Cast, rf: RequestFactory, finding: Finding) -> None:
    line = Template("{% load findings %}{% open_findings site %}")
    said = {}
    for name in ("auditor", "owner_admin", "owner_viewer"):
        request = rf.get("/")
        request.viewer = cast.viewer_of(getattr(cast, name))
        said[name] = line.render(
            RequestContext(request, {"request": request, "site": site_of(cast.owner)}, processors=[])
        )
    assert f"/findings/?site={site_of(cast.owner).pk}" in said["auditor"]
    assert "/findings/" in said["owner_admin"]
    assert said["owner_viewer"].strip() == ""
