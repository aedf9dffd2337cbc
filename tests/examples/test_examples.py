"""The examples run as they are written, in a process of their own, with a short budget."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "examples").glob("[0-9]*.py"))
# Fits like the first one, which is in the default run.
TWINS = ("02_known_covariates", "03_update_without_refit")
EXPECTED = {
    "01_csv_in_ten_minutes": "report.html",
    "02_known_covariates": "mase",
    "03_update_without_refit": "saved, loaded and equal",
    "04_pytorch_training": "best {",
}


def test_every_example_is_numbered_short_and_expected() -> None:
    assert [script.stem for script in SCRIPTS] == sorted(EXPECTED)
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 40, script.name
        compile(text, script.name, "exec")


@pytest.mark.ray
@pytest.mark.skipif(importlib.util.find_spec("autots.api") is None, reason="autots.api is not there yet")
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, id=script.stem, marks=[pytest.mark.slow] if script.stem in TWINS else [])
        for script in SCRIPTS
    ],
)
def test_an_example_runs(script: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "ZOO_EXAMPLE_BUDGET": "12s",
        "ZOO_EXAMPLE_OUT": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    command = [sys.executable, str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert EXPECTED[script.stem] in done.stdout
