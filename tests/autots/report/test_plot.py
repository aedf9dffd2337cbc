"""The figure: what is drawn, for any clock, without touching pyplot."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autots.report import BacktestWindow
from autots.report.plot import plot
from zoo.errors import ConfigError

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def draw(window: BacktestWindow, **changes: Any) -> Any:
    return plot(
        window.history_times,
        window.history,
        window.times,
        window.quantiles,
        LEVELS,
        window.point,
        **({"title": "a $b"} | changes),
    )


@pytest.mark.parametrize("clock", ["datetime", "int"])
@pytest.mark.parametrize("horizon", [1, 48])
def test_history_forecast_and_nested_intervals_are_drawn(
    window: Callable[..., BacktestWindow], clock: str, horizon: int
) -> None:
    shown = window(clock=clock, horizon=horizon)
    figure = draw(shown, actual=shown.actual)
    (axes,) = figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert set(labels) == {"history", "80 % interval", "50 % interval", "what came", "forecast"}
    forecast = axes.lines[-1]
    assert np.array_equal(forecast.get_ydata(), shown.point)
    figure.savefig(io.BytesIO(), format="png")


def test_missing_values_leave_gaps(window: Callable[..., BacktestWindow]) -> None:
    shown = window()
    history, actual = shown.history.copy(), np.full(48, np.nan)
    history[3] = np.nan
    figure = plot(
        shown.history_times, history, shown.times, shown.quantiles, LEVELS, shown.point, title="", actual=actual
    )
    figure.savefig(io.BytesIO(), format="svg")
    assert np.isnan(figure.axes[0].lines[0].get_ydata()[3])


@pytest.mark.parametrize("name", ["quantiles", "point", "history", "actual"])
def test_shapes_that_do_not_fit_are_refused(window: Callable[..., BacktestWindow], name: str) -> None:
    shown = window()
    arrays: dict[str, Any] = {
        "history_times": shown.history_times,
        "history": shown.history,
        "times": shown.times,
        "quantiles": shown.quantiles,
        "levels": LEVELS,
        "point": shown.point,
        "actual": shown.actual,
    }
    arrays[name] = arrays[name][:-1]
    with pytest.raises(ConfigError, match="must"):
        plot(**arrays, title="")


def test_importing_the_module_loads_neither_matplotlib_nor_pyplot() -> None:
    code = (
        "import sys, autots.report.plot, autots.report.page, autots.report.terminal;"
        "assert 'matplotlib' not in sys.modules;"
        "import numpy as np; t = np.arange(3);"
        "autots.report.plot.plot(t, t * 1.0, t + 3, np.ones((3, 3)), (0.1, 0.5, 0.9), np.ones(3), title='');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
