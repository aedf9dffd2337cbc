"""YAML whose values know their lines, so that a mistake can be pointed at.

Two habits of PyYAML that surprise people in this place are left: ``1e-4`` is a number here (YAML 1.1 wants ``1.0e-4``),
and ``on``, ``off``, ``yes`` and ``no`` are texts, as YAML 1.2 says: they are choices of a parameter more often than
truth values.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from zoo.errors import ConfigError

__all__ = ["Lines", "YamlPath", "read_fields", "read_yaml"]

#: Names and indices from the top.
YamlPath: TypeAlias = tuple[str | int, ...]

_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML comes without types
    """The safe loader with the numbers and truth values of YAML 1.2."""


# A copy of the resolvers: the loader's table is shared with all users of the library.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:bool")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"(?:{_FLOAT.pattern})\Z"), list("-+0123456789."))


@dataclass(frozen=True)
class Lines:
    """Where each value of a file is.

    Args:
        name: What messages call the file.
        numbers: Path -> line, from 1; empty where there is no file any more.
    """

    name: str
    numbers: dict[YamlPath, int]

    def at(self, path: Sequence[str | int]) -> int:
        """Return the line of a value, or of the nearest one around it."""
        known = tuple(path)
        while known not in self.numbers and known:
            known = known[:-1]
        return self.numbers.get(known, 1)

    def say(self, path: Sequence[str | int], text: str) -> str:
        """Return a message with its place.

        >>> Lines("study.yaml", {(): 1, ("seed",): 4}).say(("seed",), "must be a whole number")
        'study.yaml, line 4, seed: must be a whole number'
        """
        field = ".".join(map(str, path))
        place = [self.name, f"line {self.at(path)}" if self.numbers else "", field]
        return f"{', '.join(part for part in place if part)}: {text}"


def read_fields(file: Path, what: str, *, hint: str) -> tuple[dict[str, Any], Lines]:
    """Return the fields of a file, and where they are.

    Args:
        file: A file of YAML.
        what: What messages call it, such as "a study file".
        hint: Where the reader sees a right one.

    Raises:
        ConfigError: It cannot be read, is no YAML, or holds something else than fields with values.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} must be readable, but {file}: {error}", hint) from error
    said, lines = read_yaml(text, file.name, hint=f"{what} is YAML; {hint}")
    if not isinstance(said, dict):
        raise ConfigError(f"{file.name} must be fields with values, but it is {type(said).__name__}", hint)
    return said, lines


def read_yaml(text: str, name: str, *, hint: str) -> tuple[Any, Lines]:
    """Return what a file says, and where.

    Args:
        text: The content of the file.
        name: What messages call it.
        hint: Where the reader sees a right one.

    Raises:
        ConfigError: It is no YAML, or a name occurs twice.
    """
    try:
        # The loader is a SafeLoader: it makes plain values only.
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            value = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark or error.context_mark).line + 1 if error.problem_mark or error.context_mark else 1
        raise ConfigError(f"{name}, line {line}: {error.problem or error.context}", hint) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: {error}", hint) from error
    lines = Lines(name, {})
    if node is not None:
        _note(node, (), lines, hint)
    return value, lines


def _note(node: Any, path: YamlPath, lines: Lines, hint: str) -> None:
    lines.numbers.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note(item, (*path, index), lines, hint)
    elif isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, item in node.value:
            said, line = str(key.value), key.start_mark.line + 1
            if said in seen:
                raise ConfigError(lines.say(path, f"{said!r} must occur once, but line {line} has it again"), hint)
            seen.add(said)
            lines.numbers[(*path, said)] = line
            _note(item, (*path, said), lines, hint)
