"""Print the coverage by line and by branch, and fail below the floor of coverage-floor.toml, which only rises.

coverage run -m pytest -m "not ray and not spark and not slow and not bench"
python .ci/coverage.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

FLOOR = Path(__file__).with_name("coverage-floor.toml")
#: Percentage points above the floor from which on it must be raised.
SLACK = 2.0


def main() -> int:
    """Compare what was measured with the floor, and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", str(out)], check=True)  # noqa: S603
        totals = json.loads(out.read_text(encoding="utf-8"))["totals"]
    reached = {
        "lines": 100 * totals["covered_lines"] / totals["num_statements"],
        "branches": 100 * totals["covered_branches"] / totals["num_branches"],
    }
    floor = tomllib.loads(FLOOR.read_text(encoding="utf-8"))
    for name, percent in reached.items():
        note = f"raise the floor in {FLOOR.name}" if percent > floor[name] + SLACK else ""
        print(f"{name}: {percent:.1f} % (floor {floor[name]:.1f}) {note}".rstrip())
    return int(any(percent < floor[name] for name, percent in reached.items()))


if __name__ == "__main__":
    sys.exit(main())
