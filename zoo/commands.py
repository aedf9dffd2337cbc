"""What a command is, and the platform's own ones: texts only, so that ``zoo --help`` imports nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["COMMANDS", "Command", "Outcome"]


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
        data: JSON values for ``--json``.
        text: What a person reads instead; nothing is printed if empty.
        code: Exit status, 0 unless the command's question was answered "no".
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    code: int = 0


COMMANDS: Mapping[str, Command] = {
    "doctor": Command(
        "zoo.cluster.doctor:doctor",
        "Check this machine: versions, cores, memory, compiler, Java.",
        "Reads what is installed and starts nothing. A warning says what to do about it.",
    ),
}
