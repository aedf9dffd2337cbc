"""Golden windows: what a version must answer before it takes over.

The truth is ``pipeline.predict``, the way of tables; it is compared with what the server would write for the same rows,
read back from its own JSON. They must be equal, finite, ascending in the levels, and as long as the horizon.
"""

from __future__ import annotations

import numpy as np

from autots.panel import Floats, Panel
from serve.protocol.errors import RequestError
from serve.protocol.request import Series
from serve.runtime.model import Served
from zoo.errors import ModelError

__all__ = ["check_forecasts", "verify", "warm_up"]

_SERIES = 3
_MOST = 1000  # series that golden windows are kept of


def _examples(served: Served) -> Panel:
    """Return some series of the model's own history."""
    panel = served.pipeline.panel
    rows = np.unique(np.linspace(0, panel.n_series - 1, _SERIES).astype(int))
    return panel.select(rows)


def warm_up(served: Served, rounds: int = 3) -> None:
    """Forecast some series, so that nothing is imported, compiled or mapped during the first request.

    Raises:
        ZooError: The model cannot forecast its own history.
    """
    for _ in range(rounds):
        _answers(served)


def _answers(served: Served) -> tuple[Panel, Floats, Floats]:
    panel = _examples(served)
    block = served.forecast(panel, served.ahead(panel))
    return panel, block.mean, block.quantiles


def verify(served: Served) -> None:
    """Raise if the served forecasts are not those of the pipeline.

    Raises:
        ModelError: They differ, or are no forecasts.
    """
    panel, mean, quantiles = _answers(served)
    check_forecasts(served, mean, quantiles, n_series=panel.n_series)
    if served.pipeline.known:
        return  # `predict` needs a table of the future, whose truth would be our own words
    if served.pipeline.panel.n_series > _MOST:
        _check_reading(served, panel, mean)
        return  # `predict` forecasts every series
    table = served.pipeline.predict()
    every = [str(i) for i in served.pipeline.panel.ids]
    at = np.array([every.index(str(id_)) for id_ in panel.ids])
    truth = table["mean"].to_numpy().reshape(len(every), served.horizon)[at]
    if not np.allclose(truth, mean, rtol=1e-9, atol=0.0):
        raise ModelError(
            f"served forecasts must equal pipeline.predict, but differ by {np.abs(truth - mean).max():g}",
            "report this with the model's families",
        )
    _check_reading(served, panel, mean)


def check_forecasts(served: Served, mean: Floats, quantiles: Floats, *, n_series: int) -> None:
    """Raise unless these are forecasts: of the right shapes, finite, with quantiles in their order.

    Args:
        served: The model that made them.
        mean: (S, H) point forecasts of the model.
        quantiles: (S, H, Q) forecasts at all its levels.
        n_series: S, the series that it was asked for.

    Raises:
        ModelError: They are none.
    """
    shape = (n_series, served.horizon)
    if mean.shape != shape or quantiles.shape != (*shape, len(served.all_levels)):
        raise ModelError(f"a forecast must have the shape {shape}, but has {mean.shape} and {quantiles.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(quantiles).all()):
        raise ModelError("forecasts must be finite, but some are not", "look at the model's history")
    if (np.diff(quantiles, axis=-1) < 0).any():
        raise ModelError("quantiles must not cross, but some do")


def _check_reading(served: Served, panel: Panel, mean: Floats) -> None:
    """The same rows sent in a request must give the same forecasts as those of the state."""
    if panel.static or panel.past or served.raw:
        return  # a request would have to give them in the user's own words
    series = []
    for i, id_ in enumerate(panel.ids):
        at = slice(int(panel.indptr[i]), int(panel.indptr[i + 1]))
        first = panel.times[at.start]
        start: str | int = int(first) if panel.freq.is_integer else served.clock.write(int(first.view("int64")))
        series.append(Series(str(id_), panel.y[at], start))
    ready = served.read(series)
    if ready.errors or ready.panel is None:
        first_error = next(iter(ready.errors.values()), RequestError("nothing was read"))
        raise ModelError(f"a request with the model's own history must be read, but: {first_error.message}")
    again = served.forecast(ready.panel, ready.future).mean
    if not np.array_equal(again, mean):
        raise ModelError("a request with the model's own history must give the same forecast, but it does not")
