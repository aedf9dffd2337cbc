"""``/invocations``, the path that MLflow's and SageMaker's shapes share: the fields tell which is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serve.protocol import mlflow, sagemaker
from serve.protocol.json_object import mapping
from serve.protocol.request import ForecastRequest, RequestLimits

__all__ = ["Invocation", "OtherModel", "TableReading", "parse_invocation"]


@dataclass(frozen=True)
class TableReading:
    """What of a model a table is read by.

    Args:
        columns: The names of the user's own table, which MLflow's tables must have.
        times: The clock by which rows are put in order.
        spacing: Nanoseconds of one step, to compare SageMaker's ``freq`` with; None for a clock that counts.
    """

    columns: mlflow.TableColumns
    times: mlflow.Times
    spacing: int | None


@dataclass(frozen=True)
class Invocation:
    """A body that was read.

    Args:
        request: What is asked for.
        columns: The columns of MLflow's table, for the answer; None where SageMaker's shape was meant.
    """

    request: ForecastRequest
    columns: mlflow.TableColumns | None


@dataclass(frozen=True)
class OtherModel:
    """What is said of a body whose model was not among those that were given.

    Args:
        name: The model as the body names it, ``name`` or ``name@version``; None for the default one.
    """

    name: str | None


def parse_invocation(
    body: bytes, models: Mapping[str | None, TableReading], limits: RequestLimits
) -> Invocation | OtherModel:
    """Read a body once, by the columns of the model that it names itself.

    Args:
        body: JSON of either shape.
        models: What a body may call a model, None being the default one -> how its tables are read.
        limits: What one request may ask for.

    Raises:
        RequestError: 400 for what is no JSON; else as for ``parse_forecast``.
    """
    fields = mapping(body)
    is_sagemaker = sagemaker.meant(fields)
    name = None if is_sagemaker else mlflow.model_of(fields)
    model = models.get(name)
    if model is None:
        return OtherModel(name)
    if is_sagemaker:
        return Invocation(sagemaker.parse(fields, limits, model.spacing), None)
    return Invocation(mlflow.parse(fields, model.columns, limits, model.times), model.columns)
