"""Scores that others published or compute, by our metrics."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.tools import eval_measures

from autots.metrics import METRICS, season_scale
from autots.models.base import Context, Task
from autots.models.catalog import create
from autots.panel import Future
from autots.reading import read_panel

LEVELS = (0.1, 0.5, 0.9)


def score(name, actual, point, scale=None):
    quantiles = np.repeat(point[..., None], len(LEVELS), axis=-1)
    one = METRICS[name]
    return one.report(one.sums(actual, point, quantiles, LEVELS, np.ones(len(actual)) if scale is None else scale))


@pytest.mark.parametrize(
    ("ours", "theirs"), [("mse", eval_measures.mse), ("rmse", eval_measures.rmse), ("mae", eval_measures.meanabs)]
)
def test_agrees_with_statsmodels(ours, theirs):
    rng = np.random.default_rng(3)
    actual, point = rng.normal(size=(1, 50)), rng.normal(size=(1, 50))
    assert score(ours, actual, point) == pytest.approx(float(theirs(actual[0], point[0])))


def test_smape_and_mase_of_the_airline_passengers():
    """Seasonal naive of 12 months on the last 12: textbook formulas (Hyndman & Athanasopoulos 2021, 5.8)."""
    y = np.array(AIRLINE, dtype=float)
    history, actual = y[:-12], y[-12:]
    point = history[-12:]
    smape = np.mean(200 * np.abs(actual - point) / (actual + point))
    mase = np.mean(np.abs(actual - point)) / np.mean(np.abs(history[12:] - history[:-12]))
    panel = read_panel(pd.DataFrame({"ds": np.arange(len(history)), "y": history})).panel
    scale = season_scale(panel, 12)
    assert score("smape", actual[None], point[None]) == pytest.approx(smape)
    assert score("mase", actual[None], point[None], scale) == pytest.approx(mase)


def test_seasonal_naive_on_m4_hourly_has_its_published_scores():
    folder = os.environ.get("ZOO_AUTOTS_DATA")
    if not folder:
        pytest.skip("ZOO_AUTOTS_DATA does not name a folder with m4_hourly")
    train, test = (Path(folder) / "m4_hourly" / f"{part}.parquet" for part in ("train", "test"))
    if not train.exists() or not test.exists():
        pytest.skip(f"{folder} has no m4_hourly/train.parquet and test.parquet")
    got = read_panel(train)
    panel = got.panel
    future = got.schema.read_more(test, panel=panel).panel
    task = Task(horizon=48, seasons=(24,), levels=LEVELS)
    made = create("seasonal_naive").fit(panel, task, Context()).predict(panel, Future())
    where = {id_: i for i, id_ in enumerate(future.ids)}
    actual = np.stack([future.series(where[id_])[:48] for id_ in panel.ids])
    point = made.median(LEVELS)
    assert score("smape", actual, point) == pytest.approx(13.912, abs=1e-3)
    assert score("mase", actual, point, season_scale(panel, 24)) == pytest.approx(1.193, abs=1e-3)


AIRLINE = [
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170, 158,
    133, 114, 140, 145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166, 171, 180, 193, 181, 183, 218,
    230, 242, 209, 191, 172, 194, 196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201, 204, 188, 235,
    227, 234, 264, 302, 293, 259, 229, 203, 229, 242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278,
    284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306, 315, 301, 356, 348, 355, 422, 465, 467, 404,
    347, 305, 336, 340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337, 360, 342, 406, 396, 420, 472,
    548, 559, 463, 407, 362, 405, 417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
]  # fmt: skip
