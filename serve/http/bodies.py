"""The shapes of answers, and of tables that are read without a model, for the description of the API.

Handlers write bytes and do not pass through these models, which would validate each answer a second time;
``tests/serve/http/test_routes.py`` holds them to each other.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "EndpointAnswer",
    "ErrorAnswer",
    "ForecastAnswer",
    "HistoryAnswer",
    "ModelsAnswer",
    "ObserveAnswer",
    "PredictionsAnswer",
    "ReadyAnswer",
    "RoutesAnswer",
    "SeriesAnswer",
    "TableBody",
    "TensorsAnswer",
]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class SeriesAnswer(_Answer):
    """The forecast of one series."""

    id: str | list[str | int] | dict[str, str | int]
    time: list[str | int] = Field(description="A time per step, as the table of the fit wrote them.")
    mean: list[float]
    quantiles: dict[str, list[float]] = Field(description="Level -> a value per step; levels do not cross.")


class ErrorAnswer(_Answer):
    """Why a request, or a series of it, has no answer."""

    error: str = Field(description="The rule, then the evidence.")
    hint: str = Field(default="", description="What the client can do.")
    where: str = Field(default="", description="The place in the request, such as series[2].y[17].")
    request_id: str = ""


class SeriesErrorAnswer(_Answer):
    """Why a series of a request has no forecast."""

    id: str | list[str | int] | dict[str, str | int]
    error: str
    hint: str
    where: str


class ModelAnswer(_Answer):
    """The forecasts of one of several models (``combine: none``)."""

    model: str
    model_version: str
    forecasts: list[SeriesAnswer]


class ForecastAnswer(_Answer):
    """Forecasts, and the series that have none."""

    model: str
    model_version: str
    request_id: str
    quantiles: list[float]
    forecasts: list[SeriesAnswer]
    errors: list[SeriesErrorAnswer]
    models: list[ModelAnswer] | None = Field(default=None, description="Each by itself, where they are not combined.")
    combined: list[str] | None = Field(default=None, description="The models that were combined.")


class ObserveAnswer(_Answer):
    """What became of actuals."""

    accepted: int
    duplicates: int = Field(description="Known already: the first value stays.")
    late: int = Field(description="How many of the accepted filled a gap.")
    corrected: int | None = None
    withdrawn: int | None = None
    request_id: str


class ServedAnswer(BaseModel):
    """A version that is deployed; the rest is known of those in memory."""

    model_config = ConfigDict(extra="allow")
    name: str
    version: str
    default: bool
    loaded: bool


class ModelsAnswer(_Answer):
    """What is deployed."""

    default: str
    models: list[ServedAnswer]
    refused: dict[str, str] = Field(description="name@version -> why it does not take over.")


class HistoryAnswer(_Answer):
    """The last values of a series."""

    id: str
    model: str
    model_version: str
    request_id: str
    time: list[str | int]
    y: list[float | None]


class RoutesAnswer(_Answer):
    """Who decides between versions."""

    routes: dict[str, Any]
    revision: int
    waiting: int = Field(description="Forecasts whose actuals have not come.")
    request_id: str


class EndpointAnswer(BaseModel):
    """Who answers."""

    model_config = ConfigDict(extra="allow")
    name: str
    instance: str
    started: str
    ready: bool


class ReadyAnswer(BaseModel):
    """Whether there is something to answer with."""

    model_config = ConfigDict(extra="allow")
    ready: bool


class TensorsAnswer(_Answer):
    """Outputs of the Open Inference Protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[dict[str, Any]]


class PredictionsAnswer(BaseModel):
    """MLflow's rows, or SageMaker's entry per input."""

    model_config = ConfigDict(extra="allow")
    predictions: list[dict[str, Any]]


class TableBody(BaseModel):
    """MLflow's table in one of its four forms, in the column names of the fit."""

    model_config = ConfigDict(extra="allow")
    dataframe_split: dict[str, Any] | None = Field(default=None, description='{"columns": [...], "data": [[...]]}')
    dataframe_records: list[dict[str, Any]] | None = None
    inputs: list[dict[str, Any]] | dict[str, list[Any]] | None = None
    instances: list[dict[str, Any]] | dict[str, list[Any]] | None = None
    params: dict[str, Any] | None = Field(default=None, description="horizon, quantiles, model")
