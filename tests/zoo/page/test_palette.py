"""The colours: text can be read on every ground, in light and in dark, and every colour that is used exists."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import product

import pytest

LEAST_CONTRAST = 4.5  # of text, WCAG 2.1 level AA
PALETTE = files("zoo.page").joinpath("palette.css").read_text("utf-8")
SHEETS = [("zoo.page", "page.css"), ("autots.report", "report.css"), ("zoo.search.insight", "study.css")]
SHEETS += [("serve.page", "page.css"), ("serve.page", "docs.css")]


def colours(block: str) -> dict[str, str]:
    found = re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block)
    return {name: value if len(value) == 7 else "#" + "".join(2 * c for c in value[1:]) for name, value in found}


LIGHT, DARK, PRINT = (colours(block) for block in re.split(r"@media", PALETTE))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
def test_text_can_be_read_on_every_ground(theme: dict[str, str]) -> None:
    for text, ground in product(("ink", "soft", "accent", "good", "bad"), ("paper", "card", "wash")):
        assert contrast(theme[text], theme[ground]) >= LEAST_CONTRAST, (text, ground)
    assert contrast(theme["on"], theme["accent"]) >= LEAST_CONTRAST


def test_each_theme_has_every_colour() -> None:
    assert set(LIGHT) == set(DARK) == set(PRINT)


@pytest.mark.parametrize(("package", "name"), SHEETS)
def test_a_sheet_uses_the_colours_of_the_palette_and_none_of_its_own(package: str, name: str) -> None:
    sheet = files(package).joinpath(name).read_text("utf-8")
    known = set(re.findall(r"--(\w+):", PALETTE))
    assert set(re.findall(r"var\(--(\w+)", sheet)) <= known
    assert not re.findall(r"#[0-9a-f]{3,6}\b", sheet)
    # Lines and marks may be pale, letters may not.
    text = [
        rule for rule in re.findall(r"[^{}]*\{[^{}]*\}", sheet) if re.search(r"(?<![-\w])color: var\(--faint", rule)
    ]
    assert text == [] and not re.search(r"text[^{}]*\{ fill: var\(--faint", sheet)
