"""The native request: pydantic models of its JSON (the source of ``/openapi.json`` too), and what they mean.

Two forms say the same. A list of series, each with its own fields; or flat arrays, ``y`` and ``sizes``, for many.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from autots.panel import Floats
from autots.reading.ids import joined
from serve.protocol.errors import RequestError
from serve.protocol.iso import shown

__all__ = [
    "OPTIONS",
    "ForecastBody",
    "ForecastRequest",
    "Level",
    "Number",
    "ObservationBody",
    "ObserveBody",
    "RequestLimits",
    "Series",
    "Time",
    "Value",
    "check_limits",
    "flat_series",
    "label_of",
    "parse_forecast",
    "parse_observe",
    "parse_options",
    "validated",
    "whole_number",
]

Parsed = TypeVar("Parsed")

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Value = Number | Annotated[str, Field(strict=True)] | None
_Part = Annotated[str, Field(strict=True, max_length=500)] | Annotated[int, Field(strict=True)]
Key = Annotated[list[_Part], Field(min_length=1, max_length=20)] | Annotated[dict[str, _Part], Field(min_length=1)]
Id = Annotated[str, Field(strict=True, min_length=1, max_length=500)] | Annotated[int, Field(strict=True)] | Key
Time = Annotated[int, Field(strict=True)] | Annotated[str, Field(strict=True, max_length=40)]
Level = Annotated[float, Field(strict=True, gt=0, lt=1)]
Combine = Literal["ensemble", "mean", "median", "weighted", "none"]


@dataclass(frozen=True)
class RequestLimits:
    """What one request may ask for.

    Args:
        series: Series of a request at most.
        points: Most values of the target over all series.
        horizon: Steps of a forecast at most.
        body: Bytes of a body at most, as it comes and as it unpacks.
        levels: Quantile levels of a request at most.
    """

    series: int = 20_000
    points: int = 5_000_000
    horizon: int = 10_000
    body: int = 128 * 1024 * 1024
    levels: int = 99


@dataclass(frozen=True)
class Series:
    """One series to forecast, as a request gives it.

    Args:
        id: As text; empty where the request names none.
        y: (T,) targets, NaN where missing; None to forecast from the stored state of the series.
        start: Time of the first value, or None.
        time: (T,) times, or None.
        known: Name -> future values (H), or history and future (T + H).
        past: Name -> (T,) values.
        static: Name -> one value.
        key: The id as it was given, where it was a list or an object: parts of a key of several columns.
    """

    id: str
    y: Floats | None
    start: str | int | None = None
    time: Sequence[str | int] | npt.NDArray[Any] | pd.DatetimeIndex | None = None
    known: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    past: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    static: Mapping[str, Any] = field(default_factory=dict)
    key: list[str | int] | dict[str, str | int] | None = None


def label_of(id_: str | int | list[str | int] | dict[str, str | int]) -> str:
    """Return an id as text; of an object the parts in the order of its names, until the model's own is known."""
    if isinstance(id_, dict):
        id_ = [id_[name] for name in sorted(id_)]
    if isinstance(id_, list):
        return joined([str(part) for part in id_])
    return str(id_)


@dataclass(frozen=True)
class ForecastRequest:
    """A request, whatever form it came in.

    Args:
        series: The S series to forecast, at least one.
        horizon: Steps, or None for the model's own.
        quantiles: Levels, or None for the model's own.
        model: ``name`` or ``name@version``; None for the default.
        models: Several of them, members of ``model``, or ``"all"``.
        combine: How several forecasts become one; ``none`` lists them.
        weights: Of the models, for ``weighted``.
    """

    series: Sequence[Series]
    horizon: int | None = None
    quantiles: tuple[float, ...] | None = None
    model: str | None = None
    models: tuple[str, ...] | Literal["all"] | None = None
    combine: Combine = "ensemble"
    weights: Mapping[str, float] | None = None


_LONGEST_ID = 500  # characters
_DIGITS = re.compile("[0-9]{1,18}")
#: What may stand beside the series.
OPTIONS = ("horizon", "quantiles", "model", "models", "combine")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeriesBody(_Strict):
    """One series. With only an id it is forecast from its stored state."""

    id: Id | None = None
    start: Time | None = Field(default=None, description="Time of the first value: ISO 8601, or an integer.")
    time: list[Time] | None = Field(
        default=None, description="A time per value instead; ascending, gaps are missing values."
    )
    y: list[Number | None] | None = Field(default=None, description="Targets, null where missing.")
    known: dict[str, list[Value]] = Field(
        default={}, description="Covariates over the horizon, or history and horizon."
    )
    past: dict[str, list[Value]] = Field(default={}, description="Covariates of the history.")
    static: dict[str, Value] = Field(default={}, description="One value per series.")


