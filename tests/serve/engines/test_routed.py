"""Routes between versions, rewards that come late, the page, and the guard, on an application with two versions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from serve.app import ServingApp
from serve.engines import check_routes
from serve.page import FILES
from serve.runtime.config import ServingConfig
from serve.safety import issue, write_tokens
from serve.testing.caller import Caller
from serve.testing.pipelines import fitted
from zoo.errors import ConfigError

Make = Callable[..., Caller]


@pytest.fixture(scope="module")
def versions(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("versions")
    good = fitted(table, families=("seasonal_naive",)).save(folder / "good")
    bad = fitted(table, families=("zero",)).save(folder / "bad")
    return {"good": str(good), "bad": str(bad)}


@pytest.fixture
def make(versions: dict[str, str], tmp_path: Path) -> Make:
    def made(routes: dict[str, Any], **options: Any) -> Caller:
        models = [{"name": "hours", "version": name, "path": path} for name, path in versions.items()]
        config = {"models": models, "routes": routes, "state": str(tmp_path / "state"), **options}
        return Caller(ServingApp(ServingConfig.model_validate(config)))

    return made


def settled(call: Caller) -> dict[str, Any]:
    """Return the router of ``hours`` once what it was told is learned."""
    app = call.app
    assert isinstance(app, ServingApp)
    asyncio.run(app.engine.settled())
    found: dict[str, Any] = app.routing.table.to_dict()["routes"]["hours"]
    return found


def test_a_split_keeps_its_keys_and_a_version_can_still_be_named(make: Make):
    call = make({"hours": {"kind": "split", "weights": {"hours@good": 1, "hours@bad": 1}}})

    def version(key: str, **body: Any) -> str:
        response = call("POST", "/v1/forecast", json={"series": [{"id": "H0"}], **body}, headers={"x-routing-key": key})
        return str(response.json()["model_version"])

    chosen = [version(f"client {i}") for i in range(20)]
    assert set(chosen) == {"good", "bad"}
    assert [version(f"client {i}") for i in range(20)] == chosen
    assert {version(f"client {i}", model="hours@bad") for i in range(10)} == {"bad"}


def test_actuals_reward_the_version_that_forecast_them_once_and_a_restart_forgets_nothing(make: Make):
    routes = {"hours": {"kind": "thompson", "arms": ["hours@good", "hours@bad"], "guardrails": [], "keep": 1.0}}
    call = make(routes)
    for i in range(30):
        call("POST", "/v1/forecast", json={"series": [{"id": "H1"}]}, headers={"x-request-id": f"r{i}"})
    seen = settled(call)["records"]
    assert sum(record["failures"]["count"] for record in seen.values()) == 30
    assert all(record["loss"]["count"] == 0 for record in seen.values())
    next_hour = call("POST", "/v1/forecast", json={"series": [{"id": "H1"}]}).json()["forecasts"][0]["time"][0]
    actual = {"observations": [{"id": "H1", "time": next_hour.replace("T", " "), "y": 21.0}]}
    for _ in range(2):
        assert call("POST", "/v1/observe", json=actual).status_code == 200
    records = settled(call)["records"]
    good, bad = records["hours@good"]["loss"], records["hours@bad"]["loss"]
    assert good["count"] + bad["count"] == 8, "the newest eight forecasts of the series, each once"
    assert good["count"] == 0 or bad["count"] == 0 or good["mean"] < bad["mean"]
    again = make(routes)
    assert settled(again)["records"] == records
    told = again("GET", "/v1/routes").json()
    assert told["routes"]["hours"]["kind"] == "thompson"
    assert told["waiting"] > 0


def test_a_canary_that_fails_its_actuals_is_rolled_back(make: Make):
    canary = {"kind": "canary", "stable": "hours@good", "candidate": "hours@bad", "steps": [0.5], "least": 20}
    rail = {"metric": "loss", "at_most": 3.0, "least": 10}
    call = make({"hours": canary | {"guardrails": [rail]}})
    times = call("POST", "/v1/forecast", json={"series": [{"id": "H0"}]}).json()["forecasts"][0]["time"]
    for i in range(8):
        for id_ in ("H0", "H1", "H2"):
            headers = {"x-routing-key": f"{id_} {i}"}
            call("POST", "/v1/forecast", json={"series": [{"id": id_}]}, headers=headers)
    rows = [{"id": id_, "time": time, "y": 22.0} for time in times for id_ in ("H0", "H1", "H2")]
    call("POST", "/v1/observe", json={"observations": rows})
    router = settled(call)
    assert router["state"] == "rolled back", router
    assert "loss" in router["why"]
    answers = [
        call("POST", "/v1/forecast", json={"series": [{"id": "H0"}]}, headers={"x-routing-key": str(i)}).json()
        for i in range(10)
    ]
    assert {answer["model_version"] for answer in answers} == {"good"}


def test_a_shadow_answers_beside_and_is_never_returned(make: Make):
    call = make({"hours": {"kind": "shadow", "primary": "hours@good", "shadows": ["hours@bad"]}})
    calls = [("POST", "/v1/forecast", {"json": {"series": [{"id": "H0"}]}}) for _ in range(5)]

    async def asked() -> set[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(call.app.api), base_url="http://x") as client:
            got = [await client.request(m, p, **o) for m, p, o in calls]
            assert isinstance(call.app, ServingApp)
            await call.app.engine.settled()
            return {response.json()["model_version"] for response in got}

    assert asyncio.run(asked()) == {"good"}
    counts = {name: record["failures"]["count"] for name, record in settled(call)["records"].items()}
    assert counts == {"hours@good": 5, "hours@bad": 5}


def test_history_ends_with_the_actuals(make: Make):
    call = make({})
    body = call("POST", "/v1/forecast", json={"series": [{"id": "H2"}]}).json()
    time = body["forecasts"][0]["time"][0]
    call("POST", "/v1/observe", json={"observations": [{"id": "H2", "time": time, "y": 7.5}]})
    told = call("GET", "/v1/history?id=H2&last=3").json()
    assert (told["time"][-1], told["y"][-1], len(told["y"])) == (time, 7.5, 3)
    for query, status in (("id=nobody", 404), ("id=H2&last=0", 422), ("id=H2&last=x", 422), ("id=H2&model=no", 404)):
        refused = call("GET", f"/v1/history?{query}")
        assert (refused.status_code, bool(refused.json()["error"])) == (status, True)


def test_the_page_comes_with_headers_that_forbid_everything_else(make: Make):
    call = make({})
    for path in FILES:
        got = call("GET", path)
        assert got.status_code == 200
        assert "default-src 'none'" in got.headers["content-security-policy"]
    page = call("GET", "/").text
    assert "http://" not in page and "https://" not in page
    assert call("GET", "/page/../app.py").status_code == 404
    assert call("GET", "/page/secret").status_code == 404


def test_with_tokens_only_the_page_and_health_are_open(make: Make, tmp_path: Path):
    text, token = issue("me")
    write_tokens(tmp_path / "tokens.json", [token])
    app = make({}, tokens=str(tmp_path / "tokens.json")).app
    assert isinstance(app, ServingApp)

    async def codes() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app.asgi), base_url="http://x") as client:
            own = {"authorization": f"Bearer {text}"}
            got = [
                await client.get("/"),
                await client.get("/v2/health/ready"),
                await client.get("/v1/models"),
                await client.post("/v1/forecast", json={"series": [{"id": "H0"}]}),
                await client.get("/v1/models", headers=own),
                await client.post("/v1/forecast", json={"series": [{"id": "H0"}]}, headers=own),
            ]
            return [response.status_code for response in got]

    assert asyncio.run(codes()) == [200, 200, 401, 401, 200, 200]


def test_a_route_to_nobody_is_refused_and_nothing_changes(make: Make, versions: dict[str, str]):
    with pytest.raises(ConfigError, match="hours@none"):
        make({"hours": {"kind": "pin", "model": "hours@none"}})
    with pytest.raises(ConfigError, match="'days'"):
        make({"days": {"kind": "pin", "model": "hours@good"}})
    with pytest.raises(ConfigError, match="kind"):
        make({"hours": {"kind": "coin"}})
    call = make({"hours": {"kind": "pin", "model": "hours@good"}})
    config = {"models": [{"name": "hours", "path": versions["good"], "version": "good"}]}
    wrong = ServingConfig.model_validate({**config, "routes": {"hours": {"kind": "pin", "model": "hours@bad"}}})
    with pytest.raises(ConfigError):
        check_routes(wrong)
    with pytest.raises(ConfigError):
        call.app.reload(wrong)
    assert call.forecast(series=[{"id": "H0"}])["model_version"] == "good"
