"""What ``cardhour-replay`` says about a run's record, true or tampered with."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from marketplace.engine import (
    ENGINE_VERSION,
    Result,
    clear,
    digest,
    result_bytes,
    snapshot_bytes,
)
from marketplace.engine.replay import main, share_of_best
from tests.engine.markets import national

SNAPSHOT = national(3, offers=12, requests=20, slots=12)
RESULT = clear(SNAPSHOT)


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    def make(snapshot: bytes = snapshot_bytes(SNAPSHOT), result: bytes = result_bytes(RESULT)) -> Path:
        path = tmp_path / "run.zip"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("snapshot.json", snapshot)
            file.writestr("result.json", result)
            file.writestr("SHA256SUMS", f"{digest(snapshot)}  snapshot.json\n{digest(result)}  result.json\n")
        return path

    return make


def said(*arguments: object) -> tuple[int, str]:
    lines: list[str] = []
    return main([str(argument) for argument in arguments], lines.append), "\n".join(lines)


def cheaper() -> Result:
    """The result with nothing to pay for what was sold first: below every ask."""
    first, *rest = RESULT.prices
    return replace(RESULT, prices=(replace(first, price=0), *rest))


def test_a_true_run_is_confirmed(package: Callable[..., Path]) -> None:
    status, text = said(package())

    assert status == 0
    assert "the result keeps every rule of the market" in text
    assert "the same result, byte for byte" in text
    assert "% of the best possible" in text
    assert f"result.json: SHA-256 {digest(result_bytes(RESULT))}" in text
    assert text.splitlines()[-1].startswith("CONFIRMED, if the run's page shows the same SHA-256")


def test_the_two_files_do_as_well_as_the_package(tmp_path: Path) -> None:
    snapshot, result = tmp_path / "s", tmp_path / "r"
    snapshot.write_bytes(snapshot_bytes(SNAPSHOT))
    result.write_bytes(result_bytes(RESULT))

    assert said(snapshot, result)[0] == 0


def test_a_snapshot_that_was_altered_is_found(package: Callable[..., Path], tmp_path: Path) -> None:
    altered = tmp_path / "altered.zip"
    limit = str(SNAPSHOT.requests[0].alternatives[0].limit).encode()
    with zipfile.ZipFile(package()) as true, zipfile.ZipFile(altered, "w") as false:
        for name in true.namelist():
            false.writestr(name, true.read(name).replace(b'"limit":' + limit, b'"limit":1'))

    status, text = said(altered)

    assert status == 1
    assert "WRONG: snapshot.json was altered" in text


def test_a_result_of_another_snapshot_is_found_though_its_digest_is_right(
    package: Callable[..., Path],
) -> None:
    other = replace(SNAPSHOT, requests=SNAPSHOT.requests[1:])

    status, text = said(package(snapshot=snapshot_bytes(other)))

    assert status == 1
    assert "breaks the rules of the market:\n" in text
    assert "  snapshot: the result is of snapshot" in text


def test_a_price_that_was_altered_is_found_though_its_digest_is_right(package: Callable[..., Path]) -> None:
    status, text = said(package(result=result_bytes(cheaper())))

    assert status == 1
    assert "breaks the rules of the market:\n  ask: " in text


def test_a_run_that_keeps_the_rules_but_is_not_what_the_engine_makes_of_the_orders_is_found(
    package: Callable[..., Path],
) -> None:
    status, text = said(package(result=result_bytes(replace(RESULT, repriced=7))))

    assert status == 1
    assert "cleared again, the snapshot gives another result" in text


def test_another_result_than_the_published_one_is_found(package: Callable[..., Path]) -> None:
    path = package()

    status, text = said(path, "--result-digest", digest(result_bytes(RESULT)).upper())
    assert (status, text.splitlines()[-1]) == (0, "CONFIRMED")

    status, text = said(path, "--result-digest", "f" * 64)

    assert status == 1
    assert "WRONG: this is another result than the one whose SHA-256 is ffff" in text


def test_a_run_of_another_engine_is_verified_but_not_judged(package: Callable[..., Path]) -> None:
    status, text = said(package(result=result_bytes(replace(RESULT, engine="older-1"))))

    assert status == 2
    assert "the result keeps every rule" in text
    assert f"UNDECIDED: the run was cleared by older-1 and this is {ENGINE_VERSION}" in text


@pytest.mark.parametrize("lacking", [["SHA256SUMS"], ["SHA256SUMS", "result.json", "snapshot.json"]])
def test_what_is_no_package_is_said_to_be_none(lacking: list[str], tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in {"SHA256SUMS", "result.json", "snapshot.json"} - set(lacking):
            file.writestr(name, b"{}")

    status, text = said(path)

    assert status == 2
    assert f"is no package of a run: it lacks {', '.join(lacking)}" in text


def test_digests_that_name_other_files_do_not_pass(package: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "nameless.zip"
    with zipfile.ZipFile(package()) as true, zipfile.ZipFile(path, "w") as false:
        for name in ("snapshot.json", "result.json"):
            false.writestr(name, true.read(name))
        false.writestr("SHA256SUMS", f"{'0' * 64}  README.txt\n")

    assert "does not name snapshot.json and result.json" in said(path)[1]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06"])
def test_what_cannot_be_read_is_undecided(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(content)

    status, text = said(path)

    assert status == 2
    assert text.startswith("UNDECIDED: cannot read ")


def test_a_file_that_is_not_there_is_undecided(tmp_path: Path) -> None:
    assert said(tmp_path / "nowhere.zip")[0] == 2


def test_bytes_that_are_no_result_are_undecided(package: Callable[..., Path]) -> None:
    data = json.loads(result_bytes(RESULT))
    spaced = json.dumps(data).encode()

    assert "not the canonical form" in said(package(result=spaced))[1]
    assert "UNDECIDED: these bytes do not hold a snapshot" in said(package(snapshot=b"{}"))[1]


def test_three_files_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        said("a", "b", "c")

    assert stopped.value.code == 2
    assert "give one package, or a snapshot and its result" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("objective", "bound", "share"),
    [
        (993_999, 1_000_000, "0.993"),
        (999_999_999_999, 1_000_000_000_000, "0.999"),
        (5, 5, "1"),
        (0, 0, "1"),
        (0, 7, "0"),
        (-3, 7, "0"),
        (Decimal("1234.5"), Decimal(1242), "0.993"),
        (Decimal("99999999999999999.999999"), Decimal("100000000000000000.000000"), "0.999"),
    ],
)
def test_the_share_of_the_best_is_exact_and_never_rounded_up(
    objective: Decimal | int, bound: Decimal | int, share: str
) -> None:
    assert share_of_best(objective, bound) == Decimal(share)
