"""The metrics of the exporters that there are, and which figure each of them is.

NVIDIA's DCGM-exporter, Huawei's npu-exporter, and AMD's device metrics exporter.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from marketplace.agent.errors import Unreadable
from marketplace.agent.telemetry.samples import Card, Figures, Sample


@dataclass(frozen=True, slots=True)
class Metric:
    """``scale`` makes our unit of theirs; what is above ``most`` of ours is no measurement.

    DCGM writes a number near 2⁶³ where it has none.
    """

    figure: str
    scale: float = 1
    most: float = 4 * 2**20


METRICS: Mapping[str, Metric] = {
    "DCGM_FI_DEV_GPU_UTIL": Metric("utilisation", most=100),
    "DCGM_FI_DEV_FB_USED": Metric("memory"),
    "DCGM_FI_DEV_POWER_USAGE": Metric("power", most=10_000),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": Metric("energy", scale=1e-3, most=1e14),
    "npu_chip_info_utilization": Metric("utilisation", most=100),
    "npu_chip_info_hbm_used_memory": Metric("memory"),
    "npu_chip_info_power": Metric("power", most=10_000),
    "gpu_gfx_activity": Metric("utilisation", most=100),
    "gpu_used_vram": Metric("memory"),
    "gpu_package_power": Metric("power", most=10_000),
    "gpu_average_package_power": Metric("power", most=10_000),
}
INDEX = ("gpu", "id", "gpu_id")
NODE = ("Hostname", "hostname")
PART_OF_A_CARD = ("GPU_I_ID", "v_dev_id")
"""Labels of a slice of a card. Its figures are not the card's."""

Point = tuple[str, Mapping[str, str], float, float]
"""Name, labels, value, and when, in seconds since 1970."""


def read_text(text: str, *, now: float) -> list[Point]:
    """The points of an exporter's page. Those without a time are of now."""
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        raise Unreadable(f"This is not Prometheus's text format: {error}") from error
    samples = [sample for family in families for sample in family.samples]
    times = [now if sample.timestamp is None else float(sample.timestamp) for sample in samples]
    return [(sample.name, sample.labels, sample.value, at) for sample, at in zip(samples, times, strict=True)]


def samples_of(points: Iterable[Point], *, node: str) -> list[Sample]:
    """What points say of cards: one sample a card and moment. ``node`` is where labels do not say it."""
    found: dict[tuple[Card, int], dict[str, float]] = defaultdict(dict)
    for name, labels, value, at in points:
        # The reader of the format adds the ending to counters that do without it, as DCGM's does.
        metric, card = METRICS.get(name.removesuffix("_total")), _card(labels, node)
        if metric is None or card is None:
            continue
        figure = value * metric.scale
        if math.isfinite(figure) and 0 <= figure <= metric.most:
            found[card, int(at)].setdefault(metric.figure, figure)
    return [Sample(card, at, Figures(**figures)) for (card, at), figures in found.items()]


def _card(labels: Mapping[str, str], node: str) -> Card | None:
    if any(labels.get(name) for name in PART_OF_A_CARD):
        return None
    index = next((labels[name] for name in INDEX if labels.get(name)), None)
    host = next((labels[name] for name in NODE if labels.get(name)), node)
    return None if index is None else Card(host, index)
