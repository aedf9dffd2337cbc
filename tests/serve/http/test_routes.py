"""One table of routes: what is dispatched, described, listed in the README and shown at /docs is the same."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from autots.pipeline import Pipeline
from serve.http import ROUTES, Route
from serve.http.bodies import ErrorAnswer
from serve.testing.caller import Caller, served

ROOM = Path(__file__).resolve().parents[3] / "serve" / "http"


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def filled(path: str) -> str:
    return path.replace("{model}", "hours").replace("{version}", "default")


@pytest.fixture(scope="module")
def call(pipeline: Pipeline, table: Any, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    """An application of its own: the examples of the table change its state."""
    return served(tmp_path_factory.mktemp("routes"), {"hours": pipeline})


@pytest.fixture(scope="module")
def description(call: Caller) -> dict[str, Any]:
    found: dict[str, Any] = call("GET", "/openapi.json").json()
    return found


def test_every_route_is_in_the_description_and_nothing_else(description: dict[str, Any]):
    told = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    assert told == {named(route) for route in ROUTES}
    assert len(ROUTES) == len(told), "each once"


def test_every_route_is_in_the_readme_and_nothing_else():
    listed = re.findall(r"^\| `((?:GET|POST) /\S*)` \|", (ROOM / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    # The files of the page are one line.
    assert set(listed) == {named(route) for route in ROUTES if not route.path.startswith("/page/")}


def test_every_reference_of_the_description_leads_somewhere(description: dict[str, Any]):
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)))
    assert references <= set(description["components"]["schemas"])
    models = {model.__name__ for route in ROUTES for model in (*route.request, route.response) if model}
    assert models <= references


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_every_route_is_dispatched_and_answers_as_the_table_says(call: Caller, route: Route):
    path = filled(route.path)
    if "{version}" in route.path:
        path = path.replace("default", call("GET", "/v1/models").json()["models"][0]["version"])
    if route.path == "/v1/history":
        path += "?id=H0"
    got = call(route.method, path, content=route.example.replace('"H0"', '"H1"') or None)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"].partition(";")[0] in route.media
    assert got.headers["x-request-id"]
    if route.response is not None:
        route.response.model_validate_json(got.content)
    assert f'route="{route.path}"' in call("GET", "/metrics").text


@pytest.mark.parametrize("route", [r for r in ROUTES if r.request], ids=named)
def test_what_does_not_fit_is_an_error_of_the_shape_that_is_described(call: Caller, route: Route):
    for body in ("{", "[]", "{}", '{"unknown": 1}'):
        got = call(route.method, filled(route.path), content=body)
        assert 400 <= got.status_code < 500, (body, got.text)
        ErrorAnswer.model_validate_json(got.content)


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_another_method_is_a_405_that_names_the_right_one(call: Caller, route: Route):
    other = "POST" if route.method == "GET" else "GET"
    got = call(other, filled(route.path))
    assert got.status_code == 405
    assert route.method in got.headers["allow"]
    assert route.method in got.json()["error"]


def test_the_page_of_documentation_shows_every_route_body_and_example(call: Caller, description: dict[str, Any]):
    text = unescape(re.sub(r"<[^>]+>", " ", call("GET", "/docs").text))
    for route in ROUTES:
        assert route.path in text
        assert route.about in text
        if route.request:
            assert json.dumps(json.loads(route.example)) in text
    for name, schema in description["components"]["schemas"].items():
        assert name in text
        assert all(field in text for field in schema.get("properties", {}))


def test_below_a_prefix_the_description_says_where_the_paths_begin(call: Caller):
    import asyncio

    import httpx

    async def ask() -> Any:
        transport = httpx.ASGITransport(call.app.api, root_path="/forecasts")
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/forecasts/openapi.json")

    got = asyncio.run(ask())
    assert got.status_code == 200, got.text
    assert got.json()["servers"] == [{"url": "/forecasts"}]
