"""How requests look in a list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from marketplace.demand import words
from marketplace.demand.models import ComputeRequest


@dataclass(frozen=True, slots=True)
class Line:
    """A request by its first alternative; ``deadline`` is the latest of all."""

    request: ComputeRequest
    sentence: str
    limit: str
    deadline: datetime | None
    alternatives: int


def line_of(request: ComputeRequest) -> Line:
    """The request must come from ``with_alternatives``."""
    alternatives = list(request.alternatives.all())
    first = words.wish_of(alternatives[0], request.currency) if alternatives else None
    return Line(
        request=request,
        sentence=first.sentence if first else "",
        limit=first.limit if first else "",
        deadline=max((each.deadline for each in alternatives), default=None),
        alternatives=len(alternatives),
    )
