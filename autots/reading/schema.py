"""How the user's first table was read: what reads every later one, and answers in the same names and dtypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.panel import Floats, Future, Panel
from autots.reading.findings import Finding
from autots.reading.future import read_future
from autots.reading.ids import IdStyle, KeyStyle
from autots.reading.layouts import ID_NAMES, Layout, as_text
from autots.reading.numerals import PLAIN, NumberStyle
from autots.reading.repair import repair
from autots.reading.report import DataReport
from autots.reading.table import flatten, left_of_wide, read_static
from autots.reading.tidy import tidied, turned
from autots.reading.time_style import TimeStyle
from zoo.errors import ConfigError
from zoo.series.frequency import Frequency, Times
from zoo.series.zones import LocalClock
from zoo.tables.source import Table, read

__all__ = ["Ingested", "Schema"]

_LISTED = 12  # columns of a role that a description lists


@dataclass(frozen=True)
class Ingested:
    """A table that was read.

    Args:
        panel: The repaired series, on one clock.
        schema: What the table looked like.
        report: What was found and repaired.
    """

    panel: Panel
    schema: Schema
    report: DataReport


@dataclass(frozen=True)
class Schema:
    """How the user's table is written.

    Args:
        layout: Names and places of the columns.
        ids: How identifiers are written.
        clock: How times are written.
        freq: The clock of all series, with its zone.
        categories: Covariate -> its categories, in the order of their codes; None for a covariate of numbers.
        static: Names of the covariates that came in a table of their own, with one row per series.
        fills: What stands for values of a covariate that are missing at the start.
        numbers: Column -> how its numbers are written, where they are text.
        source: What was decided about the file before it was a table, such as its encoding: what, and how.
    """

    layout: Layout
    ids: IdStyle | KeyStyle
    clock: TimeStyle
    freq: Frequency
    categories: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    static: tuple[str, ...] = ()
    fills: Mapping[str, float] = field(default_factory=dict)
    numbers: Mapping[str, NumberStyle] = field(default_factory=dict)
    source: tuple[tuple[str, str], ...] = ()

    def describe(self) -> list[tuple[str, str]]:
        """Return how the table was read: what, and how, in the user's names.

        >>> from autots.reading.layouts import ColumnRoles
        >>> Schema(Layout("series", ColumnRoles()), IdStyle(), TimeStyle(), Frequency.parse("D")).describe()[0]
        ('series', 'one')
        """
        return describe(self)

    def read_table(self, data: Any) -> tuple[Table, tuple[Finding, ...]]:
        """Return a later table in the form and with the names used inside, and what was left out of it."""
        written = [name for name, style in self.numbers.items() if style != PLAIN]
        outside = [str(self.layout.outside(name)) for name in (*self.layout.columns.ids, *written)]
        return self.inside(read(data, text=(*ID_NAMES, *outside)))

    def inside(self, table: Table) -> tuple[Table, tuple[Finding, ...]]:
        """Return a table that was read already, in the form and with the names used inside, and what was left out."""
        if isinstance(table, pd.DataFrame) and self.layout.across:
            again = turned(table, self.layout.columns)
            table = table if again is None else again
        table = self.layout.inside(table)
        if isinstance(table, pd.Series):
            return table, ()
        made = tidied(table, self.layout)
        return made.table, made.findings

    def read_more(self, data: Any, *, panel: Panel | None = None, static: Any = None) -> Ingested:
        """Read rows that came later, or another table of the same kind, with the same repairs.

        Args:
            data: Anything that ``read_panel`` takes, with the names of the first table.
            panel: The panel that the rows continue. Rows that it has seen are left out, and each of its series
                goes on right after its end, missing steps added, so that ``panel.append`` takes the result.
            static: A table with one row per series, for series that are new.

        Raises:
            DataError: The table does not have what the first one had.
        """
        table, findings = self.read_table(data)
        lost = (
            () if self.layout.kind != "wide" else left_of_wide(table, self.layout, () if panel is None else panel.ids)
        )
        flat = flatten(table, self.layout, clock=self.clock, categories=self.categories, numbers=self.numbers)
        flat = replace(flat, notes=(*findings, *lost, *flat.notes))
        due = None
        if panel is not None:
            begins = panel.freq.advance(panel.last_times, 1)
            if self.layout.kind == "series":
                flat = replace(flat, labels=np.asarray(panel.ids[:1]))
            due = dict(zip(panel.ids, begins, strict=True))
        more, report, _ = repair(flat, freq=self.freq, due=due, fills=self.fills)
        return Ingested(self._with_static(more, static), self, report)

    def _with_static(self, panel: Panel, static: Any) -> Panel:
        kinds = {name: self.categories.get(name) for name in self.static}
        categorical = frozenset(name for name, values in self.categories.items() if values is not None)
        if not kinds:
            return replace(panel, categorical=categorical)
        if static is None:
            values = {n: np.full(panel.n_series, np.nan if k is None else -1.0) for n, k in kinds.items()}
        else:
            table = read(static, text=id_columns(self.layout.columns.ids))
            values = read_static(table, self.layout, panel.ids, kinds, self.numbers).values
        return replace(panel, static={**panel.static, **values}, categorical=categorical)

    def read_future(self, frame: Any, panel: Panel, horizon: int) -> Future:
        """Read the known covariates over the horizon of each series of the panel.

        Rows of other times and series are ignored. A table without a column for the series holds for all of them.
        Unseen and missing categories are the code -1.

        Args:
            frame: Anything that ``read_panel`` takes, with the names of the first table; None if nothing is known.
            panel: The series to be forecast.
            horizon: Steps H that each series is forecast.

        Raises:
            DataError: A covariate, a row or a value is missing.
        """
        return read_future(self, frame, panel, horizon)

    def write(
        self,
        panel_ids: npt.NDArray[np.object_],
        times: Times,
        mean: Floats,
        quantiles: Floats,
        levels: Sequence[float],
    ) -> pd.DataFrame:
        """Return forecasts as a long table with the user's names, dtypes, zone and index.

        A single series has no column for its name. The other columns are ``mean`` and the levels (``"0.1"``).

        Args:
            panel_ids: (S,) labels of the series.
            times: (S, H) times of the inside clock.
            mean: (S, H) expected values.
            quantiles: (S, H, Q) quantiles.
            levels: Q quantile levels in (0, 1).
        """
        self.refuse_names(levels)
        names, horizon = self.layout.columns, times.shape[1]
        columns: dict[Any, Any] = {}
        if self.layout.kind != "series":
            columns |= self.id_columns(np.repeat(panel_ids, horizon))
        columns[self.layout.outside(names.time)] = self.clock.write(times.ravel())
        columns["mean"] = mean.ravel()
        for q, level in enumerate(levels):
            columns[f"{level:g}"] = quantiles[:, :, q].ravel()
        frame = pd.DataFrame(columns)
        if self.layout.kind != "long" or not self.layout.levels:
            return frame
        by_level = sorted(self.layout.levels, key=lambda pair: pair[1])
        frame = frame.set_index([self.layout.outside(getattr(names, role)) for role, _ in by_level])
        frame.index.names = list(self.layout.index_names)
        return frame

    def id_columns(self, panel_ids: npt.NDArray[np.object_]) -> dict[Any, Any]:
        """Return the columns of the user's table that name series, with the user's names and dtypes."""
        names = self.layout.columns.ids or ("unique_id",)
        return {self.layout.outside(n): c for n, c in zip(names, self.ids.columns(panel_ids), strict=True)}

    def refuse_names(self, levels: Sequence[float]) -> None:
        """Raise if a column of an answer would have two meanings.

        Raises:
            ConfigError: A column that names series or times is called as a column of forecasts is.
        """
        columns = self.layout.columns
        made = {"mean", *(f"{level:g}" for level in levels)}
        taken = [n for n in (*(columns.ids if self.layout.kind != "series" else ()), columns.time) if n in made]
        if taken:
            raise ConfigError(
                f"columns of a forecast must have one meaning each, but {taken[0]!r} names "
                f"{'times' if taken[0] == columns.time else 'series'} in the table, and a column of forecasts",
                f"rename it first: frame.rename(columns={{{self.layout.outside(taken[0])!r}: 'my_{taken[0]}'}})",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "layout": self.layout.to_dict(),
            "ids": self.ids.to_dict(),
            "clock": self.clock.to_dict(),
            "freq": self.freq.alias or self.freq.step,
            "local": None if self.freq.local is None else asdict(self.freq.local),
            "categories": {name: None if kinds is None else list(kinds) for name, kinds in self.categories.items()},
            "static": list(self.static),
            "fills": dict(self.fills),
            "numbers": {name: style.to_dict() for name, style in self.numbers.items()},
            "source": [list(pair) for pair in self.source],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Schema:
        """Read what ``to_dict`` returned, from JSON too."""
        local = values.get("local")  # what was saved without it was fitted in UTC
        freq = replace(Frequency.parse(values["freq"]), local=None if local is None else LocalClock.from_dict(local))
        return cls(
            Layout.from_dict(values["layout"]),
            KeyStyle.of(values["ids"]),
            TimeStyle.from_dict(values["clock"]),
            freq,
            {name: None if kinds is None else tuple(kinds) for name, kinds in values["categories"].items()},
            tuple(values["static"]),
            dict(values["fills"]),
            {name: NumberStyle(**style) for name, style in values.get("numbers", {}).items()},
            tuple((what, how) for what, how in values.get("source", ())),
        )


def id_columns(id_col: Any) -> tuple[str, ...]:
    """Return the columns of CSV files that are identifiers and must stay as they are written."""
    given = id_col if isinstance(id_col, list | tuple | np.ndarray | pd.Index) else () if id_col is None else (id_col,)
    return (*ID_NAMES, *map(as_text, given))


def describe(schema: Schema) -> list[tuple[str, str]]:
    """Return what ``Schema.describe`` returns."""
    layout, columns = schema.layout, schema.layout.columns
    series = {"series": "one", "wide": "a column each", "long": " + ".join(columns.ids)}[layout.kind]
    if layout.across:
        series += ", a row each, times across"
    told = [("series", series), ("time", f"{columns.time}: {schema.clock.describe()}")]
    if layout.kind != "wide":
        told.append(("target", _written(schema, columns.target)))
    for role, names in (
        ("known", columns.known),
        ("past", columns.past),
        ("static", (*columns.static, *schema.static)),
    ):
        if names:
            listed = [_written(schema, name) for name in names]
            more = f", and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
            told.append((role, ", ".join(listed[:_LISTED]) + more))
    if layout.original:
        told.append(("names made text", ", ".join(layout.original)))
    if layout.dropped:
        told.append(("left out", ", ".join(layout.dropped)))
    return [*told, *schema.source]


def _written(schema: Schema, name: str) -> str:
    if schema.categories.get(name) is not None:
        return f"{name}: categories"
    style = schema.numbers.get(name)
    return f"{name}: {style.describe()}" if style is not None and style.describe() else name
