"""What all tests share: a small Ray cluster for those that need one, and the console script as if installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serve.deployments.environment import prepare
from zoo.cluster import Session, connect, spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    prepare()  # what Ray Serve reads when Ray starts
    with connect(workers=2) as session:
        yield session


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs Spark last: it starts once and keeps one of the shared cluster's two CPUs until the end."""
    items.sort(key=lambda item: item.get_closest_marker("spark") is not None)


@pytest.fixture(scope="session")
def spark_session(session: Session) -> Iterator[SparkSession]:
    """One Spark in the shared cluster, for tests with the marker ``spark``."""
    with spark(executors=1, cores=1, memory="700m") as started:
        yield started


@pytest.fixture(scope="session")
def entry_points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``sys.path`` that makes the tenant's commands known, as an installation does."""
    site = tmp_path_factory.mktemp("site")
    info = site / "zoo_autots-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-autots\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[zoo.commands]\nautots = autots.cli:COMMANDS\nserve = serve.cli:COMMANDS\n")
    return site


@pytest.fixture(scope="session")
def zoo_environment(entry_points: Path) -> dict[str, str]:
    """The environment of a process that runs ``python -m zoo.cli`` with a Ray of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return environment | {"PYTHONPATH": f"{_ROOT}{os.pathsep}{entry_points}"}


@pytest.fixture(scope="session")
def air_passengers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file of 144 months with trend and season, like the airline passengers of Box and Jenkins."""
    import numpy as np
    import pandas as pd

    month = np.arange(144)
    noise = np.random.default_rng(0).normal(0.0, 0.03, 144)
    passengers = 100 * np.exp(0.01 * month + noise) * (1 + 0.15 * np.sin(2 * np.pi * month / 12))
    path = tmp_path_factory.mktemp("data") / "air.csv"
    times = pd.date_range("1949-01-01", periods=144, freq="MS").strftime("%Y-%m-%d")
    pd.DataFrame({"month": times, "passengers": passengers.round()}).to_csv(path, index=False)
    return path
