"""All routes, once: what is asked, who answers, what goes in and comes out. Dispatch and description come from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

import serve.http.bodies as bodies
from serve.http.handlers import Handlers
from serve.identity import PATH
from serve.page import FILES
from serve.protocol.arrow import CONTENT_TYPE as ARROW
from serve.protocol.openinference import InferBody
from serve.protocol.request import ForecastBody, ObserveBody
from serve.protocol.sagemaker import SageMakerBody

__all__ = ["ROUTES", "Handler", "Parameter", "Route"]

#: A request and its id -> the answer; unbound, so that one table serves all applications.
Handler: TypeAlias = Callable[[Handlers, Request, str], Awaitable[Response]]


@dataclass(frozen=True)
class Parameter:
    """A parameter in the query of a URL.

    Args:
        name: What stands before the ``=``.
        schema: Of its value, as JSON Schema.
        about: What it is, in a few words.
    """

    name: str
    schema: dict[str, Any]
    about: str = ""


@dataclass(frozen=True)
class Route:
    """A line of the table.

    Args:
        method: The HTTP method; ``GET`` answers ``HEAD``, too.
        path: With ``{name}`` for what a request fills in.
        handler: A method of ``Handlers``.
        about: What it is, in a few words.
        request: The models of its body in JSON, several for several shapes; none for a request without a body.
        response: The model of its answer in JSON; None for an answer that has no fixed shape.
        media: Media types of the answer; those of the body are JSON, and Arrow where it is among these.
        query: Parameters of the URL.
        example: A body to begin with, as JSON.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    about: str
    request: tuple[type[BaseModel], ...] = ()
    response: type[BaseModel] | None = None
    media: tuple[str, ...] = ("application/json",)
    query: tuple[Parameter, ...] = ()
    example: str = ""


_V2 = "Open Inference Protocol: "
_JSON = "application/json"
_ONE_SERIES = '{"series": [{"y": [3.1, 2.9, 3.4, 3.0]}], "horizon": 2}'
_ONE_TENSOR = '{"inputs": [{"name": "y", "shape": [1, 4], "datatype": "FP64", "data": [3.1, 2.9, 3.4, 3.0]}]}'
_ONE_ACTUAL = '{"observations": [{"id": "H0", "time": "2024-01-09T08:00:00", "y": 3.2}]}'
_ONE_TABLE = '{"dataframe_records": [{"unique_id": "H0", "ds": "2024-01-09T07:00:00", "y": 3.2}]}'
_HISTORY = (
    Parameter("id", {"type": "string"}, "The series; may be left out where there is one"),
    Parameter("model", {"type": "string"}, "name or name@version"),
    Parameter("last", {"type": "integer", "minimum": 1, "maximum": 2000}, "Values, 200 if left out"),
)
_OPTIONS = tuple(
    Parameter(name, {"type": "string"}, f"Of a body in Arrow: {about}")
    for name, about in (
        ("horizon", "steps"),
        ("quantiles", "levels, separated by commas"),
        ("model", "name or name@version"),
        ("models", "names, separated by commas, or all"),
        ("combine", "ensemble, mean, median, weighted or none"),
    )
)


def _v2_model(prefix: str) -> tuple[Route, ...]:
    return (
        Route("GET", prefix, Handlers.v2_model, f"{_V2}what a model takes and gives"),
        Route("GET", f"{prefix}/ready", Handlers.v2_model_ready, f"{_V2}whether a model is ready",
              response=bodies.ReadyAnswer),
        Route("POST", f"{prefix}/infer", Handlers.v2_infer, f"{_V2}tensors in, tensors out", request=(InferBody,),
              response=bodies.TensorsAnswer, example=_ONE_TENSOR),
    )  # fmt: skip


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/forecast", Handlers.forecast, "Forecast one or many series", request=(ForecastBody,),
          response=bodies.ForecastAnswer, media=(_JSON, ARROW), query=_OPTIONS, example=_ONE_SERIES),
    Route("POST", "/v1/observe", Handlers.observe, "Take in actuals, each once", request=(ObserveBody,),
          response=bodies.ObserveAnswer, example=_ONE_ACTUAL),
    Route("GET", "/v1/models", Handlers.models, "What is deployed", response=bodies.ModelsAnswer),
    Route("GET", "/v1/history", Handlers.history, "The last values of a series", response=bodies.HistoryAnswer,
          query=_HISTORY),
    Route("GET", "/v1/routes", Handlers.routes, "Who decides between versions, and what was learned",
          response=bodies.RoutesAnswer),
    Route("GET", PATH, Handlers.endpoint, "Who answers here; needs no token", response=bodies.EndpointAnswer),
    Route("GET", "/v2", Handlers.v2_server, f"{_V2}the server"),
    Route("GET", "/v2/health/live", Handlers.live, f"{_V2}alive"),
    Route("GET", "/v2/health/ready", Handlers.ready, f"{_V2}ready", response=bodies.ReadyAnswer),
    *_v2_model("/v2/models/{model}"),
    *_v2_model("/v2/models/{model}/versions/{version}"),
    Route("POST", "/invocations", Handlers.invocations, "MLflow's and SageMaker's shapes",
          request=(bodies.TableBody, SageMakerBody), response=bodies.PredictionsAnswer, example=_ONE_TABLE),
    Route("GET", "/ping", Handlers.ready, "Ready, as SageMaker asks", response=bodies.ReadyAnswer),
    Route("GET", "/health", Handlers.ready, "Ready, as MLflow asks", response=bodies.ReadyAnswer),
    Route("GET", "/metrics", Handlers.metrics, "For Prometheus", media=("text/plain",)),
    Route("GET", "/openapi.json", Handlers.description, "This description"),
    Route("GET", "/docs", Handlers.documentation, "This description, for people", media=("text/html",)),
    *(Route("GET", path, Handlers.page, "A page that forecasts, and its files", media=(kind.partition(";")[0],))
      for path, (_, kind) in FILES.items()),
)  # fmt: skip
