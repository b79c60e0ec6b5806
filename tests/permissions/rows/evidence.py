"""Packs of evidence hold what is of several tenants: only auditors and operators see any."""

from __future__ import annotations

from marketplace.audit.evidence.models import EvidencePack
from tests.cast import Cast
from tests.conftest import NOW
from tests.permissions.objects import Given, the_agreement
from tests.permissions.table import EXCHANGE, Row, only

NOBODY_ELSE = {"refused": 404, "counterparty": 404}


def a_pack(cast: Cast) -> Given:
    pack = EvidencePack.objects.create(
        case="agreement",
        subject=1,
        as_of=NOW,
        language="en",
        made_for=cast.auditor,
        content=b"zip",
        digest="0" * 64,
        size=3,
    )
    return {"pk": pack.pk}


def of_an_agreement(cast: Cast) -> dict[str, object]:
    return {"case": "agreement", "subject": the_agreement(cast).pk}


ROWS = [
    Row("evidence:packs", only(200, *EXCHANGE, **NOBODY_ELSE)),
    Row("evidence:pack", only(200, *EXCHANGE, **NOBODY_ELSE), given=a_pack),
    Row("evidence:download", only(200, *EXCHANGE, **NOBODY_ELSE), given=a_pack),
    # An export: the auditor changes nothing of anybody's, and leaves an audit event.
    Row("evidence:request", only(302, *EXCHANGE, **NOBODY_ELSE), method="POST", body=of_an_agreement),
]
