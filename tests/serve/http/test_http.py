"""HTTP as its users expect it: packed bodies, errors of one shape, origins that are listed, pages without strangers."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib

import httpx
import pytest

from serve.app import ServingApp
from serve.page import FILES
from serve.runtime.config import ServingConfig
from serve.safety import issue, write_tokens

BODY = json.dumps({"series": [{"id": "H0"}]}).encode()
GOOD = {"content-encoding": "gzip"}


def ask(app, method, path, **options):
    async def run():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def config(pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("http")
    path = str(pipeline.save(folder / "hours"))
    return {"models": [{"name": "hours", "path": path}], "state": str(folder / "state")}


@pytest.fixture(scope="module")
def app(config):
    return ServingApp(ServingConfig.model_validate(config)).asgi


def test_gzip_bodies_say_what_they_hold(app):
    plain = ask(app, "POST", "/v1/forecast", content=BODY).json()["forecasts"]
    for body in (gzip.compress(BODY), gzip.compress(BODY[:5]) + gzip.compress(BODY[5:])):
        for name in ("gzip", "GZIP", "x-gzip"):
            got = ask(app, "POST", "/v1/forecast", content=body, headers={"content-encoding": name})
            assert got.json()["forecasts"] == plain
    assert ask(app, "POST", "/v1/forecast", content=BODY, headers={"content-encoding": "identity"}).status_code == 200
    infer = json.dumps({"inputs": [{"name": "ids", "datatype": "BYTES", "shape": [1], "data": ["H0"]}]}).encode()
    assert ask(app, "POST", "/v2/models/hours/infer", content=gzip.compress(infer), headers=GOOD).status_code == 200


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (BODY, "gzip", 400),
        (gzip.compress(BODY)[:-4], "gzip", 400),
        (gzip.compress(BODY) + b"more", "gzip", 400),
        (zlib.compress(BODY), "gzip", 400),
        (zlib.compress(BODY), "deflate", 415),
        (BODY, "br", 415),
        (BODY, "gzip, gzip", 415),
        (b"", "gzip", 400),
    ],
)
def test_other_packings_are_refused_as_what_they_are(app, body, encoding, status):
    for path in ("/v1/forecast", "/v1/observe", "/invocations", "/v2/models/hours/infer"):
        got = ask(app, "POST", path, content=body, headers={"content-encoding": encoding})
        assert got.status_code == status, (path, got.text)
        assert got.json()["error"]


def test_a_small_body_cannot_unpack_to_a_large_one(config):
    small = ServingApp(ServingConfig.model_validate(config | {"limits": {"body": 100_000}})).asgi
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    assert ask(small, "POST", "/v1/forecast", content=bomb, headers=GOOD).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/forecast", 405),
        ("DELETE", "/v1/observe", 405),
        ("POST", "/v1/models", 405),
        ("PUT", "/", 405),
        ("GET", "/v1", 404),
        ("GET", "/favicon.ico", 404),
        ("POST", "/%F0%9F%98%80/\udcff", 404),
        ("OPTIONS", "/v1/forecast", 405),
        ("GET", "/v2/models/hours/config", 404),
        ("GET", "/v2/models/hours/infer", 405),
        ("POST", "/v2/repository/index", 404),
        ("GET", "/v2/models/hours/versions/1/stats", 404),
        ("GET", "/redoc", 404),
    ],
)
def test_what_no_route_takes_has_the_documented_shape(app, method, path, status):
    got = ask(app, method, path.encode("utf-8", "replace").decode())
    assert got.status_code == status
    assert set(got.json()) == ({"error"} if path.startswith("/v2") else {"error", "hint", "where", "request_id"})
    assert got.headers["x-request-id"]
    assert got.headers.get("allow", "") or status == 404


def test_no_page_of_another_origin_may_ask_unless_it_is_listed(config, app):
    asked = {"origin": "https://board.example", "access-control-request-method": "POST",
             "access-control-request-headers": "authorization,content-type"}  # fmt: skip
    assert "access-control-allow-origin" not in ask(app, "OPTIONS", "/v1/forecast", headers=asked).headers
    plain = ask(app, "POST", "/v1/forecast", content=BODY, headers={"origin": "https://board.example"})
    assert "access-control-allow-origin" not in plain.headers
    open_ = ServingApp(ServingConfig.model_validate(config | {"origins": ["https://board.example"]}))
    first = ask(open_.asgi, "OPTIONS", "/v1/forecast", headers=asked)
    assert (first.status_code, first.headers["access-control-allow-origin"]) == (200, "https://board.example")
    assert "access-control-allow-credentials" not in first.headers
    got = ask(open_.asgi, "POST", "/v1/forecast", content=BODY, headers={"origin": "https://board.example"})
    assert got.headers["access-control-allow-origin"] == "https://board.example"
    refused = ask(open_.asgi, "OPTIONS", "/v1/forecast", headers=asked | {"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers
    open_.reload(ServingConfig.model_validate(config))  # the list is taken back without a restart
    got = ask(open_.asgi, "POST", "/v1/forecast", content=BODY, headers={"origin": "https://board.example"})
    assert "access-control-allow-origin" not in got.headers


def test_a_browser_may_ask_first_without_a_token(config, tmp_path):
    text, token = issue("board")
    write_tokens(tmp_path / "tokens.json", [token])
    more = {"origins": ["http://localhost:3000"], "tokens": str(tmp_path / "tokens.json")}
    app = ServingApp(ServingConfig.model_validate(config | more)).asgi
    asked = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    assert ask(app, "OPTIONS", "/v1/forecast", headers=asked).status_code == 200
    refused = ask(app, "POST", "/v1/forecast", content=BODY, headers={"origin": "http://localhost:3000"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "http://localhost:3000")
    assert ask(app, "GET", "/docs").status_code == 200
    assert ask(app, "GET", "/openapi.json").status_code == 401
    bearer = {"authorization": f"Bearer {text}"}
    assert ask(app, "GET", "/openapi.json", headers=bearer).status_code == 200
    row = {"id": "H0", "time": "2024-01-09T08:00:00", "y": 5.0}
    told = json.dumps({"observations": [row], "by": "ann"}).encode()
    assert ask(app, "POST", "/v1/observe", content=told, headers=bearer).json()["accepted"] == 1
    from pathlib import Path

    lines = (Path(config["state"]) / "hours.observed.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["by"] == "board/ann"


@pytest.mark.parametrize("origin", ["board.example", "https://board.example/", "https://a/b", "null", "", "https://*"])
def test_what_is_no_origin_is_refused_when_it_is_configured(config, origin):
    with pytest.raises(ValueError, match="an origin must be"):
        ServingConfig.model_validate(config | {"origins": [origin]})


def test_the_pages_load_nothing_from_elsewhere(app):
    for path in FILES:
        got = ask(app, "GET", path)
        assert got.status_code == 200
        assert "script-src 'self'" in got.headers["content-security-policy"]
        assert not re.search(r"""(src|href|import|url\(|fetch\()[\s"'=(]*(https?:)?//""", got.text), path
    docs = ask(app, "GET", "/docs")
    assert "script-src 'self'" in docs.headers["content-security-policy"]
    assert "<script" not in docs.text and "//" not in docs.text.replace("http://127.0.0.1:8000", "")


@pytest.mark.slow
def test_the_description_is_shown_in_a_browser(app, tmp_path):
    """Every path and body of openapi.json, with the page's own style, without a network and without a script."""
    import shutil
    import subprocess
    import threading
    import time

    import uvicorn

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no browser")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
               f"--user-data-dir={tmp_path}", "--dump-dom", f"http://127.0.0.1:{port}/docs"]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    server.should_exit = True
    for path in json.loads(ask(app, "GET", "/openapi.json").text)["paths"]:
        assert path in dom
    assert "ForecastBody" in dom
    assert "<script" not in dom
