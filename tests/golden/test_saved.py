"""Files that former versions wrote still open, and say what they said then.

Each folder under ``saved`` is named by the day on which that day's head wrote it: a pipeline with every family of the
catalog, a pipeline of features, a study with checkpoints, and the state of an endpoint with routes and actuals.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autots import load
from serve.app import ServingApp
from serve.runtime.config import ServingConfig
from serve.testing.caller import Caller
from zoo.features.artifact import load as load_features
from zoo.search import Study
from zoo.testing.samplers import rich_space

WRITTEN = sorted(path for path in (Path(__file__).parent / "saved").iterdir() if path.is_dir())


@pytest.fixture(params=WRITTEN, ids=lambda path: path.name)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy, since opening may write."""
    return Path(shutil.copytree(request.param, tmp_path / "saved"))


def near(left: pd.DataFrame, right: pd.DataFrame) -> None:
    # Another processor may differ in the last bits; equal bits on one machine are what bits.py holds.
    pd.testing.assert_frame_equal(left, right, check_exact=False, rtol=1e-6, atol=1e-8, check_dtype=False)


def test_a_pipeline_with_every_family_forecasts_what_it_did(saved):
    said = load(saved / "pipeline").predict().reset_index(drop=True)
    written = pd.read_csv(saved / "forecast.csv", parse_dates=["ds"])
    near(said, written)


def test_a_pipeline_of_features_makes_the_same_features(saved):
    raw = pd.read_csv(saved / "raw.csv", parse_dates=["ts"])
    made = load_features(saved / "features").transform(raw).tail(50).reset_index(drop=True)
    near(made, pd.read_csv(saved / "features.csv", parse_dates=["ts"]))


def test_a_study_goes_on(saved):
    told = json.loads((saved / "study.json").read_text())
    with Study.open(saved / "study.journal", rich_space(), seed=4, stopper="rungs", budget=12) as study:
        found = [(t.number, t.state, dict(t.params), t.value) for t in study.trials]
        assert json.loads(json.dumps(found, default=str)) == told
        lost = study.ask()
        assert lost is not None
        assert lost.number == told[-1][0]
        assert lost.checkpoint is not None
        study.tell(lost.number, 1.0, seconds=1.0)


def test_an_endpoint_has_its_actuals_and_what_its_routes_learned(saved):
    models = [{"name": "hours", "version": v, "path": str(saved / p)} for v, p in (("a", "pipeline"), ("b", "naive"))]
    routes = {"hours": {"kind": "thompson", "arms": ["hours@a", "hours@b"]}}
    config = {"models": models, "routes": routes, "state": str(saved / "state")}
    call = Caller(ServingApp(ServingConfig.model_validate(config)))
    answer = call.forecast(series=[{"id": "H0"}, {"id": "H1"}], model="hours@b")["forecasts"]
    written = json.loads((saved / "served.json").read_text())
    for now, then in zip(answer, written, strict=True):
        assert now["time"] == then["time"]
        np.testing.assert_allclose(now["mean"], then["mean"], rtol=1e-9)
    app = call.app
    assert isinstance(app, ServingApp)
    route = app.routing.table.to_dict()["routes"]["hours"]
    assert {"hours@a", "hours@b"} == set(route["records"]), route
