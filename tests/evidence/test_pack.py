"""A pack of evidence proves what it says to whoever has Python, and not a byte of it can be changed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from pypdf import PdfReader
from pytest_django import DjangoDbBlocker

from accounts.models import AuditEvent
from marketplace.audit.evidence import verify
from marketplace.audit.evidence.models import EvidencePack
from marketplace.errors import InvalidInput, NotAllowed
from tests.billing.builders import HOUR, LONG_AFTER, refused
from tests.cast import Cast
from tests.compliance.scenes import confirmed
from tests.evidence.scenes import files_of, packed, traded

pytestmark = pytest.mark.django_db

Files = dict[str, bytes]
Row = dict[str, Any]


@pytest.fixture
def pack(cast: Cast) -> EvidencePack:
    return packed(cast, "agreement", traded(cast).agreement_id)


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> EvidencePack:
    """One pack for all tests that look at nothing but its bytes; the database forgets it."""
    with django_db_blocker.unblock(), transaction.atomic():
        cast = Cast()
        pack = packed(cast, "agreement", traded(cast).agreement_id)
        transaction.set_rollback(True)
    return pack


@pytest.fixture
def files(made: EvidencePack) -> Files:
    return files_of(made)


def run(*arguments: str, inside: Path) -> subprocess.CompletedProcess[str]:
    """As on a machine that has only Python: no site packages, no environment, another folder."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", *arguments],
        cwd=inside,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


def unpacked(files: Files, folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_it_verifies_on_a_machine_that_has_only_python(
    made: EvidencePack, files: Files, tmp_path: Path
) -> None:
    folder = unpacked(files, tmp_path / "pack")
    (tmp_path / "empty").mkdir()
    (tmp_path / "pack.zip").write_bytes(made.content)

    unzipped = run(str(folder / "verify.py"), inside=tmp_path / "empty")
    zipped = run(str(folder / "verify.py"), str(tmp_path / "pack.zip"), inside=tmp_path / "empty")

    assert (unzipped.returncode, unzipped.stderr) == (0, "")
    assert zipped.stdout == unzipped.stdout
    for said in (
        "Readings add up to what was charged in 2 hours",
        "4 readings say what their events say",
        "2 invoices are booked with their total",
        "audit events are as they were sealed",
        f"manifest.json  {made.manifest_digest}",
        f"verify.py      {made.verifier_digest}",
        "Not proved here:",
    ):
        assert said in unzipped.stdout
    assert made.digest == hashlib.sha256(made.content).hexdigest()


def test_it_holds_every_kind_of_row(files: Files) -> None:
    rows = {name: content.count(b"\n") for name, content in files.items() if name.endswith(".jsonl")}
    assert {
        name: rows[f"{name}.jsonl"]
        for name in ("agreements", "readings", "charges", "documents", "acceptance_tests")
    } == {
        "agreements": 1,
        "readings": 4,
        "charges": 3,
        "documents": 6,
        "acceptance_tests": 1,
    }
    assert "10.000000" in files["charges.jsonl"].decode()
    assert b"@example.com" not in b"".join(files.values())
    assert b"H800" not in files["runs.jsonl"]


def test_the_first_wrong_thing_is_named_and_the_exit_is_1(files: Files, tmp_path: Path) -> None:
    files["charges.jsonl"] = files["charges.jsonl"].replace(b'"quantity":28800', b'"quantity":28801')
    found = run(str(unpacked(files, tmp_path / "pack") / "verify.py"), inside=tmp_path)
    assert found.returncode == 1
    assert found.stdout == "WRONG: charges.jsonl was changed: its SHA-256 is another.\n"


def test_a_change_of_any_byte_of_any_file_is_found(files: Files) -> None:
    """Every byte of the manifest, and of each other file the ends and every 31st in between."""
    verify.verify(dict(files))
    for name, content in files.items():
        step = 1 if name == "manifest.json" else 31
        for place in {*range(0, len(content), step), len(content) - 1} if content else ():
            changed = bytearray(content)
            changed[place] ^= 1
            with pytest.raises(verify.Wrong):
                verify.verify(files | {name: bytes(changed)})


@pytest.mark.parametrize("name", ["readings.jsonl", "verify.py", "summary.pdf", "manifest.json"])
def test_a_missing_file_and_one_too_many_are_found(files: Files, name: str) -> None:
    with pytest.raises(verify.Wrong, match=f"{name} is missing"):
        verify.verify({each: content for each, content in files.items() if each != name})
    with pytest.raises(verify.Wrong, match="extra is not in the manifest"):
        verify.verify(files | {"extra": b""})


def forged(files: Files, name: str, change: Callable[[list[Row]], object]) -> Files:
    """What somebody makes who changes rows and then the manifest too, so that all hashes are right again."""
    rows = [json.loads(line) for line in files[f"{name}.jsonl"].splitlines()]
    change(rows)
    content = "".join(f"{verify.canonical(row)}\n" for row in rows).encode()
    manifest = json.loads(files["manifest.json"])
    manifest.pop("digest")
    manifest["files"][f"{name}.jsonl"] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "rows": len(rows),
    }
    manifest["digest"] = verify.sha256(verify.canonical(manifest))
    return files | {f"{name}.jsonl": content, "manifest.json": verify.canonical(manifest).encode()}


def times_ten(row: Row, *names: str) -> None:
    for name in names:
        row[name] = row[name] * 10 if isinstance(row[name], int) else f"{row[name]}".replace(".", "0.", 1)


