"""A case to pack: an agreement that was used, corrected, invoiced twice and credited."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

from django.test import override_settings

from accounts import audit
from accounts.actors import task_actor
from billing.invoicing.credit_notes import issue_credit_note
from billing.invoicing.models import Document
from billing.invoicing.services import close_due_periods
from marketplace.audit.evidence.models import EvidencePack
from marketplace.audit.evidence.services import make_pack, request_pack
from marketplace.delivery.models import AcceptanceTest, Delivery
from tests.billing.builders import HOUR, LONG_AFTER, agent_of, event, make_delivery, rate_at, send
from tests.cast import Cast

CLOSER = task_actor("billing.close_periods")
FULL = 8 * 3600


@override_settings(BILLING_PERIOD="hours:1")
def traded(cast: Cast) -> Delivery:
    """Two hours at 10 and 12.34; the second half of the first one is reported late, when it was billed."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "12.34"])
    AcceptanceTest.objects.create(
        delivery=delivery, at=delivery.starts_at, passed=True, checks=[], probe={"tflops": 640.5}, evidence={}
    )
    agent, start = agent_of(cast.owner), delivery.starts_at
    send(
        agent,
        event(delivery, "first", seconds=1800, quantity=FULL // 2),
        event(delivery, "second", at=start + HOUR, seconds=3600, quantity=FULL),
        event(delivery, "watts", seconds=3600, quantity=4_000, meter="energy.wh"),
    )
    rate_at(start + 1.5 * HOUR)
    close_due_periods(now=start + 2 * HOUR, actor=CLOSER)
    send(agent, event(delivery, "late", at=start + HOUR / 2, seconds=1800, quantity=FULL // 2 - 7))
    rate_at()
    close_due_periods(now=start + 4 * HOUR, actor=CLOSER)
    issue_credit_note(
        viewer=cast.viewer_of(cast.operator),
        invoice=Document.objects.filter(kind="invoice").earliest("pk"),
        amount=100,
        borne_by="owners",
        reason="The fabric was slow",
        now=LONG_AFTER,
    )
    return delivery


def packed(cast: Cast, case: str, subject: int, **window: object) -> EvidencePack:
    job = request_pack(
        viewer=cast.viewer_of(cast.auditor),
        case=case,
        subject=subject,
        now=LONG_AFTER + timedelta(days=40),
        **window,
    )
    audit.seal()
    make_pack(job, now=LONG_AFTER + timedelta(days=40))
    return EvidencePack.objects.get(pk=job.subject)


def files_of(pack: EvidencePack) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
