"""What a probe says is taken with care: what is not measured is absent, what is not understood stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketplace.agent.acceptance import acceptance_of, read_probe
from marketplace.agent.driver import Wanted
from marketplace.agent.errors import Unreadable
from marketplace.agent.usage import Span

REFERENCE = Path(__file__).parents[2] / "packaging" / "agent" / "cardhour-probe"
CARD = {"name": "NVIDIA H800", "memory_gb": 79.6, "uuid": "GPU-1"}
WANTED = Wanted(7, 12, 2, "h800", Span(0, 3600))


def line(*cards: dict[str, Any], **facts: Any) -> str:
    return json.dumps({"format": "cardhour-probe/1", "cards": list(cards)} | facts)


def test_the_lines_of_all_tasks_are_one_test() -> None:
    """The slowest card counts; a card that two lines name is one."""
    second = CARD | {"uuid": "GPU-2", "memory_gb": 79.5}
    text = "\n".join(
        [
            line(CARD, compute_tflops=700, precision="bf16", benchmarks={"training": [1.01]}),
            line(second, compute_tflops=650.5, precision="bf16", benchmarks={"training": [0.99]}),
            line(CARD, compute_tflops=None),
        ]
    )
    seen = acceptance_of(read_probe(text), WANTED, card_name="h800", evidence={"driver": "slurm"})
    assert (seen.cards_visible, seen.model, seen.memory_gb, seen.passed) == (2, "h800", "79.5", True)
    assert seen.probe == {
        "precision": "bf16",
        "compute_tflops": "650.5",
        "benchmarks": {"training": ["1.01", "0.99"]},
    }
    assert seen.evidence["cards"] == ["NVIDIA H800"]


@pytest.mark.parametrize(
    ("cards", "shown", "model"),
    [
        ([CARD], 1, "h800"),
        ([CARD, {"name": "NVIDIA H20", "memory_gb": 96}], 2, "NVIDIA H20"),
        ([], 0, "h800"),
    ],
)
def test_fewer_cards_or_others_do_not_pass(cards: list[dict[str, Any]], shown: int, model: str) -> None:
    seen = acceptance_of(read_probe(line(*cards)), WANTED, card_name="H800", evidence={})
    assert (seen.cards_visible, seen.model, seen.passed) == (shown, model, False)


def test_what_was_not_measured_is_absent() -> None:
    probe = read_probe(line(CARD, bandwidth_gb_s=2900))
    assert probe.figures == {"bandwidth_gb_s": Decimal(2900)}
    assert not probe.benchmarks


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NVIDIA-SMI has failed",
        "[]",
        line() .replace("probe/1", "probe/9"),
        line({"memory_gb": 80}),
        line(CARD | {"memory_gb": "much"}),
        line(CARD, compute_tflops=0),
        line(CARD, compute_tflops=True),
        line(CARD, bandwidth_gb_s="NaN"),
        line(CARD, benchmarks=[1]),
        line(CARD, benchmarks={"training": 1}),
        line(CARD) + "\nsrun: error",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_not_guessed_at(text: str) -> None:
    with pytest.raises(Unreadable):
        read_probe(text)


def run_reference(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, REFERENCE],
        env={"PATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_reference_probe_prints_what_the_agent_reads(tmp_path: Path) -> None:
    """With a stand-in for nvidia-smi: two cards, of which the scheduler gave the second."""
    assert os.access(REFERENCE, os.X_OK)
    assert "neither nvidia-smi nor npu-smi" in run_reference(tmp_path).stderr
    tool = tmp_path / "nvidia-smi"
    rows = "\n".join(f"{number}, NVIDIA H800, 81559, GPU-{number}" for number in range(2))
    tool.write_text(f"#!/bin/sh\necho '{rows}'\n")
    tool.chmod(0o755)
    done = run_reference(tmp_path, CUDA_VISIBLE_DEVICES="1")
    probe = read_probe(done.stdout)
    assert [(card.name, card.uuid, card.memory_gb) for card in probe.cards] == [
        ("NVIDIA H800", "GPU-1", Decimal("85.5"))
    ]
    assert not probe.figures
    more = read_probe(run_reference(tmp_path).stdout)
    assert acceptance_of(more, replace(WANTED, cards=2), card_name="H800", evidence={}).passed
