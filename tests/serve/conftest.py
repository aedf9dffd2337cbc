"""Small pipelines behind the application, without Ray and without sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autots.pipeline import Pipeline
from serve.app import ServingApp
from serve.runtime.config import ServingConfig
from serve.testing.caller import Caller, served
from serve.testing.pipelines import fitted, hourly


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    return hourly()


@pytest.fixture(scope="session")
def pipeline(table: pd.DataFrame) -> Pipeline:
    return fitted(table, families=("linear_direct", "auto_theta"))


@pytest.fixture(scope="session")
def call(pipeline: Pipeline, table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    """Two models: ``hours``, and ``naive``."""
    simple = fitted(table, families=("seasonal_naive",))
    return served(tmp_path_factory.mktemp("serve"), {"hours": pipeline, "naive": simple})


@pytest.fixture
def fresh(pipeline: Pipeline, tmp_path: Path) -> Callable[[], Caller]:
    """An application of its own, for tests that change its state; called again, it is one more replica."""
    path = str(pipeline.save(tmp_path / "hours"))
    config = {"models": [{"name": "hours", "path": path}], "state": str(tmp_path / "state")}
    return lambda: Caller(ServingApp(ServingConfig.model_validate(config)))
