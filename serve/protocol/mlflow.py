"""MLflow's ``/invocations``: a table, as rows or split, in the user's own column names -> rows of predictions.

Rows with a target are history; rows after the last target of a series are the future of the known covariates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from autots.reading.ids import joined, parted
from serve.protocol.answer import Answer, dumps
from serve.protocol.errors import RequestError
from serve.protocol.iso import shown
from serve.protocol.request import ForecastRequest, RequestLimits, Series, check_limits
from serve.protocol.sagemaker import refuse_partial

__all__ = ["TableColumns", "Times", "model_of", "parse", "write"]

_FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")


_PARAMETERS = ("horizon", "quantiles", "model")


@dataclass(frozen=True)
class TableColumns:
    """The columns of the user's table.

    Args:
        id: What names the series, or None for a single one.
        time: The column of the rows' times.
        target: The column that is forecast.
        known: The columns of covariates known ahead.
        past: Covariates of the past.
        static: One value per series.
        key: The columns that only together name the series, if one does not.
    """

    id: str | None
    time: str
    target: str
    known: Sequence[str] = ()
    past: Sequence[str] = ()
    static: Sequence[str] = ()
    key: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that name the series."""
        return self.key or (() if self.id is None else (self.id,))


def model_of(fields: Mapping[str, Any]) -> str | None:
    """Return the model that a body names, whose columns its table must have."""
    parameters = fields.get("params")
    model = parameters.get("model") if isinstance(parameters, Mapping) else None
    return model if isinstance(model, str) else None


class Times(Protocol):
    """The clock of a model, as far as tables need it."""

    def moments(self, texts: Sequence[Any]) -> Any:
        """Read times as moments that can be compared."""

    def forth(self, moment: int, steps: int) -> int:
        """Return the moment some rows later."""


def parse(fields: Mapping[str, Any], names: TableColumns, limits: RequestLimits, clock: Times) -> ForecastRequest:
    """Read a body.

    Args:
        fields: The JSON object of the body.
        names: What the columns of the table are called.
        limits: What one request may ask for.
        clock: Of the model: rows are put in the order of their times, not of the times' texts.

    Raises:
        RequestError: It is not of one of the four forms, or lacks a column.
    """
    given = [form for form in _FORMS if form in fields]
    if len(given) != 1:
        raise RequestError(f"exactly one of {list(_FORMS)} must be given, but got {given}", "see /docs", "", 400)
    records = _records(given[0], fields[given[0]])
    parameters = {} if fields.get("params") is None else fields["params"]
    if not isinstance(parameters, Mapping):
        raise RequestError("params must be an object, but is not", "", "params")
    unknown = sorted(set(parameters) - set(_PARAMETERS))
    if unknown:
        raise RequestError(f"params must be among {list(_PARAMETERS)}, but {shown(unknown[0])} is not", "", "params")
    horizon, levels = parameters.get("horizon"), parameters.get("quantiles")
    if horizon is not None and (isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 1):
        raise RequestError(f"horizon must be a whole number above 0, but got {horizon!r}", "", "params.horizon")
    if levels is not None and not (
        isinstance(levels, list) and all(isinstance(q, float) and 0 < q < 1 for q in levels)
    ):
        raise RequestError("quantiles must be numbers between 0 and 1", "", "params.quantiles")
    model = parameters.get("model")
    if model is not None and not isinstance(model, str):
        raise RequestError("model must be a name", "", "params.model")
    series = _series(records, names, clock)
    check_limits(series, limits)
    return ForecastRequest(series, horizon, None if levels is None else tuple(sorted(set(levels))), model)


def _records(form: str, value: Any) -> list[dict[str, Any]]:
    """Return rows as dicts."""
    wrong = RequestError(f"{form} must hold a table, but does not", "see MLflow's scoring protocol", form)
    if form == "dataframe_split":
        if not isinstance(value, Mapping) or not isinstance(value.get("columns"), list):
            raise wrong
        columns, rows = value["columns"], value.get("data")
        if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) == len(columns) for r in rows):
            raise wrong
        return [dict(zip(map(str, columns), row, strict=True)) for row in rows]
    if isinstance(value, Mapping):  # a column per name
        lengths = {len(column) if isinstance(column, list) else -1 for column in value.values()}
        if len(lengths) != 1 or -1 in lengths:
            raise wrong
        return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise wrong
    return [dict(row) for row in value]


