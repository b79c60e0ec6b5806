"""The bare roofline of a data sheet: no calibration, nothing but peak and bandwidth.

It decides which published results are plausible at all, and stands in where nothing can be calibrated
because the class has no published benchmark (HPC).
"""

from __future__ import annotations

from decimal import Decimal

from marketplace.catalogue.data.tables import Accelerator
from marketplace.catalogue.normalisation.classes import ROOFLINES, Roofline
from marketplace.engine.snapshot import Workload


def relative_by_roofline(model: Accelerator, reference: Accelerator, workload: Workload) -> Decimal | None:
    """Roofline throughput relative to the reference card; ``None`` if a fact is missing."""
    own, other = _ceiling(model, reference, workload), _ceiling(reference, reference, workload)
    return own / other if own is not None and other is not None else None


def intensity_of(reference: Accelerator, workload: Workload) -> Decimal | None:
    """Operations per byte at which a class is taken to work."""
    return ROOFLINES[workload].intensity or _ridge(reference, ROOFLINES[workload])


def _ceiling(model: Accelerator, reference: Accelerator, workload: Workload) -> Decimal | None:
    """TFLOPS that the class can reach: the compute peak, or what memory can feed."""
    compute, bandwidth = model.peak(*ROOFLINES[workload].precisions), model.memory_bandwidth_gb_s
    intensity = intensity_of(reference, workload)
    if compute is None or bandwidth is None or intensity is None:
        return None
    return min(compute, intensity * bandwidth / 1000)


def _ridge(reference: Accelerator, roofline: Roofline) -> Decimal | None:
    compute, bandwidth = reference.peak(*roofline.precisions), reference.memory_bandwidth_gb_s
    return compute * 1000 / bandwidth if compute and bandwidth else None
