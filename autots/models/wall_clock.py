"""Models on the clock on the wall: fitted and asked there, answered in UTC.

A panel whose times are kept in UTC says by ``freq.local`` which clock people live by. Seasons and the calendar are
theirs, so every fit and every forecast goes through here. Axes: S series, H horizon, K steps on the wall.
"""

from __future__ import annotations

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, Task
from autots.panel import Floats, Future, Ints, Panel
from autots.panel.local import LocalView, grown, local_panel

__all__ = ["ask", "fit_local", "predict_local"]


def fit_local(model: Forecaster, panel: Panel, task: Task, context: Context) -> Forecaster:
    """Return the model, fitted on a panel as the clock on the wall shows it."""
    return model.fit(local_panel(panel), task, context)


def predict_local(model: Forecaster, history: Panel, future: Future, horizon: int) -> Forecast:
    """Forecast H steps from the end of a panel in UTC, as the clock on the wall shows it."""
    return ask(model, LocalView.of(history, future, horizon), horizon)


def ask(model: Forecaster, view: LocalView, horizon: int) -> Forecast:
    """Forecast H steps in UTC from what the clock on the wall shows.

    A repeated hour has the same forecast twice. Behind a skipped one H steps in UTC are more than H on the wall: the
    last of them are forecast from a history that goes on with the model's own first means. What lies between two steps
    on the wall is between their forecasts.
    """
    if view.steps is None and view.later is None:
        return model.predict(view.history, view.future)
    forecast = model.predict(view.history, _next(view.future, 0, horizon))
    at = np.broadcast_to(np.arange(horizon), forecast.mean.shape) if view.steps is None else view.steps
    other = at if view.later is None else np.maximum(at + np.sign(view.later).astype(np.int64), 0)
    room = np.maximum(other.max(axis=1) + 1 - horizon, 0)
    size = horizon + int(room.max())
    mean = np.full((len(room), size), np.nan)
    quantiles = np.full((*mean.shape, forecast.quantiles.shape[2]), np.nan)
    mean[:, :horizon], quantiles[:, :horizon] = forecast.mean, forecast.quantiles
    for more in np.unique(room[room > 0]):
        rows = np.flatnonzero(room == more)
        part = _beyond(model, view, rows, Forecast(forecast.mean[rows], forecast.quantiles[rows]), int(more))
        mean[rows, horizon : horizon + more] = part.mean
        quantiles[rows, horizon : horizon + more] = part.quantiles
    found = Forecast(np.take_along_axis(mean, at, axis=1), np.take_along_axis(quantiles, at[:, :, None], axis=1))
    if view.later is None:
        return found
    next_ = np.take_along_axis(mean, other, axis=1), np.take_along_axis(quantiles, other[:, :, None], axis=1)
    share = np.abs(view.later)
    between = found.quantiles + share[:, :, None] * (next_[1] - found.quantiles)
    return Forecast(found.mean + share * (next_[0] - found.mean), between)


def _next(future: Future, first: int, horizon: int) -> Future:
    return Future({name: _columns(values, first, horizon) for name, values in future.known.items()})


def _columns(values: Floats, first: int, count: int) -> Floats:
    """Return ``count`` columns from one on; behind the end the last one repeats."""
    return values[:, np.minimum(np.arange(first, first + count), values.shape[1] - 1)]


def _beyond(model: Forecaster, view: LocalView, rows: Ints, forecast: Forecast, more: int) -> Forecast:
    """Return the forecasts of the ``more`` steps after the horizon."""
    horizon, done = forecast.mean.shape[1], 0
    history, future = view.history.select(rows), view.future.select(rows)
    means, quantiles = [], []
    while done < more:
        size = min(horizon, more - done)
        history = grown(history, forecast.mean[:, :size], dict(_next(future, done, size).known))
        done += size
        forecast = model.predict(history, _next(future, done, horizon))
        means.append(forecast.mean[:, horizon - size :])
        quantiles.append(forecast.quantiles[:, horizon - size :])
    return Forecast(np.concatenate(means, axis=1), np.concatenate(quantiles, axis=1))
