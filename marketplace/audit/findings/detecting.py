"""Running detectors over a window, and keeping what they see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.actors import Actor
from marketplace.audit.findings import facts
from marketplace.audit.findings.cases import Case, Window
from marketplace.audit.findings.detectors import DETECTORS
from marketplace.audit.findings.detectors.base import Detector
from marketplace.audit.findings.detectors.working import OfSites
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
    outcome = Outcome()
    for name, case in _cases(window, [DETECTORS[name] for name in only] or list(DETECTORS.values())):
        _finding, is_new = report(Detected(case, name, thresholds_of(name)), actor=actor, now=now)
        outcome.seen[name] += 1
        outcome.new[name] += is_new
    return outcome


def _cases(window: Window, detectors: Sequence[Detector[Any]]) -> Iterator[tuple[str, Case]]:
    """What each detector says. Those that look at one site after the other read every site once together."""
    of_sites = [detector for detector in detectors if isinstance(detector, OfSites)]
    for hours in facts.hours_by_site(window) if of_sites else ():
        for looking in of_sites:
            for case in looking.judge([hours], window, thresholds_of(looking.name)):
                yield looking.name, case
    for detector in detectors:
        if detector not in of_sites:
            for case in detector.judge(detector.read(window), window, thresholds_of(detector.name)):
                yield detector.name, case
