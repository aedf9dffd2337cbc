"""The first page is true: its program runs as it is written, its links lead somewhere, and it stays one page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
AT_THE_TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
PAGES = [*(ROOT / name for name in AT_THE_TOP), *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_first_page_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r'\]\(([^)#:]+)\)|src="([^":]+)"', page.read_text(encoding="utf-8"))
    missing = [target for pair in targets for target in pair if target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"[`\s]((?:zoo|autots|serve|tests|benchmarks|docs)/[\w./]*\w/?)[`\s]", text))
    assert named or page.parent.name == "docs" or page.parent.parent.name == "docs"
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.ray
def test_the_first_program_runs_as_it_is(zoo_environment: dict[str, str], tmp_path: Path) -> None:
    program = re.search(r"```python\n(.*?)```", README, re.S)
    assert program is not None
    # The budget is the only thing that a test has not got.
    text = program[1].replace('budget="30s"', 'budget="12s"')
    assert text != program[1]
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, env=zoo_environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "ensemble of" in done.stdout
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "january" / "manifest.json").is_file()
