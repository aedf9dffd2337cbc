"""The shape that SageMaker's Chronos endpoints speak: ``inputs`` and ``parameters`` -> ``predictions``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pydantic import BaseModel, ConfigDict, Field

from serve.protocol.answer import Answer, dumps
from serve.protocol.errors import RequestError
from serve.protocol.iso import shown
from serve.protocol.request import (
    ForecastRequest,
    Level,
    Number,
    RequestLimits,
    Series,
    Time,
    Value,
    check_limits,
    validated,
)

__all__ = ["SageMakerBody", "meant", "parse", "write"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")
    target: list[Number | None]
    item_id: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    start: Time | None = None
    past_covariates: dict[str, list[Value]] = {}
    future_covariates: dict[str, list[Value]] = {}


class _Parameters(BaseModel):
    # Those of other models (batch_size, cross_learning, ...) change nothing here.
    model_config = ConfigDict(extra="ignore")
    prediction_length: int | None = Field(default=None, ge=1, strict=True)
    quantile_levels: list[Level] | None = None
    freq: str | None = None


class SageMakerBody(BaseModel):
    """``POST /invocations`` as SageMaker's Chronos endpoints take it."""

    model_config = ConfigDict(extra="forbid")
    inputs: list[_Input] = Field(min_length=1)
    parameters: _Parameters = _Parameters()


def meant(fields: Mapping[str, Any]) -> bool:
    """Whether a body is of this shape."""
    inputs = fields.get("inputs")
    return isinstance(inputs, list) and bool(inputs) and isinstance(inputs[0], dict) and "target" in inputs[0]


def _check_freq(freq: str | None, spacing: int | None) -> None:
    """Raise if a frequency is told that is not the model's, about: a day is no hour, while W and W-SUN are the same."""
    if freq is None or spacing is None:
        return
    try:
        begin = pd.Timestamp("2024-01-01")
        steps = (begin + 12 * to_offset(freq) - begin).value / 12
    except (ValueError, TypeError, OverflowError):
        told = f"freq must be a frequency of pandas, but got {shown(freq)}"
        raise RequestError(told, "leave it out", "parameters.freq") from None
    if not 0.7 < steps / spacing < 1.4:
        told = f"freq must be the model's, but {shown(freq)} is not"
        raise RequestError(told, "leave it out: a model has one clock", "parameters.freq")


def parse(fields: Mapping[str, Any], limits: RequestLimits, spacing: int | None = None) -> ForecastRequest:
    """Read a body.

    Args:
        fields: The JSON object of the body.
        limits: What one request may ask for.
        spacing: Nanoseconds of the model's step, to compare ``freq`` with; None for a clock that counts.

    Raises:
        RequestError: It is not of this shape.
    """
    body = validated(lambda: SageMakerBody.model_validate(fields))
    many = len(body.inputs) > 1
    series = [
        Series(
            one.item_id or (f"series_{i}" if many else ""),
            np.array(one.target, dtype=np.float64),
            one.start,
            known=one.future_covariates,
            past=one.past_covariates,
        )
        for i, one in enumerate(body.inputs)
    ]
    check_limits(series, limits)
    _check_freq(body.parameters.freq, spacing)
    asked = body.parameters
    levels = None if asked.quantile_levels is None else tuple(sorted(set(asked.quantile_levels)))
    return ForecastRequest(series, asked.prediction_length, levels)


def write(answer: Answer) -> bytes:
    """Return ``predictions``: one entry per input.

    Raises:
        RequestError: A series has no forecast; this shape has no place to say so.
    """
    refuse_partial(answer)
    block = answer.forecasts[0]
    predictions = [
        {
            "mean": np.ascontiguousarray(block.mean[i]),
            **{f"{level:g}": np.ascontiguousarray(block.quantiles[i, :, q]) for q, level in enumerate(answer.levels)},
            "item_id": id_,
            "start": block.times[i][0],
        }
        for i, id_ in enumerate(block.ids)
    ]
    return dumps({"predictions": predictions, "model": answer.model, "model_version": answer.version})


def refuse_partial(answer: Answer) -> None:
    """Raise the first error of a series.

    Raises:
        RequestError: There is one.
    """
    for _, error in answer.errors.values():
        raise error
