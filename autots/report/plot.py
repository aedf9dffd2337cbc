"""A forecast as a matplotlib figure, for notebooks and slides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from autots.panel import Floats, Times
from autots.report.charts import bands
from zoo.errors import ConfigError
from zoo.page.wording import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot"]

# The light colours of zoo/page/palette.css: ink, faint, soft, accent, rule.
_INK, _FAINT, _SOFT, _ACCENT, _RULE = "#1d1f24", "#8b909b", "#5c616c", "#2f5fd0", "#e5e2db"


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
        quantiles: (H, Q) forecasts, drawn as intervals around the point forecasts.
        levels: (Q,) quantile levels, from 0 to 1.
        point: (H,) point forecasts, drawn as a line.
        title: What is forecast, written above the plot.
        actual: (H,) what came, NaN where missing; not drawn by default.

    Raises:
        ConfigError: The shapes do not fit together.
    """
    _check_shapes(history_times, history, times, quantiles, levels, point, actual)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(history_times, history, color=_FAINT, linewidth=1.2, label="history")
    _draw_bands(axes, times, quantiles, levels)
    marker = "o" if len(times) == 1 else None
    if actual is not None:
        axes.plot(times, actual, color=_INK, linewidth=1.5, label="what came", marker=marker)
    axes.plot(times, point, color=_ACCENT, linewidth=1.8, label="forecast", marker=marker)
    _dress(axes, title)
    return figure


def _draw_bands(axes: Axes, times: Times, quantiles: Floats, levels: Sequence[float]) -> None:
    for k, (low, high, nominal) in enumerate(bands(levels, len(levels))):
        lower, upper = quantiles[:, low], quantiles[:, high]
        label = f"{percent(nominal)} interval"
        if len(times) == 1:
            # A horizon of one step has no width: its band is an error bar.
            axes.vlines(times, lower, upper, color=_ACCENT, alpha=0.3, linewidth=5 + 4 * k, label=label)
        else:
            shade = 0.16 if k == 0 else 0.22
            axes.fill_between(times, lower, upper, color=_ACCENT, alpha=shade, linewidth=0, label=label)


def _dress(axes: Axes, title: str) -> None:
    # A dollar sign in a user's name is not mathematics.
    axes.set_title(title.replace("$", r"\$"), loc="left", fontsize=11, fontweight="bold", color=_INK)
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, colors=_SOFT, labelsize=9)
    axes.legend(loc="best", frameon=False, fontsize=9)


def _check_shapes(
    history_times: Times,
    history: Floats,
    times: Times,
    quantiles: Floats,
    levels: Sequence[float],
    point: Floats,
    actual: Floats | None,
) -> None:
    shape = (len(times), len(levels))
    if np.shape(quantiles) != shape or len(point) != len(times) or len(history) != len(history_times):
        raise ConfigError(
            f"quantiles must be (horizon, levels) = {shape} and point ({shape[0]},), but got {np.shape(quantiles)} "
            f"and {np.shape(point)}; history must be as long as its clock, but got {len(history)} and "
            f"{len(history_times)}"
        )
    if actual is not None and len(actual) != len(times):
        raise ConfigError(f"actual must have one value per step of the horizon ({len(times)}), but got {len(actual)}")
