"""The fitted ensemble: from panels to calibrated quantiles, and what it learns from targets that come later.

It knows nothing of tables, files or users; ``pipeline.py`` puts those around it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from autots.ensembles.average import Weight, average
from autots.ensembles.online_updates import OnlineUpdates, shifted
from autots.ensembles.series_weights import SeriesWeights
from autots.intervals import Conformal, QuantileTracker
from autots.metrics import season_scale
from autots.models.base import Forecast, Forecaster, Task
from autots.models.catalog import fit_here
from autots.models.constant_series import ConstantSeries, NewlyVarying
from autots.models.wall_clock import ask, predict_local
from autots.panel import Floats, Future, Ints, Panel
from autots.panel.local import LocalView

if TYPE_CHECKING:
    from autots.evaluate.rolling import RollingBatch

__all__ = ["Adaptation", "Ensemble", "ForecastOutcome", "Member"]

# Rows of history that are forecast from at once while a test set is rolled over.
_BATCH_ROWS = 3_000_000
# Forecast values from which members are asked side by side: starting threads costs less than a millisecond.
_THREADED_VALUES = 2_000


@dataclass(frozen=True)
class Member:
    """A fitted part of the ensemble.

    Args:
        family: The name of its class in the catalog of models.
        model: The fitted forecaster itself.
        weight: Its share in the point forecast and in the quantiles; both sum to one over the members.
    """

    family: str
    model: Forecaster
    weight: Weight


@dataclass(frozen=True)
class Adaptation:
    """What the targets taught that came after the fit.

    Args:
        online: How weights and level were adapted.
        tracker: How the intervals were.
    """

    online: OnlineUpdates
    tracker: QuantileTracker = field(default_factory=QuantileTracker)


@dataclass(frozen=True)
class ForecastOutcome:
    """A batch of W windows that were forecast and came: (W,) series and block, (W, H) targets and points."""

    series: Ints
    block: Ints
    actual: Floats
    point: Floats
    quantiles: Floats
    reference: Forecast | None


@dataclass(frozen=True)
class Ensemble:
    """Members, their weights, and the calibration of their average.

    Args:
        task: Horizon, seasons and all quantile levels that are computed.
        members: The fitted parts, heaviest first.
        conformal: The calibration, or None where nothing could be backtested.
        series_weights: How single series depart from the members' weights.
    """

    task: Task
    members: tuple[Member, ...]
    conformal: Conformal | None = None
    series_weights: SeriesWeights | None = None

    def start(self) -> Adaptation:
        """Return what is known right after the fit."""
        return Adaptation(OnlineUpdates.of_members(len(self.members)))

    def forecast(self, history: Panel, future: Future, learned: Adaptation) -> tuple[Floats, Floats]:
        """Forecast from the end of a panel.

        Args:
            history: S series on the clock of the fit, with its covariates.
            future: The known covariates over the horizon.
            learned: What the targets taught that came since the fit.

        Returns:
            The (S, H) points for the metric, and the (S, H, Q) calibrated quantiles at ``task.levels``.
        """
        forecasts, online = self._forecasts(history, future), learned.online
        averaged = self._averaged(forecasts, self._factors(history.ids, online))
        point, quantiles = self._calibrated(*averaged, self._scale(history))
        if not online.empty:
            more = online.corrections(history.ids, history.last_times)
            point, quantiles = self._shifted_by(point, quantiles, more)
        return self._with_constants_kept(history, point, self._widened(quantiles, learned.tracker))

    def roll(
        self,
        full: Panel,
        lengths: Ints,
        learned: Adaptation,
        reference: Forecaster | None = None,
        *,
        learning: bool = True,
    ) -> tuple[list[ForecastOutcome], Adaptation]:
        """Forecast the last rows of a panel, horizon after horizon, learning from what came before each.

        Args:
            full: History and test rows of every series.
            lengths: (S,) rows to forecast.
            learned: What was known before them.
            reference: A forecaster to compare with.
            learning: False to forecast all with what is known before them.

        Returns:
            The outcomes by batches of windows, and what is known after the last window.
        """
        from autots.evaluate.rolling import rolling_windows

        outcomes: list[ForecastOutcome] = []
        online = learned.online
        for batch in rolling_windows(full, lengths, self.task.horizon, max_rows=_BATCH_ROWS):
            if learning:
                point, quantiles, online = self._followed(batch, online)
            else:
                point, quantiles = self.forecast(batch.history, batch.future, learned)
            base = (
                None if reference is None else predict_local(reference, batch.history, batch.future, self.task.horizon)
            )
            outcomes.append(ForecastOutcome(batch.series, batch.block, batch.actual, point, quantiles, base))
        return outcomes, Adaptation(online, self._tracked(outcomes, learned.tracker)) if learning else learned

    def refit(self, panel: Panel, seed: int) -> Self:
        """Return the same ensemble with members fitted anew; weights and calibration stay."""
        members = tuple(
            replace(m, model=fit_here(m.family, m.model.params.to_dict(), panel, self.task, seed)) for m in self.members
        )
        return replace(self, members=members)

    def _forecasts(self, history: Panel, future: Future) -> list[Forecast]:
        """Return each member's forecast; of large panels several at a time, since most of the work leaves Python.

        Series that a member would have to learn first, and some other does not, are left to the others.
        """
        horizon = self.task.horizon
        view = LocalView.of(history, future, horizon)
        ready = [m.model.ready(view.history) for m in self.members]
        if not all(one is None or one.all() for one in ready):
            return self._forecasts_of_ready(history, future, ready)
        small = len(self.members) == 1 or history.n_series * horizon < _THREADED_VALUES
        # Counting the processors takes a tenth of a small forecast's time.
        threads = 1 if small else min(os.cpu_count() or 1, len(self.members))
        if threads < 2:
            return [ask(m.model, view, horizon) for m in self.members]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda m: ask(m.model, view, horizon), self.members))

    def _forecasts_of_ready(
        self, history: Panel, future: Future, ready: Sequence[npt.NDArray[np.bool_] | None]
    ) -> list[Forecast]:
        """Return each member's forecast of what it is ready for, and the average of the others for the rest."""
        every = np.ones(history.n_series, dtype=bool)
        able = np.stack([every if one is None else one for one in ready])
        able |= ~able.any(axis=0)  # what nobody is ready for is learned by all
        shape = (len(self.members), history.n_series, self.task.horizon)
        mean, quantiles = np.zeros(shape), np.zeros((*shape, len(self.task.levels)))
        for i, member in enumerate(self.members):
            if len(rows := np.flatnonzero(able[i])):
                made = predict_local(member.model, history.select(rows), future.select(rows), self.task.horizon)
                mean[i, rows], quantiles[i, rows] = made.mean, made.quantiles
        for column, values in enumerate((mean, quantiles)):
            weight = np.array([m.weight[column] for m in self.members])[:, None] * able
            # Members without a weight of this kind may be all that are ready.
            weight = np.where(weight.sum(axis=0) > 0, weight, able)
            share = (weight / weight.sum(axis=0)).reshape(able.shape + (1,) * (values.ndim - 2))
            instead = (share * values).sum(axis=0)
            for i in range(len(self.members)):
                values[i, ~able[i]] = instead[~able[i]]
        return [Forecast(m, q) for m, q in zip(mean, quantiles, strict=True)]

    def _averaged(self, forecasts: Sequence[Forecast], factors: Floats | None) -> tuple[Floats, Floats]:
        weights = [m.weight for m in self.members]
        return average(
            [f.mean for f in forecasts], [f.quantiles for f in forecasts], weights, self._middle, factors=factors
        )

    def _factors(self, ids: npt.NDArray[np.object_], online: OnlineUpdates) -> Floats | None:
        """Return the (M, S) factors of some series on the members' weights."""
        factors = None if self.series_weights is None else self.series_weights.of(ids)
        if online.empty:
            return factors
        return online.factors(ids) if factors is None else factors * online.factors(ids)

    def _scale(self, history: Panel) -> Floats | None:
        """Return the (S,) scales that the calibration goes by."""
        return None if self.conformal is None else season_scale(history, self.task.season)

    def _calibrated(self, mean: Floats, quantiles: Floats, scale: Floats | None) -> tuple[Floats, Floats]:
        """Return the points for the metric, and the calibrated quantiles."""
        if self.conformal is not None and scale is not None:
            quantiles = self.conformal.apply(quantiles, scale)
        return (mean if self.task.squared_error else quantiles[:, :, self._middle]), quantiles

    def _shifted_by(self, point: Floats, quantiles: Floats, more: Floats) -> tuple[Floats, Floats]:
        """Return points and quantiles moved by (S,) values."""
        return shifted(point, more[:, None], self._floor), shifted(quantiles, more[:, None, None], self._floor)

    def _widened(self, quantiles: Floats, tracker: QuantileTracker) -> Floats:
        return np.asarray(np.maximum(tracker.apply(quantiles, self._middle), self._floor))

    def _followed(self, batch: RollingBatch, online: OnlineUpdates) -> tuple[Floats, Floats, OnlineUpdates]:
        """Return (W, H) points and (W, H, Q) quantiles of windows, each with what the outcomes before it taught.

        The windows of a series come one after another, in this batch and the next.
        """
        history, horizon = batch.history, self.task.horizon
        forecasts, ids = self._forecasts(history, batch.future), history.ids
        points = np.stack([f.mean if self.task.squared_error else f.median(self.task.levels) for f in forecasts])
        shares = np.array([[m.weight[0]] for m in self.members])
        shares = shares * (np.ones((1, len(ids))) if self.series_weights is None else self.series_weights.of(ids))
        ends = [history.freq.advance(history.last_times, n * horizon) for n in (0, 1, 2)]
        out, quantiles = np.empty_like(forecasts[0].mean), np.empty_like(forecasts[0].quantiles)
        online, scale = online.including(ids), self._scale(history)
        for block in np.unique(batch.block):
            at = np.flatnonzero(batch.block == block)
            some = [Forecast(f.mean[at], f.quantiles[at]) for f in forecasts]
            averaged = self._averaged(some, self._factors(ids[at], online))
            point, quantiles[at] = self._calibrated(*averaged, None if scale is None else scale[at])
            more = online.corrections(ids[at], history.last_times[at])
            out[at], quantiles[at] = self._shifted_by(point, quantiles[at], more)
            online = online.after(
                ids[at],
                points[:, at],
                point,
                batch.actual[at],
                shares[:, at],
                (ends[0][at], ends[1][at], ends[2][at]),
                squared=self.task.squared_error,
                floor=self._floor,
            )
        return *self._with_constants_kept(history, out, quantiles), online

    def _with_constants_kept(self, history: Panel, point: Floats, quantiles: Floats) -> tuple[Floats, Floats]:
        """Return a forecast in which constant series go on, and those that just ceased to be have a width.

        Quantiles that nobody here calibrated (a model from elsewhere, say) stay what they are.
        """
        if self.conformal is None:
            return point, quantiles
        quantiles = NewlyVarying.of(history, self.task.levels, self.task.horizon).apply(quantiles, self._middle)
        return ConstantSeries.of(history, self.task).apply(point, quantiles, self._middle)

    def _tracked(self, outcomes: Sequence[ForecastOutcome], tracker: QuantileTracker) -> QuantileTracker:
        """Adapt every interval, in place, to the outcomes before it, never to its own; return the last tracker."""
        for block in range(max((int(o.block.max()) for o in outcomes), default=-1) + 1):
            actual, adapted = [], []
            for one in outcomes:
                chosen = one.block == block
                one.quantiles[chosen] = self._widened(one.quantiles[chosen], tracker)
                actual.append(one.actual[chosen])
                adapted.append(one.quantiles[chosen])
            tracker = tracker.after(
                np.concatenate(actual), np.concatenate(adapted), self.task.levels, floor=self._floor
            )
        return tracker

    @cached_property
    def _middle(self) -> int:
        return self.task.levels.index(0.5)

    @property
    def _floor(self) -> float:
        return 0.0 if self.conformal is not None and self.conformal.non_negative else -np.inf
