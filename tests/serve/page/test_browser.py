"""The page in a real browser: what it shows, and that it breaks no rule of its own headers."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from serve.app import ServingApp
from serve.runtime.config import ServingConfig

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium (apt-get install chromium)")
def test_the_page_shows_models_health_and_a_chart(pipeline, tmp_path: Path):
    path = str(pipeline.save(tmp_path / "hours"))
    config = {"models": [{"name": "hours", "path": path}], "state": str(tmp_path / "state")}
    app = ServingApp(ServingConfig.model_validate(config))
    server = uvicorn.Server(uvicorn.Config(app.asgi, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    assert BROWSER is not None
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    found = subprocess.run(
        [*command, "--virtual-time-budget=4000", "--enable-logging=stderr", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=120,
    )
    server.should_exit = True
    thread.join(10)
    assert ">ready</span>" in found.stdout
    assert "linear_direct 50 %" in found.stdout
    assert 'class="mean" d="M' in found.stdout
    assert 'class="actual" d="M' in found.stdout
    assert 'role="alert" hidden' in found.stdout
    assert "Content Security Policy" not in found.stderr
