"""What a command is, and the platform's own ones: texts only, so that ``zoo --help`` imports nothing else."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["COMMANDS", "Command", "Outcome", "begin", "seconds_since_begin", "strict"]

_BEGAN: ContextVar[float] = ContextVar("_BEGAN")


class Command(NamedTuple):
    """One command of the console script.

    Args:
        target: ``"package.module:function"``, imported when the command is invoked.
        summary: One line for ``zoo --help``.
        description: Paragraphs for ``zoo COMMAND --help``.
    """

    target: str
    summary: str
    description: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a command found.

    Args:
        data: Values for ``--json``, see ``strict``.
        text: What a person reads instead; nothing is printed if empty.
        code: Exit status, 0 unless the command's question was answered "no".
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    code: int = 0


def begin(seconds_ago: float = 0.0) -> None:
    """Note when the user pressed return; ``zoo.cli.main`` does it."""
    _BEGAN.set(time.monotonic() - seconds_ago)


def seconds_since_begin() -> float:
    """Return how long the user has been waiting: what a command with a budget has already spent of it."""
    now = time.monotonic()
    return now - _BEGAN.get(now)


def strict(value: Any) -> Any:
    """Return a value as JSON knows it: numbers that are not finite become None, numpy's scalars and arrays Python's.

    >>> strict({"score": float("nan"), "levels": (0.1, 0.9)})
    {'score': None, 'levels': [0.1, 0.9]}
    """
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return float(value) if isinstance(value, float) else value
    if hasattr(value, "tolist"):
        return strict(value.tolist())
    return str(value)


COMMANDS: Mapping[str, Command] = {
    "doctor": Command(
        "zoo.cluster.doctor:doctor",
        "Check this machine: versions, cores, memory, compiler, Java.",
        "Reads what is installed and starts nothing. A warning says what to do about it.",
    ),
    "bench search": Command(
        "zoo.search.bench.command:bench_search",
        "Measure the search engine against Optuna's and Ray Tune's ways, in virtual time.",
        "One JSON line per comparison, beside what was asked. The trainings are those of LCBench's surrogate, which is "
        "not in the project and needs onnxruntime (the extra 'bench').",
    ),
}
