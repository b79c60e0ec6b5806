"""What a data sheet says, as logarithms of ratios to the reference card.

``compute`` is the dense half-precision peak; ``pcie`` is 1 for a plug-in card, whose cards are not joined
by a switched fabric, and 0 for a module. A card whose data sheet lacks the peak or the bandwidth has no
features. Power, memory and interconnect, where they are not stated, are taken as typical of the catalogue
for a card of that compute and bandwidth, and named as assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from marketplace.catalogue.data.tables import Accelerator
from marketplace.catalogue.normalisation.classes import TENSOR

FEATURES = ("compute", "bandwidth", "power", "memory", "interconnect", "pcie")
ASSUMABLE = ("power", "memory", "interconnect")
LOG_PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Features:
    """``values`` in the order of ``FEATURES``."""

    values: tuple[Decimal, ...]
    assumed: tuple[str, ...]


def features_of(
    model: Accelerator, reference: Accelerator, typical: Mapping[str, Decimal]
) -> Features | None:
    """``None`` where the peak or the bandwidth is missing. ``typical`` is what ``typical_of`` returns."""
    size = _size(model, reference)
    if size is None:
        return None
    compute, bandwidth = size
    stated = {name: _log_ratio(_fact(model, name), _fact(reference, name)) for name in ASSUMABLE}
    taken = {
        name: value if value is not None else _rounded(typical[name] * (compute + bandwidth) / 2)
        for name, value in stated.items()
    }
    pcie = Decimal(model.form_factor.startswith("PCIe"))
    values = (compute, bandwidth, *(taken[name] for name in ASSUMABLE), pcie)
    return Features(values, tuple(name for name, value in stated.items() if value is None))


def typical_of(accelerators: Iterable[Accelerator], reference: Accelerator) -> dict[str, Decimal]:
    """How power, memory and interconnect grow with the mean of compute and bandwidth: least squares."""
    slopes = {}
    models = list(accelerators)
    for name in ASSUMABLE:
        pairs = [pair for model in models if (pair := _pair(model, reference, name)) is not None]
        slopes[name] = _rounded(
            sum((x * y for x, y in pairs), Decimal()) / sum((x * x for x, _ in pairs), Decimal())
        )
    return slopes


def _pair(model: Accelerator, reference: Accelerator, name: str) -> tuple[Decimal, Decimal] | None:
    size = _size(model, reference)
    value = _log_ratio(_fact(model, name), _fact(reference, name))
    if size is None or value is None:
        return None
    compute, bandwidth = size
    return (compute + bandwidth) / 2, value


def _size(model: Accelerator, reference: Accelerator) -> tuple[Decimal, Decimal] | None:
    compute = _log_ratio(model.peak(*TENSOR), reference.peak(*TENSOR))
    bandwidth = _log_ratio(model.memory_bandwidth_gb_s, reference.memory_bandwidth_gb_s)
    return (compute, bandwidth) if compute is not None and bandwidth is not None else None


def _fact(model: Accelerator, name: str) -> Decimal | None:
    facts = {
        "power": Decimal(model.tdp_w) if model.tdp_w is not None else None,
        "memory": model.memory_gb,
        "interconnect": model.interconnect_gb_s,
    }
    return facts[name]


def _log_ratio(own: Decimal | None, other: Decimal | None) -> Decimal | None:
    return _rounded((own / other).ln()) if own and other else None


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(LOG_PLACES, ROUND_HALF_EVEN)
