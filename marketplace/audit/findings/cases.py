"""What a detector says: a case, whom it is about, and the rows that it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from marketplace.audit.findings.models import Severity

Figure = Decimal | int | str
PLACES = Decimal("0.000001")
# More rows say nothing more, and all of them can be read by the window and the subject.
MOST_ROWS = 60


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at: whole UTC hours, ``end`` excluded."""

    start: datetime
    end: datetime

    @property
    def hours(self) -> int:
        return (self.end - self.start) // timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """An organisation, and of what it has, one thing or none."""

    organisation: int
    site: int | None = None
    agreement: int | None = None
    delivery: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the database and what was read of it. ``parties`` are the organisations whose row it is."""

    kind: str
    row: str
    facts: Mapping[str, object]
    parties: tuple[int, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of kind, row and facts as JSON with sorted keys and no white space."""
        content = {"kind": self.kind, "row": self.row, "facts": dict(self.facts)}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Case:
    """``key`` names the case for ever: the same detector that sees it again says the same key."""

    key: str
    severity: Severity
    window: Window
    statistics: Mapping[str, Figure]
    subjects: Sequence[Subject]
    evidence: Sequence[Row]


def as_json(figures: Mapping[str, Figure]) -> dict[str, str | int]:
    """Decimals as strings of at most six places, everything else as it is."""
    return {
        name: exact(figure) if isinstance(figure, Decimal) else figure for name, figure in figures.items()
    }


def exact(figure: Decimal) -> str:
    return f"{figure.quantize(PLACES).normalize():f}"