def _series(records: list[dict[str, Any]], names: TableColumns, clock: Times) -> list[Series]:
    if not records:
        raise RequestError("a table must have rows, but it is empty", "send the history of the series")
    have = set().union(*records)
    every = (*names.ids, names.time, names.target, *names.known, *names.past, *names.static)
    lacking = [n for n in every if n is not None and n not in have]
    if lacking:
        raise RequestError(
            f"a table must have the columns {lacking}, but has {sorted(map(str, have))[:50]}",
            "use the names of the fit",
        )
    groups: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for i, row in enumerate(records):
        parts = [row.get(name) for name in names.ids]
        time = row.get(names.time)
        for name, part in zip(names.ids, parts, strict=True):
            if isinstance(part, bool) or not isinstance(part, str | int) or part == "":
                raise RequestError(f"{name} must name the series, but is {shown(part)} in row {i}", "", f"[{i}]")
        texts = [str(part) for part in parts]
        id_ = joined(texts) if names.key else "".join(texts)
        if isinstance(time, bool) or not isinstance(time, str | int):
            raise RequestError(f"{names.time} must be a time, but is {shown(time)} in row {i}", "", f"[{i}]")
        groups.setdefault(id_, []).append((i, row))
    return [_one(id_, rows, names, clock) for id_, rows in groups.items()]


def _one(id_: str, placed: list[tuple[int, dict[str, Any]]], names: TableColumns, clock: Times) -> Series:
    moments = _moments(placed, names, clock)
    order = sorted(range(len(placed)), key=lambda i: moments[i])
    rows, moments = [placed[i][1] for i in order], [moments[i] for i in order]
    targets = [_number(row.get(names.target), names.target, placed[i][0]) for i, row in zip(order, rows, strict=True)]
    last = max((i for i, y in enumerate(targets) if not math.isnan(y)), default=-1)
    if last < 0:
        raise RequestError(f"series {shown(id_)} must have a target, but has none", "", names.target)
    if names.known:
        for step, i in enumerate(range(last + 1, len(rows)), 1):
            if moments[i] != clock.forth(moments[last], step):
                raise RequestError(
                    f"rows after the last target must follow step by step, but {shown(rows[i][names.time])} does not",
                    "send a row for every step of the horizon", f"[{placed[order[i]][0]}]",
                )  # fmt: skip
    return Series(
        id_,
        np.array(targets[: last + 1]),
        time=[row[names.time] for row in rows[: last + 1]],
        known={name: [row.get(name) for row in rows[last + 1 :]] for name in names.known},
        past={name: [row.get(name) for row in rows[: last + 1]] for name in (*names.known, *names.past)},
        static={name: _same(name, [row.get(name) for row in rows], id_) for name in names.static},
    )


def _moments(placed: list[tuple[int, dict[str, Any]]], names: TableColumns, clock: Times) -> list[int]:
    times = [row[names.time] for _, row in placed]
    try:
        return [int(moment) for moment in clock.moments(times)]
    except RequestError as error:
        found = re.search(r"\[([0-9]+)\]", error.where)
        where = f"[{placed[int(found[1])][0]}].{names.time}" if found else names.time
        raise RequestError(error.message, error.hint, where) from None


def _same(name: str, values: list[Any], id_: str) -> Any:
    """Return the one value of a series."""
    given = [v for v in values if v is not None]
    if any(v != given[0] for v in given):
        raise RequestError(f"{name} must have one value per series, but {shown(id_)} has several", "", name)
    return given[0] if given else None


def _number(value: Any, name: str, row: int) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(f"{name} must hold numbers, but holds {shown(value)}", "", f"[{row}].{name}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise RequestError(f"{name} must hold finite numbers, null where missing", "", f"[{row}].{name}")
    return number


def write(answer: Answer, names: TableColumns) -> bytes:
    """Return ``predictions``: one row per series and step.

    Raises:
        RequestError: A series has no forecast.
    """
    refuse_partial(answer)
    block = answer.forecasts[0]
    rows = []
    for i, id_ in enumerate(block.ids):
        mean, quantiles = block.mean[i].tolist(), block.quantiles[i].tolist()
        for time, point, levels in zip(block.times[i], mean, quantiles, strict=True):
            row = dict(zip(names.ids, parted(id_) if names.key else [id_], strict=False))
            row |= {names.time: time, "mean": point}
            row |= {f"{level:g}": value for level, value in zip(answer.levels, levels, strict=True)}
            rows.append(row)
    return dumps({"predictions": rows, "model": answer.model, "model_version": answer.version})
