"""``/openapi.json``: what each route takes and gives, from the same models that read the requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from serve.protocol.arrow import CONTENT_TYPE as ARROW
from serve.protocol.request import ForecastBody, ObserveBody

__all__ = ["document"]

_MODELS = (ForecastBody, ObserveBody)
_FREE = {"type": "object"}
_ERROR = {
    "type": "object",
    "properties": {key: {"type": "string"} for key in ("error", "hint", "where", "request_id")},
    "required": ["error"],
}
_NUMBERS = {"type": "array", "items": {"type": ["number", "null"]}}
_FORECAST = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "time": {"type": "array", "items": {"type": ["string", "integer"]}},
        "mean": _NUMBERS,
        "quantiles": {"type": "object", "additionalProperties": _NUMBERS},
    },
}
_ANSWER = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "model_version": {"type": "string"},
        "request_id": {"type": "string"},
        "quantiles": {"type": "array", "items": {"type": "number"}},
        "forecasts": {"type": "array", "items": {"$ref": "#/components/schemas/Forecast"}},
        "models": {"type": "array", "items": _FREE},
        "combined": {"type": "array", "items": {"type": "string"}},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}},
    },
    "required": ["model", "model_version", "request_id", "quantiles", "forecasts", "errors"],
}
_COUNTS = {
    "type": "object",
    "properties": {k: {"type": "integer"} for k in ("accepted", "duplicates", "late", "corrected", "withdrawn")},
}
_STATUS = {
    "400": "No JSON, or none of this form",
    "404": "No such model or series",
    "405": "Another method",
    "413": "Too much for one request",
    "415": "A Content-Encoding other than gzip",
    "422": "Something in the request does not fit",
    "429": "Too many requests: see Retry-After",
    "507": "The disk that keeps actuals is full",
    "503": "Not ready, or too busy: see Retry-After",
    "504": "The deadline has passed",
}
_MODEL, _VERSION = "model", "version"
_HISTORY = (
    {"name": "id", "in": "query", "schema": {"type": "string"}},
    {"name": "model", "in": "query", "schema": {"type": "string"}},
    {"name": "last", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 2000}},
)


def document(api: FastAPI) -> dict[str, Any]:
    """Return the description of the whole API."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    schemas = definitions["$defs"] | {"Forecast": _FORECAST, "Error": _ERROR, "Answer": _ANSWER, "Counts": _COUNTS}
    versions = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    v2 = {"type": "object", "properties": {"inputs": {"type": "array", "items": _FREE}}, "required": ["inputs"]}
    paths: dict[str, Any] = {
        "/v1/forecast": _post("Forecast one or many series", _ref("ForecastBody"), _ref("Answer"), arrow=True),
        "/v1/observe": _post("Take in actuals, each once", _ref("ObserveBody"), _ref("Counts")),
        "/v1/models": _get("What is deployed"),
        "/v1/history": _get("The last values of a series", query=_HISTORY),
        "/v1/routes": _get("Who decides between versions, and what was learned"),
        "/metrics": _get("For Prometheus", media="text/plain"),
        "/v2": _get("Open Inference Protocol: the server"),
        "/v2/health/live": _get("Open Inference Protocol: alive"),
        "/v2/health/ready": _get("Open Inference Protocol: ready"),
        "/invocations": _post("MLflow's and SageMaker's forms", _FREE, _FREE),
        "/ping": _get("Ready, as SageMaker asks"),
        "/health": _get("Ready, as MLflow asks"),
    }
    for path in versions:
        paths[path] = _get("Open Inference Protocol: a model", path)
        paths[f"{path}/ready"] = _get("Open Inference Protocol: a model is ready", path)
        paths[f"{path}/infer"] = _post("Open Inference Protocol: infer", v2, _FREE, path=path)
    return {
        "openapi": "3.1.0",
        "info": {"title": api.title, "version": api.version, "summary": api.summary},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answers(schema: dict[str, Any], media: str, *, arrow: bool = False) -> dict[str, Any]:
    good: dict[str, Any] = {media: {"schema": schema}}
    if arrow:
        good[ARROW] = {"schema": {"type": "string", "format": "binary"}}
    error = {"application/json": {"schema": _ref("Error")}}
    return {
        "200": {"description": "The answer", "content": good},
        **{code: {"description": text, "content": error} for code, text in _STATUS.items()},
    }


def _parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in (_MODEL, _VERSION)
        if f"{{{name}}}" in path
    ]


def _get(
    summary: str, path: str = "", *, media: str = "application/json", query: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    parameters = [*_parameters(path), *query]
    return {"get": {"summary": summary, "parameters": parameters, "responses": _answers({}, media)}}


def _post(
    summary: str, body: dict[str, Any], answer: dict[str, Any], *, arrow: bool = False, path: str = ""
) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": body}}
    if arrow:
        content[ARROW] = {"schema": {"type": "string", "format": "binary"}}
    return {
        "post": {
            "summary": summary,
            "parameters": _parameters(path),
            "requestBody": {"required": True, "content": content},
            "responses": _answers(answer, "application/json", arrow=arrow),
        }
    }
