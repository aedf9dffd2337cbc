"""Two endpoints of one machine, whatever happens to them: an address never answers as another one, never to a revoked
token, and never with a version other than the printed one.

The same machine runs twice: on applications in this process, with replicas that are made anew, in seconds; and on real
endpoints with Ray and HAProxy, where processes are killed while somebody asks all the time (slow).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import httpx
import psutil
import pytest
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serve.app import ServingApp
from serve.commands import processes
from serve.deployments.copies import kept, pinned
from serve.deployments.middleware import Own
from serve.identity import ASKED, HEADER, Identity
from serve.runtime.config import ServingConfig
from serve.runtime.version import version_of
from serve.safety import issue, read_tokens, write_tokens
from serve.testing.pipelines import fitted, hourly
from zoo.errors import ZooError

FAMILIES = ("naive", "seasonal_naive", "zero", "mean")
NAMES = ("ep-law-a", "ep-law-b")
WHICH = st.sampled_from(NAMES)


@dataclass
class Told:
    """What one request was answered."""

    status: int
    name: str = ""
    version: str = ""
    retry_after: str | None = None


class World(Protocol):
    """Where endpoints run."""

    grace: float
    always: bool

    def serve(self, name: str, folder: Path) -> str | None:
        """Serve what lies in ``folder/model`` with ``folder/tokens.json``; the printed version, None if refused."""

    def ask(self, name: str, token: str) -> Told | None:
        """Ask an address; None if nobody answers."""

    def kill(self, name: str) -> None:
        """End a replica at once; another one takes its place."""

    def stop(self, name: str) -> None:
        """End an endpoint."""


@dataclass
class Known:
    """What must hold of an endpoint."""

    folder: Path
    runs: bool = False
    #: Versions that may answer: one, but while another one is asked for.
    may: set[str] = field(default_factory=set)
    good: str = ""
    #: Token -> since when it must not be answered.
    gone: dict[str, float] = field(default_factory=dict)
    broken: bool = False


class Machine(RuleBasedStateMachine):
    """Serve, kill, fit again, rotate, break, mend, stop, in any order."""

    world: ClassVar[Any]
    fits: ClassVar[dict[str, Path]]

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="laws-"))
        self.of = {name: Known(self.root / name) for name in NAMES}
        self.where: World = self.world(self.root)

    @initialize()
    def begin(self) -> None:
        for i, known in enumerate(self.of.values()):
            known.folder.mkdir()
            shutil.copytree(self.fits[FAMILIES[i]], known.folder / "model")
            known.good, token = issue("first")
            write_tokens(known.folder / "tokens.json", [token])
        for name in NAMES:
            self.serve(name)

    @rule(name=WHICH)
    def serve(self, name: str) -> None:
        known = self.of[name]
        meant = version_of(known.folder / "model")
        before = set(known.may)
        known.may.add(meant)
        printed = self.where.serve(name, known.folder)
        if known.broken:
            assert printed is None, "a broken file of tokens is refused"
            known.may = before
            return
        assert printed == meant
        known.runs, known.may = True, {meant}
        told = self.where.ask(name, known.good)
        assert told is not None and (told.status, told.version) == (200, meant), f"it is served, but {told}"

    @rule(name=WHICH, family=st.sampled_from(FAMILIES), in_place=st.booleans())
    def fit_again(self, name: str, family: str, in_place: bool) -> None:
        path = self.of[name].folder / "model"
        if in_place:
            for file in self.fits[family].iterdir():
                shutil.copyfile(file, path / file.name)
            return
        path.rename(self.root / f"old-{time.monotonic_ns()}")
        shutil.copytree(self.fits[family], path)

    @rule(name=WHICH)
    def kill(self, name: str) -> None:
        if self.of[name].runs:
            self.where.kill(name)

    @rule(name=WHICH)
    def rotate(self, name: str) -> None:
        known = self.of[name]
        old = known.good
        known.good, token = issue("next")
        write_tokens(known.folder / "tokens.json", [token])
        known.broken = False
        known.gone[old] = time.monotonic() + self.where.grace
        time.sleep(self.where.grace)

    @rule(name=WHICH, text=st.sampled_from(['{"broken', "[]]", "[1]", "{}", ""]))
    def break_tokens(self, name: str, text: str) -> None:
        path = self.of[name].folder / "tokens.json"
        path.write_text(text)
        path.chmod(0o600)
        self.of[name].broken = True

    @rule(name=WHICH)
    def stop(self, name: str) -> None:
        known = self.of[name]
        if known.runs:
            self.where.stop(name)
        known.runs, known.may = False, set()

    @invariant()
    def each_is_itself(self) -> None:
        for name, known in self.of.items():
            other = next(one for key, one in self.of.items() if key != name)
            for token in {known.good, "", other.good, *list(known.gone)[-3:]}:
                now = time.monotonic()
                self.judge(name, token, self.where.ask(name, token), now)

    def judge(self, name: str, token: str, told: Told | None, asked: float) -> None:
        """Raise if an answer breaks a law."""
        known = self.of[name]
        if self.where.always and known.runs and token == known.good:
            assert told is not None and told.status == 200, f"{name} must answer, but {told}"
        if told is None:
            return
        assert known.runs or told.status != 200, f"{name} does not run, but answers"
        if told.status == 503:
            assert told.retry_after, "503 says when to ask again"
            return
        assert told.name == name, f"{name}'s address is answered by {told.name!r}"
        if told.status == 200:
            assert token == known.good or asked < known.gone.get(token, 0.0), f"{name} answers a token that is not its"
            assert told.version in known.may, f"{name} answers with {told.version}, but {known.may} was printed"
        else:
            assert (told.status, token == known.good) == (401, False), told

    def teardown(self) -> None:
        for name, known in self.of.items():
            if known.runs:
                self.where.stop(name)
        close = getattr(self.where, "close", None)
        if close is not None:
            close()
        shutil.rmtree(self.root, ignore_errors=True)


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
        config = ServingConfig.model_validate(_document(name, folder))
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
        return _told(asyncio.run(run(asked)))

    def kill(self, name: str) -> None:
        os.environ["ZOO_SERVE_DIR"] = str(self._root / name)
        try:
            self._crew[name][0] = ServingApp(self._config[name], identity=self._who[name])
        finally:
            del os.environ["ZOO_SERVE_DIR"]

    def stop(self, name: str) -> None:
        del self._crew[name]


def _document(name: str, folder: Path) -> dict[str, Any]:
    model = {"name": name, "path": str(folder / "model")}
    return {"models": [model], "tokens": str(folder / "tokens.json"), "state": str(folder / "state")}


def _told(response: httpx.Response) -> Told:
    name = response.headers.get(HEADER, "").partition("/")[0]
    version = ""
    if response.status_code == 200:
        version = next(one["version"] for one in response.json()["models"] if one["default"])
    return Told(response.status_code, name, version, response.headers.get("retry-after"))


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    table, folder = hourly(1, 100), tmp_path_factory.mktemp("fits")
    return {family: fitted(table, families=(family,)).save(folder / family) for family in FAMILIES}


def test_two_endpoints_stay_themselves_inside_a_process(fits: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("serve.safety.token_file._LOOK", 0.0)
    kind = type("Inner", (Machine,), {"world": Inside, "fits": fits})
    quick = settings(max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))
    _run(kind, quick)


def _run(kind: type[Machine], how: settings) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(kind, settings=how)


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
        file.write_text(yaml.safe_dump({"applications": [{"args": {"serving": _document(name, folder)}}]}))
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
            return _told(httpx.get(url, headers={"authorization": f"Bearer {token}"}, timeout=10))
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


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(3600)
def test_two_endpoints_stay_themselves_on_a_machine(fits: dict[str, Path], zoo_environment: dict[str, str]):
    world = type("There", (Outside,), {"environment": zoo_environment})
    kind = type("Outermost", (Outer,), {"world": world, "fits": fits})
    steps, examples = int(os.environ.get("ZOO_TEST_STEPS", "12")), int(os.environ.get("ZOO_TEST_EXAMPLES", "2"))
    _run(
        kind,
        settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
