"""Running detectors over a window, and keeping what they see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from accounts.actors import Actor
from marketplace.audit.findings.cases import Window
from marketplace.audit.findings.detectors import DETECTORS
from marketplace.audit.findings.services import Detected, report
from marketplace.audit.findings.thresholds import thresholds_of
from marketplace.clock import floor_hour

LOOK_BACK = timedelta(days=7)


@dataclass(slots=True)
class Outcome:
    """Cases by detector: seen in all, and those that made a new finding."""

    seen: Counter[str] = field(default_factory=Counter)
    new: Counter[str] = field(default_factory=Counter)


def window_at(moment: datetime, *, look_back: timedelta = LOOK_BACK) -> Window:
    """The hours that were over at a moment."""
    end = floor_hour(moment)
    return Window(end - look_back, end)


def detect(window: Window, *, actor: Actor, now: datetime, only: Iterable[str] = ()) -> Outcome:
    """Run the detectors, or those named; ``KeyError`` where there is none of a name.

    Each case is kept in a transaction of its own: one that fails leaves the others as they are.
    """
    chosen: Mapping[str, object] = {name: DETECTORS[name] for name in only} or DETECTORS
    outcome = Outcome()
    for name in chosen:
        detector, limits = DETECTORS[name], thresholds_of(name)
        for case in detector.judge(detector.read(window), window, limits):
            _finding, is_new = report(Detected(case, name, limits), actor=actor, now=now)
            outcome.seen[name] += 1
            outcome.new[name] += is_new
    return outcome
