"""The reference of all families, generated from their dataclasses: ``python -m autots.models.reference`` prints it."""

from __future__ import annotations

import sys
from typing import Any

from autots.models.catalog import COMPOSITE, families, family
from autots.models.hyperparameters import Hyperparameter, NumberRange

__all__ = ["reference"]

_HEAD = """# Models

Every family that a search may fit, with its hyper-parameters. `autots.models.catalog.create("auto_ets", model="AAA")`
makes one alone. *Searched* is what a search draws from; what is not searched keeps its default, or what the size of the
panel and the budget decide (`autots.recipes`).

This page is generated: `python -m autots.models.reference > docs/models.md`, and a test holds it to the code.
"""


def reference() -> str:
    """Return docs/models.md: a section per family, in the order of the catalog."""
    return "\n".join([_HEAD, *(_section(name) for name in (*families(), *COMPOSITE))])


def _section(name: str) -> str:
    cls = family(name)
    summary = (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    covariates = ", ".join(sorted(cls.covariates)) or "none"
    lines = [f"## {name}", "", " ".join(summary.split()), ""]
    lines += [f"{'Each series alone' if cls.local else 'All series together'}; covariates: {covariates}.", ""]
    described = cls.hyperparameters.described()
    if not described:
        return "\n".join([*lines, "No hyper-parameters.", ""])
    lines += ["| hyper-parameter | default | allowed | searched | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| `{key}` | {_value(one.default)} | {one.rule} | {_searched(one)} | {one.meaning} |"
        for key, one in described.items()
    ]
    return "\n".join([*lines, ""])


def _value(value: Any) -> str:
    return f"`{list(value) if isinstance(value, tuple) else value!r}`"


def _searched(parameter: Hyperparameter) -> str:
    if not parameter.search:
        return ""
    if not isinstance(parameter.allowed, NumberRange):
        return ", ".join(map(_value, parameter.search))
    low, high = parameter.search
    return f"{low:g} to {high:g}{', logarithmic' if parameter.log else ''}"


if __name__ == "__main__":
    sys.stdout.write(reference())
