"""Replay a market run at home: is this result what the engine makes of this snapshot?

``cardhour-replay`` reads a run's package, or the two files in it, and says step by step whether the
digests are those of the bytes, whether the result keeps every rule of the market, and whether clearing
the snapshot again gives the same bytes. This is the one module of the engine that reads files and
prints; none of the others imports it.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from marketplace.engine.clearing import ENGINE_VERSION, clear
from marketplace.engine.codec import (
    CodecError,
    digest,
    result_bytes,
    result_from_bytes,
    snapshot_from_bytes,
)
from marketplace.engine.result import Result
from marketplace.engine.snapshot import Snapshot
from marketplace.engine.validation import MalformedSnapshot, check
from marketplace.engine.verification import ResultRefused, verify

SNAPSHOT, RESULT, SUMS = "snapshot.json", "result.json", "SHA256SUMS"

CONFIRMED, WRONG, UNDECIDED = 0, 1, 2
COMPARE = "if the run's page shows the same SHA-256 of the result"


class ReplayFailed(Exception):
    """The record is not what it claims to be."""


class CannotReplay(Exception):
    """Nothing can be said about the record: it is unreadable, or another engine made it."""


@dataclass(frozen=True, slots=True)
class Record:
    """The canonical bytes of a run, and the SHA-256 that were handed over with them, by file name."""

    snapshot: bytes
    result: bytes
    sums: Mapping[str, str]


def share_of_best(objective: Decimal | int, bound: Decimal | int) -> Decimal:
    """The share of the best possible objective that is reached at least, rounded down to 0.1 %.

    A market in which nothing can be gained is cleared as well as it can be.
    """
    if bound <= 0:
        return Decimal(1)
    return Decimal(max(objective, 0) * 1000 // bound) / 1000


def read(paths: Sequence[Path]) -> Record:
    """A package, or a snapshot and its result. Raises ``CannotReplay`` where they cannot be read."""
    try:
        if len(paths) == 1:
            return _package(paths[0])
        snapshot, result = (path.read_bytes() for path in paths)
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise CannotReplay(f"cannot read {' and '.join(map(str, paths))}: {error}") from error
    return Record(snapshot, result, {})


def _package(path: Path) -> Record:
    with zipfile.ZipFile(path) as package:
        missing = {SNAPSHOT, RESULT, SUMS} - set(package.namelist())
        if missing:
            raise CannotReplay(f"{path} is no package of a run: it lacks {', '.join(sorted(missing))}")
        sums = _sums(package.read(SUMS))
        if not {SNAPSHOT, RESULT} <= sums.keys():
            raise CannotReplay(f"{SUMS} in {path} does not name {SNAPSHOT} and {RESULT}")
        return Record(package.read(SNAPSHOT), package.read(RESULT), sums)


def _sums(listed: bytes) -> dict[str, str]:
    """The lines that ``sha256sum`` writes and checks: a digest, two spaces, a file's name."""
    lines = (line.split("  ", 1) for line in listed.decode().splitlines())
    return {name: sha for sha, name in lines}


def replay(record: Record, *, expected: str = "") -> Iterator[str]:
    """A line for each step that holds. ``expected`` is the result's SHA-256 as the exchange published it.

    Raises ``ReplayFailed`` at the first step that does not hold, and ``CannotReplay`` where the run
    was cleared by another engine; what can be checked without clearing it is checked before that.
    """
    yield from _digests(record, expected)
    snapshot, result = _decoded(record)
    yield (
        f"{len(snapshot.requests)} requests and {len(snapshot.offers)} offers over {snapshot.slots} hours "
        f"from {snapshot.horizon_start}, cleared by {result.engine}"
    )
    yield from _verified(snapshot, result)
    yield from _cleared_again(snapshot, result, record.result)


def _digests(record: Record, expected: str) -> Iterator[str]:
    for name, data in ((SNAPSHOT, record.snapshot), (RESULT, record.result)):
        found = digest(data)
        if record.sums.get(name, found) != found:
            raise ReplayFailed(f"{name} was altered: its SHA-256 is {found}, {SUMS} says {record.sums[name]}")
        yield f"{name}: SHA-256 {found}"
    if expected and expected.lower() != digest(record.result):
        raise ReplayFailed(f"this is another result than the one whose SHA-256 is {expected}")


def _decoded(record: Record) -> tuple[Snapshot, Result]:
    try:
        return snapshot_from_bytes(record.snapshot), result_from_bytes(record.result)
    except CodecError as error:
        raise CannotReplay(str(error)) from error


def _verified(snapshot: Snapshot, result: Result) -> Iterator[str]:
    try:
        check(snapshot)
        verify(snapshot, result)
    except MalformedSnapshot as error:
        raise ReplayFailed(f"the snapshot does not describe a market: {error}") from error
    except ResultRefused as refused:
        rules = "".join(f"\n  {each.rule}: {each.message}" for each in refused.broken)
        raise ReplayFailed(f"the result breaks the rules of the market:{rules}") from refused
    yield "verified: the result keeps every rule of the market"
    yield (
        f"surplus {_money(result.surplus)} {snapshot.base_currency}, objective {_money(result.objective)}, "
        f"proven bound {_money(result.bound.value)}: at least "
        f"{share_of_best(result.objective, result.bound.value) * 100:.1f} % of the best possible"
    )


def _money(micro: int) -> str:
    return f"{Decimal(micro).scaleb(-6):f}"


def _cleared_again(snapshot: Snapshot, result: Result, recorded: bytes) -> Iterator[str]:
    if result.engine != ENGINE_VERSION:
        raise CannotReplay(
            f"the run was cleared by {result.engine} and this is {ENGINE_VERSION}: "
            "install the version of the engine that cleared it to compare the bytes"
        )
    again = result_bytes(clear(snapshot))
    if again != recorded:
        raise ReplayFailed(f"cleared again, the snapshot gives another result: SHA-256 {digest(again)}")
    yield "replayed: cleared again, the snapshot gives the same result, byte for byte"


def main(arguments: Sequence[str] | None = None, say: Callable[[str], object] = print) -> int:
    """``cardhour-replay``. Returns 0 where the run is confirmed, 1 where it is wrong, else 2."""
    options = _options(arguments)
    try:
        for line in replay(read(options.file), expected=options.result_digest):
            say(line)
    except ReplayFailed as error:
        say(f"WRONG: {error}")
        return WRONG
    except CannotReplay as error:
        say(f"UNDECIDED: {error}")
        return UNDECIDED
    say("CONFIRMED" if options.result_digest else f"CONFIRMED, {COMPARE}")
    return CONFIRMED


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cardhour-replay",
        description="Clear a market run again and compare the result byte for byte.",
        epilog="Exit status: 0 the run is confirmed, 1 it is wrong, 2 nothing can be said.",
    )
    parser.add_argument(
        "file", nargs="+", type=Path, help="a run's package, or its snapshot.json and its result.json"
    )
    parser.add_argument(
        "--result-digest", default="", metavar="SHA256", help="of the result, as the run's page shows it"
    )
    parser.add_argument("--version", action="version", version=ENGINE_VERSION)
    options = parser.parse_args(arguments)
    if len(options.file) > 2:
        parser.error("give one package, or a snapshot and its result")
    return options


if __name__ == "__main__":
    sys.exit(main())
