"""Point and quantile scores, lower is better.

Every metric is a sum of per-series (or per-row) numerators over a sum of denominators, so that the score of many
shards is the score of the whole (as in GluonTS ``ev``). Missing targets (NaN) do not count. Axes: S series, H steps,
Q quantiles; a series seen from several cutoffs is several series.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autots.panel import Floats, Panel
from zoo.errors import ConfigError

__all__ = ["METRICS", "ForecastMetric", "Sums", "coverage", "metric", "pinball", "season_scale", "unresolved"]

# Times the size of a value: differences of the last bits of a float are none.
_BITS = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Sums:
    """A score in two additive parts: ``total / weight``."""

    total: float
    weight: float

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.total + other.total, self.weight + other.weight)

    @property
    def value(self) -> float:
        """The score; NaN where nothing could be scored."""
        return self.total / self.weight if self.weight > 0 else float("nan")


class ForecastMetric(ABC):
    """One score.

    Attributes:
        squared: Whether the mean minimises it (else the median does).
        root: Whether the reported score is the square root of the mean.
        probabilistic: Whether it scores quantiles: a search then keeps them for every average that it weighs.
        scaled: Whether it divides by the ``scale`` of a series, so that series without one do not count.
        relative: Whether it means something only beside a reference forecaster's scores, so that tables leave it out.
    """

    name: str
    squared: bool = False
    root: bool = False
    probabilistic: bool = False
    scaled: bool = False
    relative: bool = False

    @abstractmethod
    def sums(self, actual: Floats, point: Floats, quantiles: Floats, levels: tuple[float, ...], scale: Floats) -> Sums:
        """Score (S, H) targets against (S, H) points and (S, H, Q) quantiles; ``scale`` is (S,)."""

    def report(self, sums: Sums) -> float:
        """Return the number that people read."""
        return float(np.sqrt(sums.value)) if self.root else sums.value


def _per_series(errors: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the mean of each row and whether it has anything in it."""
    seen = ~np.isnan(errors)
    count = seen.sum(axis=1)
    return np.where(seen, errors, 0.0).sum(axis=1) / np.maximum(count, 1), count > 0


class _Mean(ForecastMetric):
    """The mean of an elementwise error over all rows: MAE, MSE, RMSE, in the target's units or their square.

    Misleads over series of different sizes, of which the largest decides.
    """

    def __init__(self, name: str, *, squared: bool, root: bool = False) -> None:
        self.name, self.squared, self.root = name, squared, root

    def sums(self, actual: Floats, point: Floats, quantiles: Floats, levels: tuple[float, ...], scale: Floats) -> Sums:
        error = np.abs(actual - point)
        seen = ~np.isnan(error)
        kept = error[seen]
        return Sums(float((kept**2 if self.squared else kept).sum()), float(seen.sum()))


class Smape(ForecastMetric):
    """Symmetric mean absolute percentage error, 0 to 200 (M4): 200 |y - f| / (|y| + |f|), averaged per series.

    A target and a forecast of zero count as no error. Misleads near zero. Makridakis et al. (2020), eq. 1.
    """

    name = "smape"

    def sums(self, actual: Floats, point: Floats, quantiles: Floats, levels: tuple[float, ...], scale: Floats) -> Sums:
        """See ForecastMetric."""
        size = np.abs(actual) + np.abs(point)
        error = np.where(size == 0, 0.0, 200.0 * (np.abs(actual - point) / np.where(size == 0, 1.0, size)))
        value, seen = _per_series(error)
        return Sums(float(value[seen].sum()), float(seen.sum()))


class Mase(ForecastMetric):
    """Mean absolute scaled error: MAE over the in-sample MAE of seasonal naive, averaged over series.

    Series whose scale is zero or undefined do not count. Misleads where history was smooth and the future is not: one
    such series outweighs many. Hyndman & Koehler (2006).
    """

    name = "mase"
    scaled = True

    def sums(self, actual: Floats, point: Floats, quantiles: Floats, levels: tuple[float, ...], scale: Floats) -> Sums:
        """See ForecastMetric."""
        value, seen = _per_series(np.abs(actual - point))
        seen = seen & np.isfinite(scale) & (scale > 0)
        return Sums(float((value[seen] / scale[seen]).sum()), float(seen.sum()))


class Wape(ForecastMetric):
    """Sum of absolute errors over the sum of absolute targets; that of large series decides, as in MAE."""

    name = "wape"

    def sums(self, actual: Floats, point: Floats, quantiles: Floats, levels: tuple[float, ...], scale: Floats) -> Sums:
        """See ForecastMetric."""
        seen = ~np.isnan(actual - point)
        return Sums(float(np.abs(actual - point)[seen].sum()), float(np.abs(actual[seen]).sum()))


def pinball(actual: Floats, quantiles: Floats, levels: tuple[float, ...]) -> Floats:
    """Return the (S, H, Q) quantile loss, doubled, so that level 0.5 gives the absolute error."""
    error = actual[..., None] - quantiles
    loss = np.asarray(error * (2.0 * np.asarray(levels)))
    # tau e where e > 0, and (tau - 1) e elsewhere, in half of the time of two products and their maximum.
    np.minimum(error, 0.0, out=error)
    error *= 2.0
    loss -= error
    return loss


