"""The console script in this process, and one finished run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zoo.cli import main
from zoo.cluster import Session

Zoo = Callable[..., int]


@pytest.fixture(scope="session")
def zoo(entry_points: Path) -> Iterator[Zoo]:
    """Run the console script in this process, sharing its Ray, and return the exit status."""
    sys.path.append(str(entry_points))
    yield lambda *words: main([str(word) for word in words])
    sys.path.remove(str(entry_points))


@pytest.fixture(scope="session")
def finished(zoo: Zoo, session: Session, air_passengers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory, the last twelve months held back for evaluation in ``test.csv`` beside it."""
    folder = tmp_path_factory.mktemp("finished")
    lines = air_passengers.read_text().splitlines()
    (folder / "train.csv").write_text("\n".join(lines[:-12]) + "\n")
    (folder / "test.csv").write_text("\n".join([lines[0], *lines[-12:]]) + "\n")
    run = folder / "a run"
    assert zoo("fit", folder / "train.csv", "--horizon", 6, "--budget", "15s", "--out", run) == 0
    return run
