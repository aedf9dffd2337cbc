"""The found forecaster: an ensemble, and the user's own tables, names and files around it."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from autots.artifact import read_artifact, write_artifact
from autots.ensembles import Adaptation, Ensemble, Member, OnlineUpdates, SeriesWeights, rolling_scores
from autots.intervals import Conformal, QuantileTracker
from autots.metrics import season_scale
from autots.models.base import State, Task
from autots.models.catalog import create, fit_here
from autots.panel import Floats, Future, Panel
from autots.reading.ids import joined
from autots.reading.repair import NothingNewError
from autots.reading.schema import Schema
from zoo.errors import ConfigError, DataError
from zoo.places import local_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from autots.ensembles import ForecastOutcome
    from autots.features import Features
    from autots.report import Facts

__all__ = ["Pipeline"]

# Horizons of new rows that are looked at before the next forecast: older ones matter no longer.
_MAX_HORIZONS = 400
_FEATURES = "features"


class Pipeline:
    """A fitted forecaster for one kind of table. Made by ``AutoTS.fit`` and ``load``, not by hand.

    Args:
        schema: How the user's table is written.
        panel: The history that forecasts start from.
        ensemble: The fitted members, their weights and calibration.
        levels: The quantile levels that the user asked for.
        metric_name: The name of what was minimised.
        facts: What the fit has to tell.
        seed: Source of chance of later refits; 0 by default.
        features: What makes the columns of the panel from raw rows, where a feature pipeline does.
        learned: From the rows taken in so far.
    """

    def __init__(
        self,
        schema: Schema,
        panel: Panel,
        ensemble: Ensemble,
        *,
        levels: tuple[float, ...],
        metric_name: str,
        facts: Facts,
        seed: int = 0,
        features: Features | None = None,
        learned: Adaptation | None = None,
    ) -> None:
        self.features, self.ensemble = features, ensemble
        self.schema, self.levels, self.metric_name = schema, levels, metric_name
        self.facts, self.seed = facts, seed
        self._panel = panel
        self._learned = learned or ensemble.start()
        self._outcomes: dict[str, int] = {}  # rows of each series that no forecast was compared with yet

    @property
    def panel(self) -> Panel:
        """The history that forecasts start from."""
        return self._panel

    @property
    def task(self) -> Task:
        """Horizon, seasons and all quantile levels that are computed."""
        return self.ensemble.task

    @property
    def members(self) -> tuple[Member, ...]:
        """The parts of the ensemble."""
        return self.ensemble.members

    @property
    def horizon(self) -> int:
        """Steps H of a forecast."""
        return self.task.horizon

    @property
    def known(self) -> tuple[str, ...]:
        """The covariates whose future ``predict`` needs."""
        return () if self.features is not None else tuple(self.schema.layout.columns.known)

    @property
    def data_report(self) -> Mapping[str, Any]:
        """What was found in the table and repaired (see DataReport)."""
        return self.facts.data

    def predict(self, future: Any = None, *, data: Any = None) -> pd.DataFrame:
        """Forecast the horizon after the last row of every series.

        Args:
            future: The covariates known in the future: a table with the id, the time and each known covariate, for
                every step of the horizon. Needed if and only if there are known covariates; a feature pipeline
                computes them itself.
            data: Forecast from this table instead of the history seen so far, with what was learned.

        Returns:
            A long table with the user's id and time columns, ``mean`` (the point forecast for the metric) and one
            column per quantile level.

        Raises:
            DataError: A known covariate or a row of it is missing.
        """
        self.settle()
        panel = self._panel if data is None else self.schema.read_more(self._featured(data)).panel
        known = self._future(future, panel)
        point, quantiles = self.forecast(panel, known)
        asked = [self.task.levels.index(q) for q in self.levels]
        return self.schema.write(
            panel.ids, panel.future_times(self.horizon), point, quantiles[:, :, asked], self.levels
        )

    def _featured(self, data: Any) -> Any:
        """Return the columns of the fit for a table with a history of its own."""
        return data if self.features is None else self.features.table(data)

    def _future(self, future: Any, panel: Panel) -> Future:
        if self.features is not None:
            future = self.features.future(self.schema, panel, self.horizon)
        return self.schema.read_future(future, panel, self.horizon)

    def forecast(self, history: Panel, future: Future) -> tuple[Floats, Floats]:
        """Forecast from the end of a panel: what ``predict`` does between reading tables and writing one.

        Weights and intervals are those of the last ``settle``. For a program that has arrays already, such as a server;
        ``predict`` is the way from table to table.

        Args:
            history: S series on the pipeline's clock, with its covariates.
            future: The known covariates over the horizon.

        Returns:
            The (S, H) points for the metric, and the (S, H, Q) calibrated quantiles at ``task.levels``.
        """
        return self.ensemble.forecast(history, future, self._learned)

    def settle(self) -> None:
        """Learn from the rows taken in by ``update``, whole horizons at a time; ``predict`` does it by itself."""
        if not self._outcomes:
            return
        horizon = self.horizon
        waiting = np.array([self._outcomes.get(str(i), 0) for i in self._panel.ids], dtype=np.int64)
        due = np.minimum(waiting // horizon, _MAX_HORIZONS) * horizon
        rest = waiting % horizon
        rows = np.flatnonzero((due > 0) & (due < self._panel.lengths - rest))
        self._outcomes = {str(self._panel.ids[i]): int(rest[i]) for i in np.flatnonzero(rest)}
        if len(rows) and self.ensemble.conformal is not None:
            full = self._panel.select(rows).drop_tails(rest[rows])
            self._learned = self.ensemble.roll(full, due[rows], self._learned)[1]

    def update(self, new_rows: Any) -> Self:
        """Take in rows that came after the history: the state moves on, nothing is refitted.

        The next forecast learns from the new rows, horizon by horizon: weights move to the members that forecast a
        series well, and an error that persists is put right (see ensembles.OnlineUpdates); intervals widen after misses
        on a side, and narrow after too few of them (see intervals.QuantileTracker).

        Args:
            new_rows: A table with the same columns. Rows already seen are ignored, missing steps become gaps.

        Returns:
            This pipeline.
        """
        seen, rows = (None, new_rows) if self.features is None else self.features.continued(new_rows)
        try:
            more = self.schema.read_more(rows, panel=self._panel).panel
        except NothingNewError:
            # A feed that delivers at least once may repeat itself.
            return self
        if seen is not None:
            self.features = seen
        return self.append(more)

    def append(self, more: Panel) -> Self:
        """Take in rows that continue the history, as ``update`` does with a table.

        Args:
            more: As ``Panel.append`` takes it.
        """
        self._panel = self._panel.append(more)
        for id_, count in zip(more.ids, more.lengths, strict=True):
            self._outcomes[str(id_)] = self._outcomes.get(str(id_), 0) + int(count)
        return self

    def replace_history(self, panel: Panel) -> Self:
        """Forecast from another panel of the same series from now on, such as one whose gaps were filled."""
        self._panel = panel
        return self

    def branch(self) -> Self:
        """Return a pipeline of the same models whose state (history, weights, intervals) moves on by itself."""
        made = copy.copy(self)
        made._outcomes = dict(self._outcomes)
        return made

    def adopt(self, branch: Pipeline) -> Self:
        """Go on from the state of a branch of this pipeline, such as one to which the rows came in another way."""
        self._panel, self._learned, self._outcomes = branch._panel, branch._learned, dict(branch._outcomes)
        return self

    def refit(self, all_rows: Any = None) -> Self:
        """Fit the same ensemble anew on a table (the history seen so far by default), without a search.

        Weights and calibration stay.
        """
        panel = self._panel if all_rows is None else self.schema.read_more(self._featured(all_rows)).panel
        self.ensemble = self.ensemble.refit(panel, self.seed)
        self._panel = panel
        return self

    def evaluate(self, test: Any, *, learning: bool = True) -> dict[str, Any]:
        """Forecast a table that follows the history and compare.

        A test longer than the horizon is rolled over: after each horizon the state takes in what came, without a refit,
        and weights and intervals adapt to it, as they do when ``update`` is called. The pipeline itself stays as it is.

        Args:
            test: Rows after the history, known covariates among the columns.
            learning: False to leave weights and intervals as they are, which shows what learning is worth.

        Returns:
            ``series``, ``new_series`` (those without a history, left out), ``rows``, ``smape``, ``mase``, ``rmse``,
            ``mse``, ``mae``, ``wql``, ``coverage`` (nominal -> observed), ``skill`` (metric -> 1 - score / naive's).

        Raises:
            DataError: No row of the test follows the history.
        """
        outcomes, scale, new = self.rolled(test, learning=learning)
        if not outcomes:
            raise DataError("a test must follow the history, but all its series are new", "check the names of series")
        scores = rolling_scores(outcomes, scale, self.task.levels, asked=self.levels)
        return {"series": len(scale), "new_series": new, **scores}

    def rolled(self, test: Any, *, learning: bool = True) -> tuple[list[ForecastOutcome], Floats, int]:
        """Return what ``evaluate`` compares: windows in batches, seasonal scales (S,), and how many series are new.

        Args:
            test: Rows after the history, known covariates among the columns.
            learning: False to leave weights and intervals as they are.
        """
        self.settle()
        rows = test if self.features is None else self.features.continued(test)[1]
        more = self.schema.read_more(rows, panel=self._panel).panel
        where = {id_: i for i, id_ in enumerate(self._panel.ids)}
        at = np.array([where.get(id_, -1) for id_ in more.ids], dtype=np.intp)
        if not (at >= 0).any():
            return [], np.empty(0), more.n_series
        full, lengths = self._panel.append(more).select(at[at >= 0]), more.lengths[at >= 0]
        naive = fit_here("seasonal_naive", {}, self._panel, self.task, self.seed)
        scale = season_scale(full.drop_tails(lengths), self.task.season)
        outcomes, _ = self.ensemble.roll(full, lengths, self._learned, naive, learning=learning)
        return outcomes, scale, int((at < 0).sum())

    def leaderboard(self) -> pd.DataFrame:
        """Return one row per candidate, the ensemble first; lower scores are better."""
        return self.facts.leaderboard.copy()

    def report(self, path: str | Path | None = None) -> str:
        """Return the report as one self-contained HTML page, and write it to ``path`` if given."""
        from autots.report.page import render

        page = render(self.facts)
        if path is not None:
            local_path(path, "a report").write_text(page, encoding="utf-8")
        return page

    def plot(self, series: Any = None, future: Any = None) -> Figure:
        """Draw the recent history and the forecast of one series.

        Args:
            series: Its id (of a key of several columns, a list of their values); the first one by default.
            future: The covariates known in the future, as ``predict`` takes them.
        """
        from autots.report.plot import plot

        ids = [str(i) for i in self._panel.ids]
        key = [str(part) for part in series] if isinstance(series, list | tuple) else None
        name = ids[0] if series is None else str(series) if key is None else joined(key)
        if name not in ids:
            raise ConfigError(f"a series must be in the history, but {name!r} is not", f"for example {ids[0]!r}")
        one = self._panel.select([ids.index(name)])
        known = self._future(future, self._panel).select(np.array([ids.index(name)]))
        self.settle()
        point, quantiles = self.forecast(one, known)
        recent = one.tail(max(5 * self.horizon, 3 * self.task.season, 60))
        return plot(
            self.schema.clock.shown(recent.times),
            recent.y,
            self.schema.clock.shown(one.future_times(self.horizon)[0]),
            quantiles[0],
            self.task.levels,
            point[0],
            title=name,
        )

    def save(self, path: str | Path) -> Path:
        """Write the pipeline into a folder of plain, checksummed files (nothing is pickled)."""
        parts = self._parts()
        if self.features is None:
            write_artifact(Path(path), parts)
            return Path(path)
        with tempfile.TemporaryDirectory(prefix="autots-") as folder:
            made = Path(folder) / _FEATURES
            parts["pipeline"]["features"] = self.features.save(made)
            write_artifact(Path(path), parts, beside=lambda fresh: shutil.copytree(made, fresh / _FEATURES))
        return Path(path)

    def _parts(self) -> dict[str, State]:
        conformal, series_weights, learned = self.ensemble.conformal, self.ensemble.series_weights, self._learned
        head = {
            "schema": json.dumps(self.schema.to_dict()),
            "task": self.task.to_dict(),
            "levels": list(self.levels),
            "metric": self.metric_name,
            "seed": self.seed,
            "members": [
                {"family": m.family, "params": m.model.params.to_dict(), "weight": list(m.weight)} for m in self.members
            ],
            "conformal": None if conformal is None else conformal.to_dict(),
            "tracker": learned.tracker.to_dict(),
            "outcomes": dict(self._outcomes),
            "leaning": None if series_weights is None else series_weights.to_dict(),
            "online": None if learned.online.empty else learned.online.to_dict(),
        }
        models = {f"model_{i}": m.model.state() for i, m in enumerate(self.members)}
        return {"pipeline": head, "panel": self._panel.to_state(), "facts": self.facts.to_state(), **models}

    @classmethod
    def load(cls, path: str | Path, *, mapped: bool = False) -> Self:
        """Read what ``save`` wrote.

        Args:
            path: The folder that ``save`` wrote.
            mapped: Whether its arrays stay in their files, see ``autots.load``.

        Raises:
            ArtifactError: The folder is missing, foreign, damaged or tampered with.
        """
        from autots.report import Facts

        parts = read_artifact(Path(path), mapped=mapped)
        head = parts["pipeline"]
        schema = Schema.from_dict(json.loads(head["schema"]))
        members = tuple(
            Member(
                m["family"],
                create(m["family"], **m["params"]).restore(parts[f"model_{i}"]),
                (m["weight"][0], m["weight"][1]),
            )
            for i, m in enumerate(head["members"])
        )
        conformal = None if head["conformal"] is None else Conformal.from_dict(head["conformal"])
        series_weights = None if head.get("leaning") is None else SeriesWeights.from_dict(head["leaning"])
        ensemble = Ensemble(Task.from_dict(head["task"]), members, conformal, series_weights)
        learned = replace(ensemble.start(), tracker=QuantileTracker.from_dict(head["tracker"]))
        if head.get("online") is not None:
            learned = replace(learned, online=OnlineUpdates.from_dict(head["online"]))
        pipeline = cls(
            schema,
            Panel.from_state(parts["panel"], schema.freq),
            ensemble,
            levels=tuple(float(q) for q in head["levels"]),
            metric_name=head["metric"],
            facts=Facts.from_state(parts["facts"]),
            seed=int(head["seed"]),
            features=_features(path, head.get("features")),
            learned=learned,
        )
        pipeline._outcomes = {str(id_): int(count) for id_, count in head["outcomes"].items()}
        return pipeline


def _features(path: str | Path, head: Any) -> Features | None:
    """Read the feature pipeline of a folder, if it has one; most have none, and its room takes time to import."""
    if not head:
        return None
    from autots.features import Features

    return Features.load(Path(path) / _FEATURES, head)
