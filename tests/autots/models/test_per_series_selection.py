"""Per-series winners: every series gets its own best candidate, and all of them are one model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autots.models.base import Context, Task
from autots.models.catalog import create, families
from autots.models.state_files import dump, load
from autots.panel import Future
from autots.reading.read import read_panel
from zoo.errors import ConfigError, ModelError


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    t = np.arange(96)
    noise = lambda: rng.normal(0, 0.01, 96)  # noqa: E731
    kinds = {"season": np.sin(2 * np.pi * t / 24), "line": 0.5 * t, "level": np.repeat(rng.normal(0, 5, 4), 24)}
    times = pd.date_range("2024-01-01", periods=96, freq="h")
    parts = [pd.DataFrame({"unique_id": k, "ds": times, "y": v + noise()}) for k, v in kinds.items()]
    parts.append(pd.DataFrame({"unique_id": "short", "ds": times[:5], "y": 1.0}))
    return read_panel(pd.concat(parts)).panel


TASK = Task(12, (24,))
CANDIDATES = ["naive", "seasonal_naive", "drift"]


def test_every_series_is_forecast_by_its_winner(panel):
    model = create("winners", candidates=CANDIDATES).fit(panel, TASK, Context())
    ids = panel.ids.tolist()
    for id_, family in (("season", "seasonal_naive"), ("line", "drift")):
        one = panel.select([ids.index(id_)])
        alone = create(family).fit(one, TASK, Context()).predict(one, Future())
        assert np.array_equal(model.predict(one, Future()).quantiles, alone.quantiles)
    whole = model.predict(panel, Future())
    apart = [model.predict(panel.select([i]), Future()).mean[0] for i in range(panel.n_series)]
    assert np.array_equal(whole.mean, apart)
    assert sum(model.won.values()) == panel.n_series


def test_winners_survive_saving(panel, tmp_path):
    model = create("winners", candidates=["seasonal_naive", "auto_theta"]).fit(panel, TASK, Context())
    dump(model.state(), tmp_path, "w")
    back = create("winners", **model.params.to_dict()).restore(load(tmp_path, "w"))
    assert np.array_equal(back.predict(panel, Future()).quantiles, model.predict(panel, Future()).quantiles)


def test_candidates_must_be_local_and_known():
    with pytest.raises(ConfigError, match="local"):
        create("winners", candidates=["linear_direct"])
    with pytest.raises(ConfigError, match="catalog"):
        create("winners", candidates=["oracle"])
    with pytest.raises(ModelError):
        create("winners").state()
    assert "winners" not in families()
