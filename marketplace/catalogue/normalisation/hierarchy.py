"""The model that is calibrated: what a card does is its data sheet, plus what its kin turned out to do.

The logarithm of a card's throughput relative to the reference card, in one class of work, is

    slopes of the class × features of the data sheet          (``features``)
    + an effect of the vendor, + one of the architecture, in all classes and in this one
    + an effect of the card, in all classes and in this one

and a published result is that, plus what is particular to the card on this benchmark, to this benchmark
in this round (how far its software had come), to the card in this round, and to how the reference was
chosen. All effects are normal around what physics expects: equal parts of compute, bandwidth and power;
for decoding, which reads every weight for every token, bandwidth and power. What the results say is
shrunk towards that, the more the fewer they are. This is a Gaussian linear mixed model (Henderson 1975;
ridge regression is its simplest case), solved exactly.

The reference card has zero features and is the zero of vendors and architectures, so that it is 1 by
construction. Scales are standard deviations of logarithms: 0.1 is about ten percent. They are set by
hand and the same everywhere; only which of the optional features count is chosen, by the error on cards
left out. Fitting uses floats: what it finds is rounded, stored and applied as decimals (``calibration``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from marketplace.catalogue.normalisation.classes import BENCHMARKED
from marketplace.catalogue.normalisation.features import FEATURES
from marketplace.engine.snapshot import Workload

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

PHYSICS: Final = ("compute", "bandwidth", "power")
OPTIONAL: Final = ("memory", "interconnect", "pcie")
BALANCED: Final = {"compute": 0.35, "bandwidth": 0.35, "power": 0.30}
MEMORY_BOUND: Final = {"compute": 0.0, "bandwidth": 0.70, "power": 0.30}
EXPECTED: Mapping[Workload, Mapping[str, float]] = {
    workload: MEMORY_BOUND if workload is Workload.INFERENCE_DECODE else BALANCED for workload in BENCHMARKED
}

WORST_COUNTED = 0.5  # an error beyond this says no more about the features


@dataclass(frozen=True, slots=True)
class Card:
    slug: str
    vendor: str
    architecture: str
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """The results of one card in one class on one benchmark in one round, as one observation.

    ``spread`` is the standard deviation of ``log_relative`` from how the results were compared.
    """

    card: Card
    workload: Workload
    benchmark: str
    round: str
    log_relative: float
    spread: float


@dataclass(frozen=True, slots=True, order=True)
class Effect:
    """An unknown of the model. ``workload`` is empty where it is the same in all classes."""

    kind: str
    name: str
    workload: str


@dataclass(frozen=True, slots=True)
class Scales:
    """How far effects are expected to be from zero: in all classes together, and in one class."""

    slope: float = 0.20
    slope_in_class: float = 0.15
    pcie_in_class: float = 0.20
    vendor: float = 0.15
    architecture: float = 0.15
    architecture_in_class: float = 0.10
    card: float = 0.10
    card_in_class: float = 0.10
    card_on_benchmark: float = 0.15
    card_in_round: float = 0.08
    benchmark_in_round: float = 0.05

    def of(self, effect: Effect) -> float:
        in_class = bool(effect.workload)
        match effect.kind:
            case "slope" if effect.name == "pcie":
                return self.pcie_in_class
            case "slope":
                return self.slope_in_class if in_class else self.slope
            case "architecture":
                return self.architecture_in_class if in_class else self.architecture
            case "card":
                return self.card_in_class if in_class else self.card
            case _:
                return self.vendor


def expected(card: Card, workload: Workload) -> float:
    """What physics expects, before any result is seen."""
    return sum(EXPECTED[workload][name] * _feature(card, name) for name in PHYSICS)


def effects_of(card: Card, workload: Workload, reference: Card) -> dict[Effect, float]:
    """The effects that make up what a card does in a class, each with its factor."""
    found: dict[Effect, float] = defaultdict(float)
    for name in PHYSICS:
        found[Effect("slope", name, "")] = _feature(card, name)
    for name in FEATURES:
        found[Effect("slope", name, workload)] = _feature(card, name)
    for scope in ("", workload):
        found[Effect("card", card.slug, scope)] += 1
        for one, sign in ((card, 1), (reference, -1)):
            found[Effect("architecture", one.architecture, scope)] += sign
    found[Effect("vendor", card.vendor, "")] += 1
    found[Effect("vendor", reference.vendor, "")] -= 1
    return found


class Design:
    """The observations as matrices, for all fits on parts of them."""

    def __init__(self, cells: Sequence[Cell], reference: Card, scales: Scales) -> None:
        self.cells = tuple(cells)
        self.reference = reference
        self.scales = scales
        made_of = [effects_of(cell.card, cell.workload, reference) for cell in self.cells]
        self.effects = sorted({effect for effects in made_of for effect in effects})
        place = {effect: column for column, effect in enumerate(self.effects)}
        self.factors: Floats = np.zeros((len(self.cells), len(self.effects)))
        for row, effects in enumerate(made_of):
            for effect, factor in effects.items():
                self.factors[row, place[effect]] = factor
        self.expected: Floats = np.array([expected(cell.card, cell.workload) for cell in self.cells])
        self.observed: Floats = np.array([cell.log_relative for cell in self.cells])
        self._covariances: dict[tuple[str, ...], Floats] = {}

    @property
    def surprise(self) -> Floats:
        """What physics does not explain."""
        return self.observed - self.expected

    def rows(self, belongs: Callable[[Cell], bool]) -> Rows:
        return np.array([row for row, cell in enumerate(self.cells) if belongs(cell)], dtype=np.intp)

    def deviations(self, optional: Iterable[str]) -> Floats:
        """Prior standard deviations of the effects; zero switches an optional feature off."""
        off = set(OPTIONAL) - set(optional)
        return np.array(
            [
                0.0 if effect.kind == "slope" and effect.name in off else self.scales.of(effect)
                for effect in self.effects
            ]
        )

    def covariance(self, optional: tuple[str, ...]) -> Floats:
        """Covariance of the observations under the prior."""
        if optional not in self._covariances:
            weighted = self.factors * self.deviations(optional)
            self._covariances[optional] = weighted @ weighted.T + self._noise
        return self._covariances[optional]

    def weights(self, rows: Rows, optional: tuple[str, ...]) -> Floats:
        """The effects as these observations say they are: their posterior mean."""
        solved = np.linalg.solve(self.covariance(optional)[np.ix_(rows, rows)], self.surprise[rows])
        weights: Floats = self.deviations(optional) ** 2 * (self.factors[rows].T @ solved)
        return weights

    @cached_property
    def _noise(self) -> Floats:
        """What makes one result differ from what the card does in the class."""
        cards = _same([(cell.card.slug, cell.benchmark) for cell in self.cells])
        rounds = _same([(cell.benchmark, cell.round) for cell in self.cells])
        own = np.diag([cell.spread**2 + self.scales.card_in_round**2 for cell in self.cells])
        shared = self.scales.card_on_benchmark**2 * cards + self.scales.benchmark_in_round**2 * rounds
        noise: Floats = shared + own
        return noise


def choose_features(design: Design, rows: Rows) -> tuple[str, ...]:
    """The optional features with which cards left out one at a time are estimated best.

    Uses these observations only, so that it can be repeated inside each fold of a validation.
    """
    choices = (names for size in range(len(OPTIONAL) + 1) for names in combinations(OPTIONAL, size))
    return min(choices, key=lambda names: _error_left_out(design, rows, names))


def _error_left_out(design: Design, rows: Rows, optional: tuple[str, ...]) -> float:
    """Mean over classes of the mean absolute error on cards left out, in closed form.

    The residual of a group of observations, were it left out, is the inverse of its block of the inverse
    covariance times its part of the solution: no model is fitted again. It is what the card differs
    from what is expected of it in that very round.
    """
    inverse = np.linalg.inv(design.covariance(optional)[np.ix_(rows, rows)])
    solved = inverse @ design.surprise[rows]
    by_card: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        by_card[design.cells[row].card.slug].append(place)
    errors: dict[Workload, list[float]] = defaultdict(list)
    for places in by_card.values():
        left_out = np.linalg.solve(inverse[np.ix_(places, places)], solved[places])
        classes = np.array([design.cells[rows[place]].workload for place in places])
        for workload in BENCHMARKED:
            if (classes == workload).any():
                error = abs(float(np.median(left_out[classes == workload])))
                errors[workload].append(min(error, WORST_COUNTED))
    return float(np.mean([np.mean(of_class) for of_class in errors.values()]))


def estimate(design: Design, weights: Floats, card: Card, workload: Workload) -> float:
    """The logarithm of a card's throughput relative to the reference card."""
    known = dict(zip(design.effects, weights, strict=True))
    effects = effects_of(card, workload, design.reference)
    shift = sum(factor * float(known.get(effect, 0.0)) for effect, factor in effects.items())
    return expected(card, workload) + shift


def _feature(card: Card, name: str) -> float:
    return card.features[FEATURES.index(name)]


def _same(keys: Sequence[tuple[str, ...]]) -> Floats:
    """1 where two observations share a key, else 0."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    column = np.array([numbers[key] for key in keys])
    same: Floats = (column[:, None] == column[None, :]).astype(np.float64)
    return same
