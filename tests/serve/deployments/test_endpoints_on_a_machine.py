"""Two real endpoints with Ray and HAProxy, whose processes are killed while somebody asks all the time (slow)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import httpx
import psutil
import pytest
import yaml
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from serve.commands import processes
from tests.serve.deployments.endpoint_machine import NAMES, WHICH, Machine, Told, document, fits_in, told_of


class Outside:
    """``zoo serve`` as anybody calls it; a thread asks both addresses all the time."""

    grace = 1.5
    always = False
    environment: ClassVar[dict[str, str]] = {}

    def __init__(self, root: Path) -> None:
        self._root = root
        first = int(os.environ.get("ZOO_TEST_PORT", "0"))
        self._port = {name: first + i if first else _free_port() for i, name in enumerate(NAMES)}

    def serve(self, name: str, folder: Path) -> str | None:
        file = folder / "serving.yaml"
        file.write_text(yaml.safe_dump({"applications": [{"args": {"serving": document(name, folder)}}]}))
        done = self._zoo("serve", "--config", str(file), "--name", name, "--port", str(self._port[name]), "--detach")
        assert done.returncode in (0, 2), done.stdout + done.stderr
        if done.returncode == 2:
            assert "tokens" in done.stdout + done.stderr, done.stdout + done.stderr
            return None
        record = processes.read(name)
        assert record is not None and record.url.endswith(f":{self._port[name]}")
        headers = {"authorization": f"Bearer {record.owner}"}
        told = httpx.get(f"{record.url}/v1/endpoint", headers=headers, timeout=10).json()
        printed = json.loads(done.stdout).get("versions", told["versions"])
        return str(printed[name])

    def ask(self, name: str, token: str) -> Told | None:
        url = f"http://127.0.0.1:{self._port[name]}/v1/models"
        try:
            return told_of(httpx.get(url, headers={"authorization": f"Bearer {token}"}, timeout=10))
        except httpx.HTTPError:
            return None

    def kill(self, name: str) -> None:
        for process in psutil.process_iter(["cmdline"]):
            if "".join(process.info["cmdline"] or []).startswith(f"ray::ServeReplica:{name}:"):
                process.kill()

    def kill_proxy(self, name: str) -> None:
        record = processes.read(name)
        assert record is not None
        for process in psutil.Process(record.pid).children(recursive=True):
            if process.name() == "haproxy":
                process.send_signal(signal.SIGKILL)

    def ports(self, name: str) -> set[int]:
        record = processes.read(name)
        assert record is not None
        mine = psutil.Process(record.pid)
        return {
            int(one.laddr.port)
            for process in [mine, *mine.children(recursive=True)]
            for one in process.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN
        }

    def take_port(self, name: str, model: Path) -> subprocess.CompletedProcess[str]:
        words = ("serve", str(model), "--name", "ep-law-c", "--port", str(self._port[name]), "--detach")
        return self._zoo(*words)

    def stop(self, name: str) -> None:
        done = self._zoo("serve", "stop", "--name", name)
        assert done.returncode == 0, done.stderr

    def _zoo(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "zoo.cli", *words, "--json"]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=240)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Outer(Machine):
    """The same with processes, and with what only they can suffer."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[AssertionError] = []
        self.asked = 0
        self._over = threading.Event()
        self._line = threading.Thread(target=self._always, daemon=True)
        self._line.start()

    def _always(self) -> None:
        while not self._over.wait(0.02):
            for name, known in self.of.items():
                other = next(one for key, one in self.of.items() if key != name)
                for token in (known.good, *list(known.gone)[-1:], other.good):
                    runs, may, good, now = known.runs, set(known.may), known.good, time.monotonic()
                    told = self.where.ask(name, token)
                    self.asked += 1
                    if (runs, may, good) != (known.runs, known.may, known.good):
                        continue  # what must hold has changed meanwhile
                    if runs or known.may:
                        try:
                            self.judge(name, token, told, now)
                        except AssertionError as error:
                            if known.may and not known.runs:
                                continue  # it is being started
                            self.wrong.append(error)

    @rule(name=WHICH)
    def kill_proxy(self, name: str) -> None:
        if self.of[name].runs:
            self.where.kill_proxy(name)  # type: ignore[attr-defined]
            self.answers_again(name, 10)

    @rule(name=WHICH)
    def answers_again(self, name: str, within: float = 40.0) -> None:
        known = self.of[name]
        end = time.monotonic() + within
        while known.runs:
            told = self.where.ask(name, known.good)
            if told is not None and told.status == 200:
                return
            assert time.monotonic() < end, f"{name} must come back, but {told}"
            time.sleep(0.1)

    @rule(name=WHICH)
    def take_its_port(self, name: str) -> None:
        known = self.of[name]
        if known.runs:
            refused = self.where.take_port(name, self.fits["zero"])  # type: ignore[attr-defined]
            assert (refused.returncode, "must be free" in refused.stderr) == (2, True), refused.stdout + refused.stderr

    @rule()
    def share_no_port(self) -> None:
        if all(known.runs for known in self.of.values()):
            mine, theirs = (self.where.ports(name) for name in NAMES)  # type: ignore[attr-defined]
            assert mine and theirs and not mine & theirs

    @invariant()
    def nobody_was_told_wrong(self) -> None:
        if self.wrong:
            raise self.wrong[0]

    def teardown(self) -> None:
        self._over.set()
        self._line.join(30)
        print(f"{self.asked} requests beside the steps")
        super().teardown()


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return fits_in(tmp_path_factory.mktemp("fits"))


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(3600)
def test_two_endpoints_stay_themselves_on_a_machine(fits: dict[str, Path], zoo_environment: dict[str, str]):
    world = type("There", (Outside,), {"environment": zoo_environment})
    kind = type("Outermost", (Outer,), {"world": world, "fits": fits})
    steps, examples = int(os.environ.get("ZOO_TEST_STEPS", "12")), int(os.environ.get("ZOO_TEST_EXAMPLES", "2"))
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
