"""The statistics of the detectors, as pure functions of figures that were measured.

Results are Decimals of six places: they are stored with the finding and read by people.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from statistics import fmean, median, pstdev

PLACES = Decimal("0.000001")
NORMAL = 0.6745
"""The median absolute deviation of a standard normal distribution."""


def decimal(figure: float) -> Decimal:
    return Decimal(figure).quantize(PLACES)


def ratio(part: Decimal | int, whole: Decimal | int) -> Decimal:
    """0 where there is no whole: nothing of nothing."""
    return (Decimal(part) / Decimal(whole)).quantize(PLACES) if whole else Decimal(0)


def variation(values: Sequence[float]) -> Decimal:
    """Coefficient of variation: standard deviation over mean; 0 of a mean of 0."""
    mean = fmean(values)
    return decimal(pstdev(values) / mean) if mean else Decimal(0)


def robust_z(value: float, others: Sequence[float], *, least_spread: float) -> Decimal:
    """0.6745 (x - median) / MAD, as Iglewicz and Hoaglin (1993) give it for finding outliers.

    ``least_spread`` stands in for a smaller MAD: peers that agree to the last digit would make an outlier of
    whoever rounds.
    """
    middle = median(others)
    spread = median(abs(other - middle) for other in others)
    return decimal(NORMAL * (value - middle) / max(spread, least_spread))


def hhi(sold: Iterable[Decimal | int]) -> Decimal:
    """Herfindahl-Hirschman index: the sum of the squared shares in percent, at most 10,000."""
    amounts = [Decimal(amount) for amount in sold]
    whole = sum(amounts)
    return (
        sum(((100 * amount / whole) ** 2 for amount in amounts), Decimal(0)).quantize(PLACES)
        if whole
        else Decimal(0)
    )


def last_digits(values: Sequence[int]) -> tuple[Decimal, Decimal]:
    """χ² of the last digits against equal shares (nine degrees of freedom), and Cramér's V, its size."""
    expected = len(values) / 10
    counts = Counter(value % 10 for value in values)
    square = sum((counts[digit] - expected) ** 2 for digit in range(10)) / expected
    return decimal(square), decimal(math.sqrt(square / (9 * len(values))))


def at_least(seen: int, of: int, share: Decimal) -> Decimal:
    """The probability of ``seen`` or more out of ``of`` where each happens with ``share`` (binomial tail)."""
    p = Fraction(share)
    tail = sum(math.comb(of, k) * p**k * (1 - p) ** (of - k) for k in range(seen, of + 1))
    return (Decimal(tail.numerator) / Decimal(tail.denominator)).quantize(Decimal("0.000000000001"))


def repeated(values: Sequence[object]) -> Decimal:
    """The share of values that were there before."""
    return ratio(len(values) - len(set(values)), len(values))


def least_squares(points: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """``a`` and ``b`` of y = a x₁ + b x₂ with the smallest sum of squares relative to x₁.

    Where all points have x₂ in the same proportion to x₁ there is one figure to know: b is 0 then.
    """
    weighted = [(1.0, x2 / x1, y / x1) for x1, x2, y in points]
    s11 = float(len(weighted))
    s12 = sum(u for _one, u, _v in weighted)
    s22 = sum(u * u for _one, u, _v in weighted)
    t1 = sum(v for _one, _u, v in weighted)
    t2 = sum(u * v for _one, u, v in weighted)
    determinant = s11 * s22 - s12 * s12
    if determinant < 1e-9 * max(s22, 1e-9) * s11:
        return t1 / s11, 0.0
    return (t1 * s22 - t2 * s12) / determinant, (s11 * t2 - s12 * t1) / determinant


def cycles(edges: Mapping[int, Mapping[int, Decimal]], *, longest: int) -> list[tuple[int, ...]]:
    """Every simple cycle of two to ``longest`` nodes, beginning with its smallest node, in order."""
    graph = _trimmed(edges)
    found: list[tuple[int, ...]] = []

    def walk(path: tuple[int, ...]) -> None:
        for following in sorted(graph.get(path[-1], ())):
            if following == path[0] and len(path) > 1:
                found.append(path)
            elif following > path[0] and following not in path and len(path) < longest:
                walk((*path, following))

    for node in sorted(graph):
        walk((node,))
    return found


def _trimmed(edges: Mapping[int, Mapping[int, Decimal]]) -> dict[int, set[int]]:
    """Without the nodes that nothing leads to or from, again and again: they are in no cycle."""
    graph = {node: {to for to in targets if to != node} for node, targets in edges.items()}
    while True:
        reached = set().union(*graph.values()) if graph else set()
        kept = {
            node: {to for to in targets if graph.get(to)}
            for node, targets in graph.items()
            if node in reached and targets
        }
        if kept == graph:
            return graph
        graph = kept
