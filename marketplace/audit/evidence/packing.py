"""A case as a zip: rows, proof of the chain, a PDF, the verifier, and a manifest over all of them.

The same facts, asked for by the same person as of the same moment, give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from billing.metering.models import DetachedMonth
from marketplace.audit.evidence.cases import scope_of
from marketplace.audit.evidence.chain import Segment, segment_of
from marketplace.audit.evidence.collecting import Report, collect
from marketplace.audit.evidence.models import EvidencePack
from marketplace.audit.evidence.printing import pdf_of
from marketplace.audit.evidence.rows import canonical, lines, plain

FORMAT = "cardhour-evidence/1"
VERIFIER = Path(__file__).with_name("verify.py")
MANIFEST = "manifest.json"
# A zip keeps the time of each file: one moment for all, or the bytes would differ from day to day.
STAMP = (1980, 1, 1, 0, 0, 0)
STEPS = 5


@contextmanager
def one_moment() -> Iterator[None]:
    """All that is read inside is of one moment, whatever commits meanwhile."""
    begins = not connection.in_atomic_block
    with transaction.atomic():
        if begins:  # inside another transaction, as in tests, it is too late to ask for it
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


@dataclass(frozen=True, slots=True)
class Packed:
    """The zip, and the digests of the two files in it that prove the others."""

    content: bytes
    manifest_digest: str
    verifier_digest: str

    @property
    def digest(self) -> str:
        return _sha256(self.content)


def pack(asked: EvidencePack, *, report: Report) -> Packed:
    """Read the case and pack it; to be called in ``one_moment``."""
    found = collect(scope_of(asked), report)
    segment = segment_of(found.objects)
    report(4)
    rows = found.files | {"events": segment.events, "links": segment.links}
    files = {f"{name}.jsonl": lines(each) for name, each in rows.items()}
    counts = {f"{name}.jsonl": len(each) for name, each in rows.items()}
    files["verify.py"] = VERIFIER.read_bytes()
    files["summary.pdf"] = pdf_of(asked, found, segment)
    manifest = _manifest(asked, files, counts, segment)
    files[MANIFEST] = canonical(manifest | {"digest": _sha256(canonical(manifest).encode())}).encode()
    return Packed(_zipped(files), _sha256(files[MANIFEST]), _sha256(files["verify.py"]))


def _manifest(
    asked: EvidencePack, files: dict[str, bytes], counts: dict[str, int], segment: Segment
) -> dict[str, Any]:
    """``made_for`` is a pseudonym: the exchange knows whose number it is, the pack names nobody."""
    return {
        "format": FORMAT,
        "case": {
            "kind": asked.case,
            "subject": asked.subject,
            "title": f"Evidence on {asked.case} {asked.subject}",
            "starts_at": plain(asked.starts_at),
            "ends_at": plain(asked.ends_at),
        },
        "as_of": plain(asked.as_of),
        "made_for": f"user {asked.made_for_id}",
        "chain": {
            "previous": segment.previous,
            "last": segment.links[-1]["digest"] if segment.links else None,
            "unsealed": segment.unsealed,
        },
        "detached_months": [f"{month:%Y-%m}" for month in _detached()],
        "files": {
            name: {"sha256": _sha256(content), "size": len(content)}
            | ({"rows": counts[name]} if name in counts else {})
            for name, content in files.items()
        },
    }


def _detached() -> list[date]:
    """Months whose readings are kept elsewhere: their hours cannot be added up from a pack."""
    return list(DetachedMonth.objects.order_by("month").values_list("month", flat=True))


def _zipped(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            about = zipfile.ZipInfo(name, STAMP)
            about.compress_type, about.create_system, about.external_attr = (
                zipfile.ZIP_DEFLATED,
                3,
                0o644 << 16,
            )
            archive.writestr(about, files[name], compresslevel=6)
    return target.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
