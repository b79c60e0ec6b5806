"""Writing what is fitted and found beside the facts it comes from (``data``)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from marketplace.catalogue.data.tables import FOLDER, Coefficient, HoldOutFigure

CALIBRATION = FOLDER / "calibration.csv"
VALIDATION = FOLDER / "validation.csv"


def write_calibration(coefficients: Iterable[Coefficient]) -> None:
    _write(
        CALIBRATION,
        (
            {"kind": c.kind, "name": c.name, "workload": c.workload, "value": _text(c.value)}
            for c in coefficients
        ),
    )


def write_validation(figures: Iterable[HoldOutFigure]) -> None:
    rows = (
        {
            "workload": figure.workload,
            "method": figure.method,
            "held_out": figure.held_out,
            "results": str(figure.results),
            "median_error": _text(figure.median_error),
            "mean_error": _text(figure.mean_error),
            "above_lower": _text(figure.above_lower) if figure.above_lower is not None else "",
        }
        for figure in figures
    )
    _write(VALIDATION, rows)


def _write(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    kept = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(kept[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)


def _text(value: Decimal) -> str:
    return f"{value:f}"