def with_another_body(row: Row) -> None:
    row["body"] = row["body"].replace('"quantity": ', '"quantity": 1')
    row["quantity"] = json.loads(row["body"])["data"]["quantity"]


def cheaper(row: Row) -> None:
    row["amount"], row["commission"], row["credit"] = "0.000000000000", "0.000000000000", "0.000000000000"


FORGERIES: dict[str, tuple[str, Callable[[list[Row]], object], str]] = {
    "terms": ("agreements", lambda rows: rows[0]["terms"].update(cards=80), "another digest"),
    "a reading": ("readings", lambda rows: times_ten(rows[0], "quantity"), "and its event"),
    "a reading and its event": ("readings", lambda rows: with_another_body(rows[0]), "metered"),
    "a reading that is left out": ("readings", lambda rows: rows.pop(0), "metered"),
    "a charge": ("charges", lambda rows: cheaper(rows[0]), "card-seconds times its price"),
    "a charge's commission": (
        "charges",
        lambda rows: rows[0].update(commission="0.000000000000", credit=rows[0]["amount"]),
        "another commission",
    ),
    "a line": ("lines", lambda rows: times_ten(rows[0], "amount"), "is rounded wrongly"),
    "a document": (
        "documents",
        lambda rows: rows[0].update(total=rows[0]["total"] + 1, net=rows[0]["net"] + 1),
        "audit chain says",
    ),
    "a posting": ("postings", lambda rows: times_ten(rows[0], "amount"), "does not balance"),
    "an event": ("events", lambda rows: rows[0]["data"].update(x=1), "was altered"),
    "a link": ("links", lambda rows: rows[0].update(digest="0" * 64), "does not hold"),
    "a link that is left out": ("links", lambda rows: rows.pop(1), "leaves out|does not follow"),
    "a run's digest": (
        "rating_runs",
        lambda rows: rows[0].update(charges_digest="0" * 64),
        "audit chain says",
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forger_who_mends_the_hashes_is_found_by_what_has_to_add_up(files: Files, forgery: str) -> None:
    name, change, problem = FORGERIES[forgery]
    with pytest.raises(verify.Wrong, match=problem):
        verify.verify(forged(files, name, change))


def test_the_same_facts_give_the_same_bytes(cast: Cast) -> None:
    agreement = traded(cast).agreement_id
    first, second = (packed(cast, "agreement", agreement) for _ in range(2))
    assert first.digest == second.digest


def test_a_site_is_packed_with_every_agreement_of_its_window(cast: Cast) -> None:
    delivery = traded(cast)
    pack = packed(
        cast, "site", delivery.site_id, starts_at=delivery.starts_at, ends_at=delivery.starts_at + HOUR
    )
    empty = packed(cast, "site", delivery.site_id, starts_at=LONG_AFTER, ends_at=LONG_AFTER + HOUR)
    assert files_of(pack)["agreements.jsonl"].count(b"\n") == 1
    assert verify.verify(files_of(pack)).manifest["case"]["kind"] == "site"
    assert files_of(empty)["agreements.jsonl"] == b""
    verify.verify(files_of(empty))


def test_a_finding_is_packed_with_its_agreement_and_what_was_said(cast: Cast) -> None:
    finding = confirmed(traded(cast).agreement)
    files = files_of(packed(cast, "finding", finding.pk))
    verify.verify(files)
    assert (files["findings.jsonl"].count(b"\n"), files["agreements.jsonl"].count(b"\n")) == (1, 1)
    assert b"It is a sham." in files["findings.jsonl"]


def test_its_pdf_names_the_agreement_and_what_was_metered(files: Files, tmp_path: Path) -> None:
    (tmp_path / "summary.pdf").write_bytes(files["summary.pdf"])
    text = "".join(page.extract_text() for page in PdfReader(tmp_path / "summary.pdf").pages)
    assert "Blue River Data Centres" in text
    assert "16 card-h" in text


def test_it_being_asked_for_made_and_downloaded_is_recorded(
    pack: EvidencePack, cast: Cast, client: Any
) -> None:
    client.force_login(cast.auditor)
    answer = client.get(f"/audit/evidence/{pack.pk}/download/")
    assert answer.content == bytes(pack.content)
    actions = AuditEvent.objects.filter(action__startswith="evidence.").order_by("pk")
    assert list(actions.values_list("action", "user")) == [
        ("evidence.requested", cast.auditor.pk),
        ("evidence.made", cast.auditor.pk),
        ("evidence.downloaded", cast.auditor.pk),
    ]


def test_it_is_made_once(pack: EvidencePack) -> None:
    with refused("made once"):
        EvidencePack.objects.filter(pk=pack.pk).update(digest="0" * 64)


def test_a_case_that_is_not_there_and_a_reader_who_may_not_are_refused(cast: Cast) -> None:
    with pytest.raises(InvalidInput):
        packed(cast, "agreement", 12_345)
    cast.auditor.platform_role = ""
    with pytest.raises(NotAllowed):
        packed(cast, "agreement", 12_345)


def test_an_auditor_asks_on_the_page_and_is_led_to_the_job(cast: Cast, client: Any, now: object) -> None:
    cache.clear()
    agreement = traded(cast).agreement_id
    client.force_login(cast.auditor)
    answer = client.post("/audit/evidence/new/", {"case": "agreement", "subject": agreement}, follow=True)
    assert "Pack of evidence" in answer.content.decode()
    assert client.post("/audit/evidence/new/", {"case": "agreement", "subject": "999"}).status_code == 422