class ForecastBody(_Strict):
    """``POST /v1/forecast``: ``series``, or the flat form ``ids``, ``y`` and ``sizes``."""

    series: list[SeriesBody] | None = Field(default=None, description="The list form.", min_length=1)
    ids: list[Id] | None = Field(default=None, description="Flat form: a name per series.")
    y: list[Number | None] | None = Field(
        default=None, description="Flat form: the targets, one series after the other."
    )
    sizes: list[Annotated[int, Field(strict=True, ge=1)]] | None = Field(
        default=None, description="Flat form: their lengths."
    )
    start: Time | list[Time] | None = Field(default=None, description="Flat form: first time, of all or of each.")
    horizon: Annotated[int, Field(strict=True, ge=1)] | None = None
    quantiles: list[Level] | None = None
    model: Annotated[str, Field(strict=True, max_length=200)] | None = Field(
        default=None, description="name or name@version"
    )
    models: list[Annotated[str, Field(strict=True, max_length=200)]] | Literal["all"] | None = None
    combine: Combine = "ensemble"
    weights: dict[str, Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> ForecastBody:
        flat = self.y is not None or self.sizes is not None
        if flat == (self.series is not None):
            raise ValueError("either series, or y and sizes, must be given")
        if flat and (self.y is None or self.sizes is None):
            raise ValueError("the flat form must have both y and sizes")
        if self.series is not None and (self.ids is not None or self.start is not None):
            raise ValueError("ids and start belong to the flat form; give them inside of series")
        return self


class ObservationBody(_Strict):
    """One actual, or what is to become of one that was told before."""

    id: Id | None = None
    time: Time
    y: Number | None = None
    known: dict[str, Value] = {}
    past: dict[str, Value] = {}
    correct: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Replace the value that was told for this time."
    )
    withdraw: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Take back the value that was told for this time; without y."
    )

    @model_validator(mode="after")
    def _one_change(self) -> ObservationBody:
        if self.correct and self.withdraw:
            raise ValueError("an actual is either corrected or withdrawn")
        if self.withdraw and (self.y is not None or self.known or self.past):
            raise ValueError("an actual that is withdrawn must come without values")
        return self


class ObserveBody(_Strict):
    """``POST /v1/observe``: what came; sent twice or out of order it counts once. Corrections stay in the journal."""

    observations: list[ObservationBody] = Field(min_length=1, max_length=100_000)
    observation_id: Annotated[str, Field(strict=True, max_length=200)] | None = None
    by: Annotated[str, Field(strict=True, max_length=200)] | None = Field(
        default=None, description="Who says so, for the journal."
    )
    model: Annotated[str, Field(strict=True, max_length=200)] | None = None


_FORECAST = TypeAdapter(ForecastBody)
_OBSERVE = TypeAdapter(ObserveBody)


def parse_forecast(body: bytes, limits: RequestLimits) -> ForecastRequest:
    """Read the JSON of a forecast request.

    Raises:
        RequestError: 400 for what is no JSON, 413 for too much, 422 for what does not fit.
    """
    asked = validated(lambda: _FORECAST.validate_json(body))
    if asked.series is not None:
        series = [_series(one) for one in asked.series]
    else:
        series = flat_series(asked.ids, np.array(asked.y, dtype=np.float64), np.array(asked.sizes), asked.start)
    check_limits(series, limits)
    if asked.quantiles is not None and len(asked.quantiles) > limits.levels:
        raise RequestError(f"at most {limits.levels} quantiles, but got {len(asked.quantiles)}", "", "quantiles")
    return _request(series, asked)


def _request(series: Sequence[Series], asked: ForecastBody) -> ForecastRequest:
    return ForecastRequest(
        series,
        asked.horizon,
        None if asked.quantiles is None else tuple(sorted(set(asked.quantiles))),
        asked.model,
        tuple(asked.models) if isinstance(asked.models, list) else asked.models,
        asked.combine,
        asked.weights,
    )


def parse_observe(body: bytes) -> ObserveBody:
    """Read the JSON of actuals.

    Raises:
        RequestError: As for ``parse_forecast``.
    """
    return validated(lambda: _OBSERVE.validate_json(body))


