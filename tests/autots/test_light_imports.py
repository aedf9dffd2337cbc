"""What costs nothing must stay so: ``zoo --help``, ``import autots``, and the texts of the commands."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import time

from autots.cli import COMMANDS

Environment = dict[str, str]
_HEAVY = {"ray", "torch", "lightgbm", "pandas", "numpy", "statsforecast", "optuna", "matplotlib", "typer", "rich"}


def _run(environment: Environment, *words: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run Python three times and return the last result and the shortest time: the load of the machine adds to it."""
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        result = subprocess.run(
            [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        seconds.append(time.monotonic() - start)
        assert result.returncode == 0, result.stderr
    return result, min(seconds)


def test_importing_the_package_imports_nothing_heavy_and_takes_no_time(zoo_environment: Environment) -> None:
    code = f"import sys, autots; heavy = {_HEAVY!r} & set(sys.modules); assert not heavy, heavy"
    _, seconds = _run(zoo_environment, "-c", code)
    assert seconds <= 0.6


def test_help_names_all_commands_and_takes_no_time(zoo_environment: Environment) -> None:
    result, seconds = _run(zoo_environment, "-m", "zoo.cli", "--help")
    for name, (_, summary, _) in COMMANDS.items():
        assert f"{name} " in result.stdout and summary in result.stdout
    assert seconds <= 0.6


def test_help_of_a_command_imports_no_learner(zoo_environment: Environment) -> None:
    for name in COMMANDS:
        code = (
            f"import sys; from zoo.cli import main; assert main([{name!r}, '--help']) == 0;"
            f"heavy = {_HEAVY - {'typer', 'rich'}!r} & set(sys.modules); assert not heavy, heavy"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], env=zoo_environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr


def test_commands_are_described_functions() -> None:
    for name, (target, summary, description) in COMMANDS.items():
        module, _, function = target.partition(":")
        found = getattr(importlib.import_module(module), function)
        assert inspect.isfunction(found) and found.__doc__
        assert summary.endswith(".") and len(summary) <= 80 and description, name


def test_the_public_names_are_found_on_first_use(zoo_environment: Environment) -> None:
    code = "import autots; assert autots.AutoTS and autots.Pipeline and autots.load; autots.nothing"
    result = subprocess.run(
        [sys.executable, "-c", code], env=zoo_environment, capture_output=True, text=True, check=False
    )
    assert "has no attribute 'nothing'" in result.stderr