class Wql(ForecastMetric):
    """Weighted quantile loss: 2 x pinball, averaged over levels, over the sum of absolute targets.

    Salinas et al. (2020), DeepAR; the score of GIFT-Eval and fev under the same name.
    """

    name = "wql"
    probabilistic = True

    def sums(self, actual: Floats, point: Floats, quantiles: Floats, levels: tuple[float, ...], scale: Floats) -> Sums:
        """See ForecastMetric."""
        loss = pinball(actual, quantiles, levels).mean(axis=-1)
        seen = ~np.isnan(loss)
        return Sums(float(loss[seen].sum()), float(np.abs(actual[seen]).sum()))


class Sql(ForecastMetric):
    """Scaled quantile loss: 2 x pinball, averaged over levels, in units of MASE's scale; averaged over series.

    Misleads where MASE does. The score of fev under the same name.
    """

    name = "sql"
    probabilistic = True
    scaled = True

    def sums(self, actual: Floats, point: Floats, quantiles: Floats, levels: tuple[float, ...], scale: Floats) -> Sums:
        """See ForecastMetric."""
        value, seen = _per_series(pinball(actual, quantiles, levels).mean(axis=-1))
        seen = seen & np.isfinite(scale) & (scale > 0)
        return Sums(float((value[seen] / scale[seen]).sum()), float(seen.sum()))


class Owa(ForecastMetric):
    """Overall weighted average (M4): the mean of sMAPE and MASE, each relative to a reference forecaster.

    M4's reference is Naive2; a search takes seasonal naive on its own windows (``against``), which weighs the two the
    same way. Without a reference both count as they are. Makridakis et al. (2020).
    """

    name = "owa"
    scaled = True
    relative = True

    def __init__(self, smape: float = 1.0, mase: float = 1.0) -> None:
        self._reference = (smape, mase)

    def against(self, smape: float, mase: float) -> Owa:
        """Return the metric with a reference forecaster's scores."""
        return Owa(smape if smape > 0 else 1.0, mase if np.isfinite(mase) and mase > 0 else 1.0)

    def sums(self, actual: Floats, point: Floats, quantiles: Floats, levels: tuple[float, ...], scale: Floats) -> Sums:
        """See ForecastMetric."""
        percent = METRICS["smape"].sums(actual, point, quantiles, levels, scale).value / self._reference[0]
        scaled = METRICS["mase"].sums(actual, point, quantiles, levels, scale)
        weight = scaled.weight
        # Series without a scale have only their percentage error.
        value = (percent + scaled.value / self._reference[1]) / 2 if weight else percent
        return Sums(value * max(weight, 1.0), max(weight, 1.0))


METRICS: Mapping[str, ForecastMetric] = {
    m.name: m
    for m in (
        _Mean("mae", squared=False),
        _Mean("mse", squared=True),
        _Mean("rmse", squared=True, root=True),
        Smape(),
        Mase(),
        Wape(),
        Wql(),
        Sql(),
        Owa(),
    )
}


def metric(name: str) -> ForecastMetric:
    """Return a metric by its name.

    Raises:
        ConfigError: No metric has the name.
    """
    found = METRICS.get(str(name).lower())
    if found is None:
        near = difflib.get_close_matches(str(name).lower(), METRICS, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"metric must be one of {sorted(METRICS)}, but got {name!r}", f"{meant}lower is better in all"
        )
    return found


def unresolved(size: Floats) -> Floats:
    """Return the largest differences that mean nothing between values of some size: the last bits of a float."""
    return np.asarray(_BITS * size)


def season_scale(panel: Panel, season: int) -> Floats:
    """Return the (S,) in-sample mean absolute seasonal differences that MASE divides by; NaN where there is none.

    What is no more than the last bits of the values is 0: a constant has no scale, however it was computed.
    """
    if panel.n_rows <= season:
        return np.full(panel.n_series, np.nan)
    scale = _season_scale(panel, season)
    low, high = (f.reduceat(panel.y, panel.indptr[:-1]) for f in (np.fmin, np.fmax))
    return np.where(scale <= unresolved(np.maximum(np.abs(low), np.abs(high))), 0.0, scale)


def _season_scale(panel: Panel, season: int) -> Floats:
    step = np.abs(panel.y[season:] - panel.y[:-season])
    if panel.n_series == 1:
        step = step[~np.isnan(step)]
        # One after the other, as below: a sum by halves would differ in its last bit.
        return np.array([step.cumsum()[-1] / len(step) if len(step) else np.nan])
    series = np.repeat(np.arange(panel.n_series), panel.lengths)
    step[series[season:] != series[:-season]] = np.nan
    seen = ~np.isnan(step)
    total = np.bincount(series[season:][seen], weights=step[seen], minlength=panel.n_series)
    count = np.bincount(series[season:][seen], minlength=panel.n_series)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def coverage(actual: Floats, quantiles: Floats, levels: tuple[float, ...]) -> dict[str, float]:
    """Return the share of targets inside each central interval that the levels contain, by nominal coverage."""
    seen = ~np.isnan(actual)
    out = {}
    for i, low in enumerate(levels):
        j = next((j for j, high in enumerate(levels) if abs(high - (1 - low)) < 1e-9), None)
        if low < 0.5 and j is not None and seen.any():
            inside = (actual >= quantiles[..., i]) & (actual <= quantiles[..., j])
            out[f"{1 - 2 * low:.10g}"] = float(inside[seen].mean())
    return out
