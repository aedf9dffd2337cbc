"""``/openapi.json``: what each route takes and gives, from the table of routes and the models of the bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serve.http.bodies import ErrorAnswer
from serve.http.routes import Route
from serve.protocol.arrow import CONTENT_TYPE as ARROW

__all__ = ["STATUS", "document"]

_INFO = {"title": "zoo-autots", "version": "1", "summary": "Forecasts with calibrated quantiles."}
_REFERENCE = "#/components/schemas/{model}"
#: Status -> what it says, of every route.
STATUS = {
    "400": "No JSON, or none of this form",
    "401": "No valid token, where the endpoint wants one",
    "404": "No such path, model or series",
    "405": "Another method",
    "408": "The body did not come in time",
    "413": "Too much for one request",
    "415": "A Content-Encoding other than gzip",
    "422": "Something in the request does not fit",
    "429": "Too many requests: see Retry-After",
    "503": "Not ready, or too busy: see Retry-After",
    "504": "The deadline has passed",
    "507": "The disk that keeps actuals is full",
}


def document(routes: Sequence[Route], prefix: str = "") -> dict[str, Any]:
    """Return the description of the whole API.

    Args:
        routes: The table that requests are answered by.
        prefix: What stands before each path where a proxy mounts the API below one; empty for none.
    """
    answers = [route.response for route in routes if route.response is not None]
    models: list[type[BaseModel]] = [*(model for route in routes for model in route.request), *answers, ErrorAnswer]
    _, definitions = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template=_REFERENCE
    )
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    servers = {"servers": [{"url": prefix}]} if prefix else {}
    schemas = definitions["$defs"]
    return {"openapi": "3.1.0", "info": _INFO, **servers, "paths": paths, "components": {"schemas": schemas}}


def _operation(route: Route) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [
        {"name": one.name, "in": "query", "description": one.about, "schema": one.schema} for one in route.query
    ]
    told = {"summary": route.about, "parameters": parameters, "responses": _responses(route)}
    if not route.request:
        return told
    given: dict[str, Any] = {"schema": _schema(route.request)}
    if route.example:
        given["example"] = json.loads(route.example)
    content: dict[str, Any] = {"application/json": given}
    if ARROW in route.media:
        content[ARROW] = {"schema": _BYTES}
    return told | {"requestBody": {"required": True, "content": content}}


_BYTES = {"type": "string", "format": "binary"}


def _responses(route: Route) -> dict[str, Any]:
    good = {
        media: {"schema": _BYTES if media == ARROW else _schema((route.response,) if route.response else ())}
        for media in route.media
    }
    error = {"application/json": {"schema": _schema((ErrorAnswer,))}}
    return {
        "200": {"description": "The answer", "content": good},
        **{code: {"description": text, "content": error} for code, text in STATUS.items()},
    }


def _schema(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    references = [{"$ref": _REFERENCE.format(model=model.__name__)} for model in models]
    return {} if not references else references[0] if len(references) == 1 else {"anyOf": references}
