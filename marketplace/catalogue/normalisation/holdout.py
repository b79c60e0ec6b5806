"""Hiding results and estimating them from the rest: by card, by vendor, by round.

Everything that is fitted or chosen, the optional features included, is fitted and chosen again without
what is hidden.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from marketplace.catalogue.normalisation.hierarchy import Card, Cell, choose_features, estimate
from marketplace.catalogue.normalisation.observations import Study, round_of
from marketplace.engine.snapshot import Workload

OUTSIDE = 0.10  # share of results that may lie below a lower bound, and of those above an upper one

Target = tuple[str, Workload]
Bounds = tuple[float, float]  # factors of an estimate


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a card does in a class, hidden and estimated. Logarithms of ratios to the reference card."""

    group: str
    slug: str
    workload: Workload
    truth: float
    estimate: float

    @property
    def surprise(self) -> float:
        return self.truth - self.estimate

    @property
    def error(self) -> float:
        """How far the estimate is off, as a share of the truth."""
        return abs(math.exp(-self.surprise) - 1)


def leave_out_cards(study: Study, group_of: Callable[[Card], str]) -> list[HeldOut]:
    """Hide all results of a group of cards at a time: one card, or all cards of a vendor."""
    groups = sorted({group_of(study.cards[slug]) for slug, _ in study.results})
    return [one for group in groups for one in _without_group(study, group_of, group)]


def leave_out_rounds(study: Study) -> list[HeldOut]:
    """Hide one round at a time; the truth is what that round alone says."""
    return [one for round_ in _rounds(study) for one in _without_round(study, round_)]


def leave_out_rounds_and_cards(study: Study) -> list[HeldOut]:
    """Hide one round and, of each card that ran in it, everything: a new card in a new round."""
    pairs = [
        (round_, slug) for round_ in _rounds(study) for slug in sorted({s for s, _ in _in(study, round_)})
    ]
    return [one for round_, slug in pairs for one in _without_round(study, round_, slug)]


def _without_group(study: Study, group_of: Callable[[Card], str], group: str) -> list[HeldOut]:
    targets = [target for target in study.results if group_of(study.cards[target[0]]) == group]
    found = _estimated(study, targets, lambda cell: group_of(cell.card) == group)
    return [HeldOut(group, *target, study.truth(*target), value) for target, value in found]


def _without_round(study: Study, round_: str, slug: str = "") -> list[HeldOut]:
    """Of all cards in a round, or of one that is hidden with it."""
    targets = [target for target in _in(study, round_) if slug in ("", target[0])]
    found = _estimated(study, targets, lambda cell: cell.round == round_ or cell.card.slug == slug)
    return [HeldOut(round_, *target, study.truth(*target, round_), value) for target, value in found]


def bounds_by_class(held: Sequence[HeldOut]) -> dict[Workload, Bounds]:
    """Bounds for each class, in proportion to its mean surprise.

    Surprises are pooled in units of that mean, since a class alone has too few of them.
    """
    classes = {one.workload for one in held}
    scales = {w: mean(abs(one.surprise) for one in held if one.workload is w) for w in classes}
    low, high = _quantiles(one.surprise / scales[one.workload] for one in held)
    return {w: (math.exp(low * scale), math.exp(high * scale)) for w, scale in scales.items()}


def bounds_of_all(held: Iterable[HeldOut]) -> Bounds:
    """The same bounds for every class."""
    low, high = _quantiles(one.surprise for one in held)
    return math.exp(low), math.exp(high)


def _quantiles(surprises: Iterable[float]) -> Bounds:
    """Below the first and above the second lies at most ``OUTSIDE`` of what comes next.

    That is the rule of conformal prediction (Vovk and others 2005) for exchangeable results: of n, the
    one in place ``OUTSIDE × (n + 1)`` from either end.
    """
    ordered = sorted(surprises)
    place = max(math.floor(OUTSIDE * (len(ordered) + 1)), 1) - 1
    return min(ordered[place], 0.0), max(ordered[-1 - place], 0.0)


def _estimated(
    study: Study, targets: Sequence[Target], hidden: Callable[[Cell], bool]
) -> list[tuple[Target, float]]:
    rows = study.design.rows(lambda cell: not hidden(cell))
    weights = study.design.weights(rows, choose_features(study.design, rows))
    return [
        ((slug, workload), estimate(study.design, weights, study.cards[slug], workload))
        for slug, workload in targets
    ]


def _rounds(study: Study) -> list[str]:
    return sorted({cell.round for cell in study.design.cells})


def _in(study: Study, round_: str) -> list[Target]:
    """The cards and classes that a round says something about."""
    return [target for target, results in study.results.items() if round_ in map(round_of, results)]
