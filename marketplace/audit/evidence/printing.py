"""The pages of a pack for people."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.template.loader import render_to_string
from django.utils import timezone, translation

from billing.invoicing.pdf import FONTS, write_pdf
from marketplace.audit.evidence.chain import Segment
from marketplace.audit.evidence.collecting import Collected, metered_in_all
from marketplace.audit.evidence.models import EvidencePack
from marketplace.audit.evidence.rows import Row

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class PrintedAgreement:
    number: str
    kind: str
    owner: str
    buyer: str
    starts_at: datetime
    ends_at: datetime
    value: Decimal
    currency: str
    terms_digest: str


def pdf_of(asked: EvidencePack, found: Collected, segment: Segment) -> bytes:
    """What the pack says, in the language in which it was asked for; times are UTC as in its rows."""
    with translation.override(asked.language), timezone.override(UTC):
        context = {
            "pack": asked,
            "agreements": list(_agreements(found)),
            "metered": Decimal(metered_in_all(found.files["readings"])) / SECONDS_AN_HOUR,
            "charged": sorted(_charged(found).items()),
            "counts": {name: len(rows) for name, rows in found.files.items()},
            "states": sorted(Counter(row["state"] for row in found.files["deliveries"]).items()),
            "events": len(segment.events),
            "last_link": segment.links[-1]["digest"] if segment.links else "",
            "fonts": FONTS.as_uri(),
        }
        html = render_to_string("evidence/summary.html", context)
    named = f"evidence {asked.case} {asked.subject} {asked.as_of.isoformat()} {asked.language}"
    return write_pdf(html, identifier=hashlib.sha256(named.encode()).digest())


def _agreements(found: Collected) -> Iterator[PrintedAgreement]:
    chinese = (translation.get_language() or "").startswith("zh")
    names = {row["id"]: row["name_zh" if chinese else "name_en"] for row in found.files["organisations"]}
    for row in found.files["agreements"]:
        yield PrintedAgreement(
            number=f"A{row['id']}",
            kind=row["kind"],
            owner=names[row["owner_id"]],
            buyer=names[row["buyer_id"]],
            starts_at=datetime.fromisoformat(row["starts_at"]),
            ends_at=datetime.fromisoformat(row["ends_at"]),
            value=Decimal(row["value"]),
            currency=row["currency"],
            terms_digest=row["terms_digest"],
        )


def _charged(found: Collected) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    row: Row
    for row in found.files["charges"]:
        sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + Decimal(row["amount"])
    return sums
