"""Whether the list of tests that mypy does not check yet is true: `python .ci/types.py`; `--tighten` shortens it.

The list is the override of pyproject.toml that begins with NOT_YET. mypy runs once more without it: a listed module
without an error is stale, one with errors outside of it is new.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "pyproject.toml"
NOT_YET = "# Not yet strict inside; .ci/types.py holds the list true, and it only gets shorter."


def main() -> int:
    """Compare the list with what mypy finds, and return the exit status."""
    text = CONFIG.read_text(encoding="utf-8")
    begin = text.index("[[tool.mypy.overrides]]\n" + NOT_YET)
    block = text[begin : text.index("\n[", begin + 1) + 1]
    listed = set(re.findall(r'"(tests\.[\w.]+)"', block))
    with tempfile.TemporaryDirectory() as folder:
        without = Path(folder) / "pyproject.toml"
        without.write_text(text.replace(block, ""), encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--config-file", str(without), "--no-error-summary"]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    files = set(re.findall(r"^([\w/]+\.py):\d+: error", found.stdout, re.M))
    wrong = {file.removesuffix(".py").replace("/", ".") for file in files}
    if found.returncode not in (0, 1):
        print(found.stdout + found.stderr)
        return 2
    stale, new = sorted(listed - wrong), sorted(wrong - listed)
    if stale and "--tighten" in sys.argv:
        CONFIG.write_text(re.sub("|".join(rf'  "{re.escape(name)}",\n' for name in stale), "", text), encoding="utf-8")
    elif stale:
        print("no errors any more, take them off the list (--tighten):", *stale, sep="\n  ")
    if new:
        print("errors outside of the list:", *new, sep="\n  ")
    print(f"{len(listed & wrong)} modules of tests are not yet strict inside")
    return int(bool(new or (stale and "--tighten" not in sys.argv)))


if __name__ == "__main__":
    sys.exit(main())
