"""Both themes keep the contrast that WCAG AA asks for."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "marketplace" / "assets" / "src" / "app.css"

TEXT = [
    *[
        (f"color-{role}-content", f"color-{role}")
        for role in ("primary", "secondary", "neutral", "warning", "error")
    ],
    *[
        (ink, f"color-base-{step}")
        for ink in ("color-base-content", "muted", "color-primary")
        for step in (100, 200)
    ],
    *[(ink, f"color-base-{step}") for ink in ("attention", "harm") for step in (100, 200)],
    ("attention", "attention-soft"),
    ("harm", "harm-soft"),
    ("color-base-content", "attention-soft"),
    ("color-base-content", "harm-soft"),
    ("muted", "attention-soft"),
]
SHAPES = [
    ("edge", "color-base-100"),
    ("level-allocated", "color-base-100"),
    ("level-active", "color-base-100"),
]
LEVELS = ("installed", "offered", "sold", "allocated", "active")


def themes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r'@plugin "daisyui/theme" \{(.*?)\}', SOURCE.read_text(), re.DOTALL)
    found = [dict(re.findall(r"--?([\w-]+):\s*([^;]+);", block)) for block in blocks]
    names = [re.search(r'name: "(\w+)"', block) for block in blocks]
    return {
        name.group(1): {key.lstrip("-"): value for key, value in tokens.items()}
        for name, tokens in zip(names, found, strict=True)
        if name is not None
    }


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["paper", "ink"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_stands_out_from_its_ground(theme: str, ink: str, ground: str) -> None:
    tokens = themes()[theme]
    assert contrast(tokens[ink], tokens[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["paper", "ink"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
def test_shapes_stand_out_from_their_ground(theme: str, shape: str, ground: str) -> None:
    tokens = themes()[theme]
    assert contrast(tokens[shape], tokens[ground]) >= 3


@pytest.mark.parametrize("theme", ["paper", "ink"])
def test_each_level_of_utilisation_is_a_clear_step_from_the_one_before(theme: str) -> None:
    tokens = themes()[theme]
    steps = [luminance(tokens[f"level-{level}"]) for level in LEVELS]
    assert steps == sorted(steps, reverse=theme == "paper")
    for one, other in pairwise(LEVELS):
        assert contrast(tokens[f"level-{one}"], tokens[f"level-{other}"]) >= 1.25


def test_the_two_themes_name_the_same_colours() -> None:
    both = themes()
    assert both["paper"].keys() - {"default"} == both["ink"].keys() - {"prefersdark"}
