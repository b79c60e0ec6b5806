"""Findings: auditors and operators see all, administrators those about their organisation, nobody else any.

The objects are those of the owner, whose site the finding is about.
"""

from __future__ import annotations

from datetime import timedelta

from accounts.actors import task_actor
from marketplace.audit.findings.cases import Case, Row, Subject, Window
from marketplace.audit.findings.models import Evidence, Finding, Severity
from marketplace.audit.findings.services import Detected, report
from marketplace.audit.findings.thresholds import thresholds_of
from tests.cast import Cast
from tests.conftest import NOW
from tests.permissions import table
from tests.permissions.objects import Given, listed, owners_site, the_active_delivery

ADMINISTRATORS = {"viewer": 404, "trader": 404, "finance": 404, "counterparty": 404}
AUDITORS = table.only(404, refused=404, counterparty=404, admin=403, auditor=302, operator=403)
WITHOUT_TOKENS = dict.fromkeys(("token_read", "token_trade", "token_agent", "token_stranger"), 404)


def the_finding(cast: Cast) -> Finding:
    site = owners_site(cast)
    delivery = the_active_delivery(cast)
    slot = delivery.starts_at.isoformat()
    facts = {"slot": slot, "delivery": delivery.pk, "allocated": 28_800, "active": 28_700, "energy": 5_600}
    case = Case(
        key=f"site:{site.pk}",
        severity=Severity.SERIOUS,
        window=Window(NOW - timedelta(days=7), NOW),
        statistics={"hours": 72, "busy_share": 1, "duty": 1, "watts": 650, "variation": 0},
        subjects=(Subject(cast.owner.pk, site=site.pk),),
        evidence=(Row("metered_hour", f"{delivery.pk}/{slot}", facts, (cast.owner.pk, cast.buyer.pk)),),
    )
    detected = Detected(case, "constant-load", thresholds_of("constant-load"))
    finding, _is_new = report(detected, actor=task_actor("a test"), now=NOW)
    assert finding is not None
    return finding


def a_finding(cast: Cast) -> Given:
    return {"pk": the_finding(cast).pk}


def an_hour(cast: Cast) -> Given:
    finding = the_finding(cast)
    return {"pk": finding.pk, "evidence": Evidence.objects.get(finding=finding).pk}


def an_auditor(cast: Cast) -> Given:
    return {"auditor": cast.auditor.pk}


def an_answer(cast: Cast) -> Given:
    return {"organisation": cast.owner.pk, "text": "We trained a model."}


ROWS = [
    table.Row("findings:findings", table.page(stranger=200, counterparty=200)),
    table.Row("findings:finding", table.page(**ADMINISTRATORS), given=a_finding),
    table.Row("findings:hour", table.page(**ADMINISTRATORS), given=an_hour),
    table.Row("findings:assign", AUDITORS, method="POST", given=a_finding, body=an_auditor),
    table.Row("findings:write", AUDITORS, method="POST", given=a_finding, body={"text": "Why?"}),
    table.Row(
        "findings:close",
        AUDITORS,
        method="POST",
        given=a_finding,
        body={"outcome": "dismissed", "reason": "It was a training run."},
    ),
    table.Row(
        "findings:answer",
        table.only(302, "admin", refused=404, counterparty=404, auditor=403, operator=403),
        method="POST",
        given=a_finding,
        body=an_answer,
    ),
    table.Row(
        "api:findings",
        table.api_list(),
        given=listed(a_finding),
        shown_to=frozenset({"admin", "auditor", "operator"}),
    ),
    table.Row("api:finding", table.api(**ADMINISTRATORS | WITHOUT_TOKENS), given=a_finding),
    table.Row(
        "api:finding-answers",
        table.api(201, **ADMINISTRATORS | WITHOUT_TOKENS | {"auditor": 422, "operator": 422}),
        method="POST",
        given=a_finding,
        body=an_answer,
    ),
]
