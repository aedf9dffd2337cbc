"""Notes about running endpoints: whole, private, never of a process that has gone, answered for one configuration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.commands import processes
from serve.commands.processes import EndpointRecord, alive, answer, answered, began, listed, read, withdraw, write
from serve.commands.serve import serve
from serve.commands.status import status, stop
from zoo.errors import ConfigError

_SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
# It says no to SIGTERM.
_STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of notes for this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return processes.folder()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", _SLEEPER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.wait()


def note(name: str, pid: int, **more: str) -> EndpointRecord:
    record = EndpointRecord(name, pid, began(pid), "", "", {"models": [name]}, **more)
    write(record)
    return record


def test_a_running_process_is_found_under_its_name_with_all_that_was_noted() -> None:
    ours = note("a", os.getpid(), owner="token", health="http://h")
    assert read("a") == ours and alive(ours) and listed() == [ours]
    assert read("b") is None
    processes.forget("a")
    assert read("a") is None and listed() == []


def test_a_process_that_has_gone_is_not_listed_and_its_number_means_nothing(child: subprocess.Popen[str]) -> None:
    record = note("gone", child.pid)
    assert read("gone") == record
    child.kill()
    child.wait()
    assert began(child.pid) == 0 and not alive(record) and read("gone") is None and listed() == []
    # The same number, given to another process later.
    write(EndpointRecord("again", os.getpid(), began(os.getpid()) + 1, "", "", {}))
    assert read("again") is None


def test_a_zombie_is_a_process_that_has_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    end = time.monotonic() + 20
    while began(process.pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert began(process.pid) == 0
    process.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "x"}', '{"surplus": 1}'])
def test_a_note_that_cannot_be_read_is_no_endpoint(room: Path, content: str) -> None:
    (room / "x.json").write_text(content)
    assert read("x") is None and listed() == []


def test_notes_are_for_their_owner_alone(room: Path) -> None:
    note("a", os.getpid(), owner="secret")
    assert room.stat().st_mode & 0o077 == 0 and (room / "a.json").stat().st_mode & 0o077 == 0
    assert [path.name for path in room.iterdir()] == ["a.json"], "no part of a write is left"
    room.chmod(0o755)
    with pytest.raises(ConfigError, match="must belong to this user alone"):
        read("a")


def test_an_answer_counts_for_its_configuration_only() -> None:
    config = {"b": 1, "a": [1, 2]}
    assert answered("a", config) is None
    answer("a", config)
    assert answered("a", {"a": [1, 2], "b": 1}) == "" and answered("a", {"b": 2, "a": [1, 2]}) is None
    answer("a", config, "no such model")
    assert answered("a", config) == "no such model"
    withdraw("a")
    withdraw("a")
    assert answered("a", config) is None


def test_stopping_waits_until_the_process_has_gone(child: subprocess.Popen[str]) -> None:
    note("a", child.pid)
    assert status().data["endpoints"][0]["pid"] == child.pid
    assert stop("a").data == {"name": "a", "stopped": True}
    assert child.poll() is not None or began(child.pid) == 0
    with pytest.raises(ConfigError, match="must run to be stopped"):
        stop("a")
    assert status("a").code == 1 and status().text.startswith("nothing is served")


def test_a_process_that_does_not_go_is_said() -> None:
    process = subprocess.Popen([sys.executable, "-c", _STUBBORN], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        with pytest.raises(ConfigError, match=r"must stop within 0\.2 s"):
            processes.tell(note("a", process.pid), signal.SIGTERM, patience=0.2)
    finally:
        process.kill()
        process.wait()
    with pytest.raises(ProcessLookupError):
        processes.tell(EndpointRecord("a", process.pid, 0, "", "", {}), signal.SIGHUP)


def test_an_endpoint_cannot_stop_itself() -> None:
    note("self", os.getpid())
    with pytest.raises(ConfigError, match="running: self"):
        stop("self")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run": "r", "name": "../x"}, "a name must be letters"),
        ({"run": "r", "name": ""}, "a name must be letters"),
        ({"run": "r", "name": "x" * 101}, "a name must be letters"),
        ({}, "a run or --config must be given, and not both"),
        ({"run": "r", "config": Path("c.yaml")}, "and not both"),
        ({"config": Path("missing.yaml")}, "--config must be a readable YAML file"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_starts(arguments: dict[str, object], message: str) -> None:
    defaults = {"run": None, "name": "default", "port": 8000, "host": "127.0.0.1", "replicas": "1", "config": None}
    defaults |= {"state": None, "detach": False, "grpc_port": None, "unchecked": False}
    with pytest.raises(ConfigError, match=message):
        serve(**(defaults | arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["applications: []", "{}", "a: [", "applications: [{args: 3}]", "- 1"])
def test_a_configuration_without_models_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "serving.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="must be a"):
        serve(None, name="x", config=path)


@pytest.mark.parametrize("replicas", ["0", "-1", "two", "", "1.5"])
def test_replicas_are_a_number_or_auto(replicas: str, tmp_path: Path) -> None:
    path = tmp_path / "serving.yaml"
    path.write_text("applications:\n- args:\n    serving: {models: [{name: a, path: nowhere}]}\n")
    with pytest.raises(ConfigError, match="--replicas must be a number above 0 or auto"):
        serve(None, name="x", config=path, replicas=replicas)
