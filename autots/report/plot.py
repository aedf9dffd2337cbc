"""A forecast as a matplotlib figure, for notebooks and slides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from autots.panel import Floats, Times
from autots.report.charts import bands
from autots.report.wording import percent
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot"]

_INK, _SOFT, _FORECAST, _RULE = "#1d1f24", "#8b909b", "#2f5fd0", "#e5e2db"


def plot(
    history_times: Times,
    history: Floats,
    times: Times,
    quantiles: Floats,
    levels: Sequence[float],
    point: Floats,
    *,
    title: str,
    actual: Floats | None = None,
) -> Figure:
    """Draw a history, its forecast with nested intervals, and what came if that is known.

    The figure belongs to nobody: pyplot is not used, so no backend is chosen, nothing is shown and nothing leaks.
    Save it with ``figure.savefig``; a notebook displays it by itself.

    Args:
        history_times: (T,) clock, datetime64 or integers.
        history: (T,) values, NaN where missing.
        times: (H,) clock of the horizon.
        quantiles: (H, Q) forecasts.
        levels: (Q,) quantile levels.
        point: (H,) point forecasts.
        title: What is forecast.
        actual: (H,) what came, or None.

    Raises:
        ConfigError: The shapes do not fit together.
    """
    shape = (len(times), len(levels))
    if np.shape(quantiles) != shape or len(point) != len(times) or len(history) != len(history_times):
        raise ConfigError(
            f"quantiles must be (horizon, levels) = {shape} and point ({shape[0]},), but got {np.shape(quantiles)} "
            f"and {np.shape(point)}; history must be as long as its clock, but got {len(history)} and "
            f"{len(history_times)}"
        )
    if actual is not None and len(actual) != len(times):
        raise ConfigError(f"actual must have one value per step of the horizon ({len(times)}), but got {len(actual)}")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(history_times, history, color=_SOFT, linewidth=1.2, label="history")
    # A horizon of one step has no width: its band is an error bar.
    marker = "o" if len(times) == 1 else None
    for k, (low, high, nominal) in enumerate(bands(levels, len(levels))):
        lower, upper = quantiles[:, low], quantiles[:, high]
        label = f"{percent(nominal)} interval"
        if len(times) == 1:
            axes.vlines(times, lower, upper, color=_FORECAST, alpha=0.3, linewidth=5 + 4 * k, label=label)
        else:
            shade = 0.16 if k == 0 else 0.22
            axes.fill_between(times, lower, upper, color=_FORECAST, alpha=shade, linewidth=0, label=label)
    if actual is not None:
        axes.plot(times, actual, color=_INK, linewidth=1.5, label="what came", marker=marker)
    axes.plot(times, point, color=_FORECAST, linewidth=1.8, label="forecast", marker=marker)
    # A dollar sign in a user's name is not mathematics.
    axes.set_title(title.replace("$", r"\$"), loc="left", fontsize=11, fontweight="bold", color=_INK)
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, colors="#5c616c", labelsize=9)
    axes.legend(loc="best", frameon=False, fontsize=9)
    return figure
