"""What ``zoo.search`` offers at its top."""

from __future__ import annotations

import subprocess
import sys


def test_run_is_the_function_whatever_was_imported_before():
    lines = (
        "import zoo.search.run; from zoo.search import Study, run; "
        "import zoo.search; print(callable(run), callable(zoo.search.run))"
    )
    ran = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True"]