def flat_series(ids: Sequence[Any] | None, y: Floats, sizes: Any, start: Any) -> list[Series]:
    """Cut flat arrays into series (views).

    Raises:
        RequestError: The sizes do not fit.
    """
    n, total = len(sizes), int(np.sum(sizes))
    if total != len(y):
        raise RequestError(f"sizes must sum to the values of y, but {total} is not {len(y)}", "", "sizes")
    if ids is not None and len(ids) != n:
        raise RequestError(f"ids must be as many as sizes, but {len(ids)} is not {n}", "", "ids")
    if isinstance(start, list) and len(start) != n:
        raise RequestError(f"start must be one time or one per series, but got {len(start)} for {n}", "", "start")
    starts = start if isinstance(start, list) else [start] * n
    names = [label_of(i) for i in ids] if ids is not None else [""] if n == 1 else [f"series_{i}" for i in range(n)]
    keys = [i if isinstance(i, list | dict) else None for i in ids] if ids is not None else [None] * n
    ends = np.cumsum(sizes).tolist()
    begins = [0, *ends][:n]
    return [Series(i, y[a:b], s, key=k) for i, a, b, s, k in zip(names, begins, ends, starts, keys, strict=True)]


def check_limits(series: Sequence[Series], limits: RequestLimits) -> None:
    """Raise if a request asks for too much, or names a series twice.

    Raises:
        RequestError: 413 or 422.
    """
    if not series:
        raise RequestError("a request must have a series, but it has none", "", "series")
    if len(series) > limits.series:
        raise RequestError(
            f"at most {limits.series} series, but got {len(series)}", "send several requests", "series", 413
        )
    points = sum(0 if one.y is None else len(one.y) for one in series)
    if points > limits.points:
        raise RequestError(f"at most {limits.points} values, but got {points}", "send several requests", "y", 413)
    long = next((i for i, one in enumerate(series) if len(one.id) > _LONGEST_ID), None)
    if long is not None:
        told = f"an id must have at most {_LONGEST_ID} characters, but one has {len(series[long].id)}"
        raise RequestError(told, "", f"series[{long}].id")
    if len(series) > 1 and len({one.id for one in series}) < len(series):
        raise RequestError("ids of one request must differ, but some repeat", "send one series per id", "series")


def _series(one: SeriesBody) -> Series:
    return Series(
        "" if one.id is None else label_of(one.id),
        None if one.y is None else np.array(one.y, dtype=np.float64),
        one.start,
        one.time,
        one.known,
        one.past,
        one.static,
        one.id if isinstance(one.id, list | dict) else None,
    )


def parse_options(series: Sequence[Series], options: Mapping[str, str]) -> ForecastRequest:
    """Read what stands beside the series where they do not come as JSON: lists are separated by commas.

    Raises:
        RequestError: As for ``parse_forecast``.
    """
    fields: dict[str, Any] = {"y": [], "sizes": []}
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise RequestError(f"options must be among {list(OPTIONS)}, but {shown(unknown[0])} is not", "", unknown[0])
    for name, text in options.items():
        if name == "horizon":
            fields[name] = whole_number(text, name)
        elif name == "quantiles":
            try:
                fields[name] = [float(part) for part in text.split(",")]
            except ValueError:
                fields[name] = text
        elif name == "models" and text != "all":
            fields[name] = text.split(",")
        else:
            fields[name] = text
    asked = validated(lambda: ForecastBody.model_validate(fields))
    return _request(series, asked)


def whole_number(text: str, where: str, *, min_value: int = 1, max_value: int = 2**31, status: int = 422) -> int:
    """Read a whole number that stands in a URL or a header.

    Raises:
        RequestError: It is none, or beyond the bounds.

    >>> whole_number("17", "last")
    17
    """
    # Not isdigit, which takes superscripts and other scripts; nor int, which takes 5,000 digits' time.
    if not _DIGITS.fullmatch(text) or not min_value <= int(text) <= max_value:
        told = f"{where} must be a whole number from {min_value} to {max_value}, but got {shown(text)}"
        raise RequestError(told, "", where, status)
    return int(text)


def validated(read: Callable[[], Parsed]) -> Parsed:
    """Return what a model of pydantic reads, its errors as ours.

    Raises:
        RequestError: 400 for what is no JSON, 422 for what does not fit.
    """
    try:
        return read()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise RequestError(first["msg"], "send JSON; null stands for a missing value", "", 400) from None
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise RequestError(
            f"{first['msg']}{more}", "see /openapi.json; null stands for a missing value", place(first["loc"])
        ) from None


def place(loc: Sequence[str | int]) -> str:
    """Write a path into a document.

    >>> place(("series", 0, "y", 3, "float"))
    'series[0].y[3]'
    """
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier() and part not in ("float", "int", "str", "constrained"):
            text += f".{part}" if text else part
    return text
