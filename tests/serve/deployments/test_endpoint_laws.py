"""Two endpoints of one machine, whatever happens to them: an address never answers as another one, never to a revoked
token, and never with a version other than the printed one.

Here on applications in this process, with replicas that are made anew, in seconds.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from serve.app import ServingApp
from serve.deployments.copies import kept, pinned
from serve.deployments.middleware import Own
from serve.identity import ASKED, Identity
from serve.runtime.config import ServingConfig
from serve.safety import read_tokens
from tests.serve.deployments.endpoint_machine import Machine, Told, document, fits_in, told_of
from zoo.errors import ZooError


class Inside:
    """Two replicas of each endpoint as applications of this process; a killed one is made anew."""

    grace = 0.0
    always = True

    def __init__(self, root: Path) -> None:
        self._root = root
        self._crew: dict[str, list[ServingApp]] = {}
        self._config: dict[str, ServingConfig] = {}
        self._who: dict[str, Identity] = {}
        self._turn = 0

    def serve(self, name: str, folder: Path) -> str | None:
        config = ServingConfig.model_validate(document(name, folder))
        os.environ["ZOO_SERVE_DIR"] = str(folder)
        try:
            read_tokens(folder / "tokens.json")
            made = kept(pinned(config), folder / "copies")
            if name not in self._crew:
                self._who[name] = Identity.new(name, f"{name}-{time.monotonic_ns()}")
                self._crew[name] = [ServingApp(made, identity=self._who[name]) for _ in range(2)]
            for one in self._crew[name]:
                one.reload(made)
                assert not one.store.refused
        except ZooError:
            return None
        finally:
            del os.environ["ZOO_SERVE_DIR"]
        self._config[name] = made
        return made.models[0].versioned()

    def ask(self, name: str, token: str) -> Told | None:
        if name not in self._crew:
            return None
        self._turn += 1
        one = self._crew[name][self._turn % 2]
        # Now and then the proxy of one asks a replica of the other.
        meant = self._who[name].instance
        asked = httpx.ASGITransport(Own(one.asgi, meant))
        stranger = httpx.ASGITransport(Own(one.asgi, f"not {meant}"))

        async def run(transport: Any) -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                headers = {"authorization": f"Bearer {token}", ASKED: meant}
                return await client.get("/v1/models", headers=headers)

        assert asyncio.run(run(stranger)).status_code == 503
        return told_of(asyncio.run(run(asked)))

    def kill(self, name: str) -> None:
        os.environ["ZOO_SERVE_DIR"] = str(self._root / name)
        try:
            self._crew[name][0] = ServingApp(self._config[name], identity=self._who[name])
        finally:
            del os.environ["ZOO_SERVE_DIR"]

    def stop(self, name: str) -> None:
        del self._crew[name]


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return fits_in(tmp_path_factory.mktemp("fits"))


def test_two_endpoints_stay_themselves_inside_a_process(fits: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("serve.safety.token_file._LOOK", 0.0)
    kind = type("Inner", (Machine,), {"world": Inside, "fits": fits})
    quick = settings(max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(kind, settings=quick)
