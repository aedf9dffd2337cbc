"""What models of single series share: preparing the history, the loop, fallbacks, quantiles and the state.

A subclass turns one series into a short vector of numbers (``_learn``) and a history with that vector into means and
standard deviations (``_continue``). Everything a forecast needs is in that vector: residuals are not kept, and the
fitted forecast is not cached, because filtering a history with known parameters is cheap.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from autots.metrics import unresolved
from autots.models.base import Context, Forecast, Forecaster, State, Task, crossing_free
from autots.models.baseline.last import SeasonalNaive
from autots.models.hyperparameters import Hyperparameters, choice, optional_whole
from autots.models.level_removal import level_of
from autots.models.statistical import adjust
from autots.models.statistical.blas import quiet
from autots.models.statistical.fitted_params import FALLBACKS, SeriesFit, SeriesFits
from autots.models.windows import FURTHEST, bounds
from autots.panel import Floats, Frequency, Future, Panel
from zoo.errors import BudgetError, ModelError

__all__ = [
    "SHORTEST",
    "PerSeries",
    "PerSeriesParams",
    "PreparedSeries",
    "SeasonalParams",
    "finished",
    "normal_quantiles",
]

_log = logging.getLogger(__name__)

# Mean size of the values that models see.
_SIZE = 100.0

#: Fewer observed values than this teach no model anything.
SHORTEST = 6


@dataclass(frozen=True)
class PreparedSeries:
    """One series, prepared.

    Args:
        y: (T,) values without NaN.
        season: Rows of a season, 1 for none.
        offset: Row of ``y[0]`` counted from the first row of the fit: 0 means that the fit's initial states apply.
        known: (T, F) covariates, or None.
        ahead: (H, F) covariates over the horizon, or None.
    """

    y: Floats
    season: int
    offset: int = 0
    known: Floats | None = None
    ahead: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class PerSeriesParams(Hyperparameters):
    """What every model of one series at a time can be told."""

    max_history: int | None = optional_whole("Fit on at most so many last rows; on all of them when left out.")
    transform: str | None = choice(
        None,
        'What the model sees instead of the values: None for the values themselves, "sqrt" (of histories that are '
        'never negative) or "log" (of histories above 0).',
        options=("log", "sqrt", None),
    )


@dataclass(frozen=True, kw_only=True)
class SeasonalParams(PerSeriesParams):
    """What a model of one season can be told."""

    season: int | None = optional_whole(
        "Rows of a season; the task's shortest when left out. A season longer than half of a history is not used; one "
        "longer than the model can hold is taken off by classical decomposition first."
    )


class PerSeries(Forecaster):
    """A model of one series at a time.

    A series that is too short, constant, or that the model fails on gets the seasonal naive forecast;
    ``fallbacks`` counts them by reason. Where no value was negative, no forecast is.
    """

    hyperparameters = PerSeriesParams
    params: PerSeriesParams

    #: Longest season in the model itself; R's forecast package draws the line at 24 too.
    longest_season: ClassVar[int] = 24
    libraries: ClassVar[tuple[str, ...]] = ("statsforecast.models",)
    #: Whether a seasonal adjustment may divide.
    multiplicative: ClassVar[bool] = False

    _task: Task | None = None
    _packed: SeriesFits | None = None
    _names: tuple[str, ...] = ()

    @property
    def _season(self) -> int | None:
        """Rows of a season, where a hyper-parameter sets them."""
        return self.params.season if isinstance(self.params, SeasonalParams) else None

    @abstractmethod
    def _learn(self, sample: PreparedSeries) -> Floats:
        """Return what the model learned from a series, as a vector."""

    @abstractmethod
    def _continue(self, sample: PreparedSeries, values: Floats, horizon: int) -> tuple[Floats, Floats]:
        """Return (H,) means and standard deviations from the end of a series, with what was learned."""

    def fit(self, panel: Panel, task: Task, context: Context) -> Self:
        """Learn every series on its own; see the contract.

        Raises:
            BudgetError: The deadline has passed before the first series was learned.
        """
        used = panel if self.params.max_history is None else panel.tail(self.params.max_history)
        # The task must be there while learning, but a fit that fails leaves no half of a model behind.
        self._packed, self._task, self._names = None, task, ()
        if "known" in self.covariates:
            self._names = tuple(sorted(set(panel.known) - panel.categorical))
        learned = []
        with quiet(context.threads):
            for i in range(used.n_series):
                if context.deadline is not None and context.deadline.remaining < 0:
                    break
                learned.append(self._learn_one(used, i, task))
        if (count := len(learned)) == 0:
            raise BudgetError(f"{self.name} must be fitted within its budget, but had none of {used.n_series} series")
        self.progress = count / used.n_series
        self._packed = SeriesFits.of(used.ids[:count], used.times[used.indptr[:count]], learned)
        return self

    def predict(self, history: Panel, future: Future) -> Forecast:
        """Forecast from the end of ``history`` with the learned parameters; see the contract."""
        task, packed = self._task, self._packed
        if task is None or packed is None:
            raise ModelError(f"{self.name} must be fitted before it predicts", "call fit, or restore a state")
        absent = [name for name in self._names if name not in history.known or name not in future.known]
        if absent:
            raise ModelError(
                f"{self.name} must be given every known covariate that it was fitted with, but not {absent[0]!r}",
                "give it in the history and over the whole horizon",
            )
        shape = (history.n_series, task.horizon)
        mean, sigma = np.full(shape, np.nan), np.full(shape, np.nan)
        unit = np.zeros(history.n_series)
        with quiet(1):
            for i in range(history.n_series):
                continued = self._predict_one(history, i, future, task, packed)
                if continued is not None:
                    mean[i], sigma[i], unit[i] = continued
        return self._assemble(history, (mean, sigma, unit), task)

    def ready(self, history: Panel) -> npt.NDArray[np.bool_] | None:
        """See Forecaster: what was learned, and what is too short to be."""
        if not self.slow or self._packed is None:
            return None
        where, reason = self._packed.where, self._packed.reason
        row = np.array([where.get(str(id_), -1) for id_ in history.ids], dtype=np.intp)
        learned = (row >= 0) & ~np.isin(reason[row], _RETRIED)
        count = np.add.reduceat(np.isfinite(history.y), history.indptr[:-1], dtype=np.int64)
        return np.asarray(learned | (count < SHORTEST))

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """How many fitted series have no model of their own: "short", "constant", "failed" or "absurd" -> number."""
        return {} if self._packed is None else self._packed.fallbacks

    def state(self) -> State:
        """Return the task and the packed parameters."""
        if self._task is None or self._packed is None:
            raise ModelError(f"{self.name} must be fitted before it has a state", "call fit first")
        return {"task": self._task.to_dict(), "known": list(self._names), "learned": self._packed.state()}

    def restore(self, state: State) -> Self:
        """Take over the task and the packed parameters."""
        self._task, self._packed = Task.from_dict(state["task"]), SeriesFits.from_state(state["learned"])
        self._names = tuple(state["known"])
        return self

    @classmethod
    def joined(cls, states: Sequence[State]) -> State:
        """See Forecaster."""
        fits = SeriesFits.joined([SeriesFits.from_state(one["learned"]) for one in states])
        return {**states[0], "learned": fits.state()}

    def _learn_one(self, panel: Panel, i: int, task: Task) -> SeriesFit:
        at = slice(int(panel.indptr[i]), int(panel.indptr[i + 1]))
        y = np.ascontiguousarray(panel.filled()[at])
        if np.count_nonzero(~np.isnan(panel.y[at])) < SHORTEST:
            return _fallback("short")
        if np.ptp(y) <= unresolved(np.abs(y).max()):
            return _fallback("constant")
        level = level_of(y)
        y = y - level if level else y
        unit = _unit_of(y)
        y = y * unit
        season = self._season or task.season
        season = season if 2 * season <= len(y) else 1
        transform = self.params.transform
        transformed = transform is not None and (y.min() > 0 or (transform == "sqrt" and y.min() >= 0))
        shaped = self._forth(y) if transformed else y
        adjusted = self._adjustment(shaped, season)
        one = SeriesFit(np.zeros(0), season, adjusted, transformed, level=level, unit=unit)
        sample = PreparedSeries(shaped, season, 0, self._columns(panel.known, at))
        try:
            one = replace(one, values=np.asarray(self._learn(_inner(sample, adjusted)[0]), dtype=np.float64))
            # A forecast without the future covariates of the fit is not possible; zeros are their mean.
            trial = self._continue_one(replace(sample, ahead=_mean_rows(sample.known, task.horizon)), one, task)
        except NotImplementedError:  # statsforecast's word for a series with too few values
            return _fallback("short")
        except Exception as error:
            # statsforecast and statsmodels raise bare exceptions of any kind on odd series; one series must not
            # cost the others their forecast, and the count tells the caller.
            _log.debug("%s failed on series %r: %r", self.name, panel.ids[i], error)
            return _fallback("failed")
        return one if trial is not None else _fallback("absurd")

    def _columns(self, known: Mapping[str, Floats], at: slice) -> Floats | None:
        """Return (T, F) covariates in the order of their names."""
        return np.stack([known[name][at] for name in self._names], axis=1) if self._names else None

    def _adjustment(self, y: Floats, season: int) -> int:
        """Return the kind of seasonal adjustment that goes before the model."""
        if season <= self.longest_season:
            return adjust.NONE
        return adjust.choose(y, season, multiplicative=self.multiplicative)

    def _predict_one(
        self, history: Panel, i: int, future: Future, task: Task, packed: SeriesFits
    ) -> tuple[Floats, Floats, float] | None:
        """Return means, standard deviations, and the unit that they are in where they were transformed, else 0."""
        row = packed.where.get(str(history.ids[i]), -1)
        one = packed.one(row) if row >= 0 else None
        begin, end = int(history.indptr[i]), int(history.indptr[i + 1])
        offset = 0
        if one is not None and one.reason == 0:
            found = begin + int(np.searchsorted(history.times[begin:end], packed.first[row]))
            if found < end and history.times[found] == packed.first[row]:
                begin = found
            else:
                begin = max(begin, end - (self.params.max_history or end))
                offset = _steps(packed.first[row], history.times[begin], history.freq)
        if one is None or one.reason in _RETRIED or (one.reason == 0 and end - begin < max(SHORTEST, 2 * one.season)):
            begin, offset = max(int(history.indptr[i]), end - (self.params.max_history or end)), 0
            tail = history.select([i]).tail(end - begin)
            one = self._learn_one(tail, 0, task)
        if one.reason:
            return None
        y = np.ascontiguousarray(history.filled()[begin:end])
        y = (y - one.level if one.level else y) * one.unit
        if one.transformed:
            if y.min() < 0 or (self.params.transform == "log" and y.min() <= 0):
                return None
            y = self._forth(y)
        known = self._columns(history.known, slice(begin, end))
        ahead = self._columns({name: values[i] for name, values in future.known.items()}, slice(0, task.horizon))
        try:
            continued = self._continue_one(PreparedSeries(y, one.season, offset, known, ahead), one, task)
        except Exception as error:  # as in _learn_one
            _log.debug("%s failed to continue series %r: %r", self.name, history.ids[i], error)
            return None
        if continued is None:
            return None
        if one.transformed:
            return *continued, one.unit
        return continued[0] / one.unit + one.level, continued[1] / one.unit, 0.0

    def _continue_one(self, sample: PreparedSeries, one: SeriesFit, task: Task) -> tuple[Floats, Floats] | None:
        """Return means and standard deviations on the transformed scale, None when they are absurd."""
        inner, factors = _inner(sample, one.adjusted)
        mean, sigma = self._continue(inner, one.values, task.horizon)
        if factors is not None:
            season = adjust.ahead(factors, len(sample.y), task.horizon)
            if one.adjusted == adjust.MULTIPLICATIVE:
                mean, sigma = mean * season, sigma * np.abs(season)
            else:
                mean = mean + season
        low, high = float(sample.y.min()), float(sample.y.max())
        # A constant history has no range; its scale is its level then.
        reach = FURTHEST * max(high - low, 1e-6 * max(abs(low), abs(high)))
        if not (np.isfinite(mean).all() and mean.min() > low - reach and mean.max() < high + reach):
            return None
        if np.isnan(sigma).any():
            return None
        return mean, np.clip(sigma, 0.0, reach)

    def _assemble(self, history: Panel, continued: tuple[Floats, Floats, Floats], task: Task) -> Forecast:
        mean, sigma, unit = continued
        transformed = unit > 0
        z = normal_quantiles(tuple(task.levels))
        quantiles = mean[:, :, None] + sigma[:, :, None] * z
        if transformed.any():
            # What is near on the transformed scale may be far on the other.
            most = bounds(history, ranges=FURTHEST)[1][transformed, None]
            of = unit[transformed, None]
            quantiles[transformed] = np.minimum(self._back(quantiles[transformed]) / of[..., None], most[..., None])
            mean = mean.copy()
            mean[transformed] = np.minimum(self._back_mean(mean[transformed], sigma[transformed]) / of, most)
        return finished(self.name, history, mean, quantiles, task, self._season)

    def _forth(self, y: Floats) -> Floats:
        return np.log(y) if self.params.transform == "log" else np.sqrt(y)

    def _back(self, y: Floats) -> Floats:
        return np.exp(y) if self.params.transform == "log" else np.square(np.maximum(y, 0.0))

    def _back_mean(self, mean: Floats, sigma: Floats) -> Floats:
        """Return the mean on the original scale, corrected for the bend to second order (FPP3, section 5.6)."""
        if self.params.transform == "log":
            return np.asarray(np.exp(mean) * (1 + np.minimum(sigma**2, 1.0) / 2))
        return np.asarray(np.square(np.maximum(mean, 0.0)) + sigma**2)


def finished(name: str, history: Panel, mean: Floats, quantiles: Floats, task: Task, season: int | None) -> Forecast:
    """Return a forecast without holes: the seasonal naive one where it is not finite, not negative where none was.

    Args:
        name: Of the family, for the log.
        history: The S series that were forecast.
        mean: (S, H), filled in place.
        quantiles: (S, H, Q), filled in place.
        task: Its levels and horizon are those of the forecast.
        season: Of the naive forecast; the task's shortest if None.
    """
    missing = np.flatnonzero(~(np.isfinite(mean).all(axis=1) & np.isfinite(quantiles).all(axis=(1, 2))))
    if len(missing):
        _log.info("%s: %d of %d series get the seasonal naive forecast", name, len(missing), len(mean))
        naive = SeasonalNaive(season=season).fit(history, task, Context())
        instead = naive.predict(history.select(missing), Future())
        mean[missing], quantiles[missing] = instead.mean, instead.quantiles
    floor = np.where(np.fmin.reduceat(history.y, history.indptr[:-1]) >= 0, 0.0, -np.inf)
    return Forecast(np.maximum(mean, floor[:, None]), crossing_free(np.maximum(quantiles, floor[:, None, None])))


@cache
def normal_quantiles(levels: tuple[float, ...]) -> Floats:
    """Return the (Q,) quantiles of the normal distribution."""
    return np.array([NormalDist().inv_cdf(level) for level in levels])


_RETRIED = (1 + FALLBACKS.index("short"), 1 + FALLBACKS.index("constant"))


def _unit_of(y: Floats) -> float:
    """Return the factor that brings the mean size of (T,) values to a hundred.

    statsforecast's searches have bounds and tolerances that are numbers: with values below one its Theta models had
    errors 5 to 10 % larger than with the same values near a hundred (M3 quarterly, tourism), in millions others.
    """
    size = float(np.abs(y).mean())
    return _SIZE / size if 0 < size < np.inf and np.isfinite(_SIZE / size) else 1.0


def _fallback(reason: str) -> SeriesFit:
    return SeriesFit(np.zeros(0), reason=1 + FALLBACKS.index(reason))


def _inner(sample: PreparedSeries, adjusted: int) -> tuple[PreparedSeries, Floats | None]:
    """Return the sample as the model sees it, and the seasonal component that was taken off."""
    if adjusted == adjust.NONE:
        return sample, None
    factors = adjust.seasonal_factors(sample.y, sample.season, adjusted)
    return replace(sample, y=adjust.remove(sample.y, factors, adjusted), season=1), factors


def _mean_rows(known: Floats | None, horizon: int) -> Floats | None:
    return None if known is None else np.repeat(np.nan_to_num(np.nanmean(known, axis=0))[None, :], horizon, axis=0)


def _steps(first: Any, now: Any, freq: Frequency) -> int:
    """Return the rows from ``first`` to ``now``, negative when it is earlier."""
    return freq.count(first, now)
