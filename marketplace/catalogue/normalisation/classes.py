"""What stands for a class of work: published benchmarks, and the physics of a data sheet.

Training is pre-training of language models; fine-tuning is LoRA on a 70 B model; vision is training of
and inference with image models. MLPerf has no benchmark of prefill or decode alone: prefill is read from
encoders and from summaries of long articles (thousands of tokens in, few out), decode from chat with
large models (about as many tokens out as in). HPC has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from marketplace.catalogue.data.tables import INFERENCE, TRAINING
from marketplace.engine.snapshot import Precision, Workload

REFERENCE_RATE = Decimal("0.989")

IMAGE_BENCHMARKS = frozenset({
    "resnet", "retinanet", "maskrcnn", "unet3d", "stable_diffusion",
    "resnet50", "3d-unet", "stable-diffusion-xl",
})  # fmt: skip
BENCHMARKS: Mapping[Workload, frozenset[str]] = {
    Workload.TRAINING: frozenset({"bert", "gpt3", "llama31_405b"}),
    Workload.FINE_TUNING: frozenset({"llama2_70b_lora"}),
    Workload.INFERENCE_PREFILL: frozenset({"bert", "gptj"}),
    Workload.INFERENCE_DECODE: frozenset({"llama2-70b", "mixtral-8x7b"}),
    Workload.VISION: IMAGE_BENCHMARKS,
    Workload.HPC_FP64: frozenset(),
}
SUITES: Mapping[Workload, frozenset[str]] = {
    Workload.TRAINING: frozenset({TRAINING}),
    Workload.FINE_TUNING: frozenset({TRAINING}),
    Workload.INFERENCE_PREFILL: frozenset({INFERENCE}),
    Workload.INFERENCE_DECODE: frozenset({INFERENCE}),
    Workload.VISION: frozenset({TRAINING, INFERENCE}),
    Workload.HPC_FP64: frozenset(),
}
BENCHMARKED = tuple(workload for workload in Workload if BENCHMARKS[workload])

TENSOR = (Precision.BF16, Precision.FP16)


@dataclass(frozen=True, slots=True)
class Roofline:
    """How much of a card's peak a class can reach at best.

    ``intensity`` is in operations per byte of memory traffic; ``None`` is the reference card's ridge,
    at which it turns from memory-bound to compute-bound.
    """

    precisions: tuple[Precision, ...]
    intensity: Decimal | None


ROOFLINES: Mapping[Workload, Roofline] = {
    Workload.TRAINING: Roofline(TENSOR, None),
    Workload.FINE_TUNING: Roofline(TENSOR, None),
    Workload.INFERENCE_PREFILL: Roofline(TENSOR, None),
    # A step of decoding reads every weight once for a whole batch: 64 sequences, 64 operations a byte.
    Workload.INFERENCE_DECODE: Roofline(TENSOR, Decimal(64)),
    Workload.VISION: Roofline(TENSOR, None),
    Workload.HPC_FP64: Roofline((Precision.FP64,), None),
}
