"""The serving page writes numbers, shares, times and ticks as our other pages do: its JavaScript against our Python."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from serve.http import documentation
from serve.page import FILES, asset
from zoo.page.axes import Axis, marks
from zoo.page.wording import duration, moment, number, percent

NODE = shutil.which("node")
RANDOM = random.Random(0)
# No halves among them: those are rounded to even here, and up there.
NUMBERS = [RANDOM.uniform(-10, 10) * 10 ** RANDOM.uniform(-20, 20) for _ in range(500)]
NUMBERS += [0.0, -0.0, 999.96, 999.94, 1000.0, 9.9999e-5, 1e-4, 1e15, 1.2345e14, 1e-6, -1234567.8]
SHARES = [RANDOM.uniform(-2, 2) * 10 ** RANDOM.uniform(-9, 1) for _ in range(300)] + [0.0, -0.0, 1.0, 0.8, 0.0004]
TIMES = [
    "2024-01-01",
    "2024-01-01T00:00:00",
    "2024-01-01T13:00",
    "2024-01-01T13:30:00",
    "2024-01-01T00:00:01",
    "2024-01",
]
TIMES += ["2024-01-01T13:30:00.000", "2024-01-01T13:30:00Z", "2024-01-01T13:30:00+00:00", "2024-01-01 05:00:00"]
RANGES = [
    (m - w, m + w)
    for m in (0.0, 0.5, -7.0, 1e6, 3e9, -2e-5, 4e17)
    for w in (0.3, 1.0, 17.0, 5e5, 2e-6)
    if w > 1e-9 * abs(m)
]
MILLISECONDS = [0.2, 1.0, 12.3, 999.4, 999.9, 1234.0, 9949.0, 9960.0, 31000.0]


def run(expression: str, *values: Any) -> Any:
    """Return what an expression over the module ``words`` and the list ``given`` is."""
    assert NODE is not None
    module = files("serve.page").joinpath("words.js").read_text("utf-8")
    program = f"const given = {json.dumps(values)};\n{module}\nconsole.log(JSON.stringify({expression}));"
    done = subprocess.run([NODE, "--input-type=module", "-"], input=program, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(NODE is None, reason="no node (apt-get install nodejs)")
def test_the_page_writes_as_we_do() -> None:
    assert run("given.map(number)", *NUMBERS) == [number(x) for x in NUMBERS]
    assert run("[number(null), number(NaN), number(Infinity), number(-Infinity)]") == ["–", "–", "∞", "-∞"]
    assert run("given.map(percent)", *SHARES) == [percent(x) for x in SHARES]
    assert run("given.map(written)", *TIMES) == [moment(text) for text in TIMES]
    assert run("given.map(duration)", *MILLISECONDS) == [duration(x / 1000) for x in MILLISECONDS]


@pytest.mark.skipif(NODE is None, reason="no node (apt-get install nodejs)")
def test_the_page_marks_the_same_places_with_the_same_words() -> None:
    found = run("given.map(([low, high]) => { const at = ticks(low, high); return [at, tickLabels(at)]; })", *RANGES)
    for (low, high), (places, labels) in zip(RANGES, found, strict=True):
        ours = marks(Axis(low, high, 0, 1))
        assert places == pytest.approx([value for value, _ in ours], rel=1e-12, abs=1e-12 * (high - low)), (low, high)
        assert labels == [label for _, label in ours], (low, high)


def test_every_file_of_the_page_is_there_and_names_only_what_is_served() -> None:
    texts = {"/docs": documentation._PAGE}
    for path, (_, kind) in FILES.items():
        content, media = asset(path)
        assert content and media == kind
        texts[path] = content.decode("utf-8")
    for path, text in texts.items():
        for name in re.findall(r'(?:href="page/|src="page/|from "\./)([^"]*)"', text):
            assert f"/page/{name}" in FILES, (path, name)
    assert all("page/palette.css" in texts[path] for path in ("/", "/docs")), "they have no colours of their own"
    with pytest.raises(KeyError):
        asset("/page/../__init__.py")


def test_no_file_lies_in_the_room_unserved() -> None:
    room = Path(str(files("serve.page")))
    names = {file.name for file in room.iterdir() if file.suffix in (".js", ".css", ".html")}
    assert names == {name for name, _ in FILES.values() if ":" not in name}
