"""Generated markets as canonical bytes in .data/benchmarks, so that a national one is made only once.

A file lies beside a key that stands for all that it was made from: the size, the regime, the seed, the
calibration and the generator's source. Where the key has changed the market is made anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks.engine.calibration import calibration
from benchmarks.engine.generate import generate
from benchmarks.engine.instances import ALL_SIZES, DEMAND_PER_SUPPLY, Regime
from marketplace.engine import SNAPSHOT_FORMAT, check, snapshot_bytes

FOLDER = Path(__file__).parents[2] / ".data" / "benchmarks"
SOURCES = ("calibration", "demand", "generate", "instances", "scarcity", "supply")
"""Modules that have a part in what is generated."""


def stored(instance: str, regime: Regime, seed: int, folder: Path = FOLDER) -> Path:
    """The file with the market's bytes, made now if it is not there."""
    path = folder / f"{instance}-{regime}-{seed}.json"
    beside, key = path.with_suffix(".key"), _key(instance, regime, seed)
    if path.exists() and beside.exists() and beside.read_text() == key:
        return path
    snapshot = generate(ALL_SIZES[instance], regime, seed)
    check(snapshot)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_bytes(snapshot_bytes(snapshot))
    unfinished.rename(path)
    beside.write_text(key)
    return path


def _key(instance: str, regime: Regime, seed: int) -> str:
    parts = (SNAPSHOT_FORMAT, ALL_SIZES[instance], regime, DEMAND_PER_SUPPLY[regime], seed)
    made_from = hashlib.sha256(repr((parts, calibration())).encode())
    for module in SOURCES:
        made_from.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    return made_from.hexdigest()
