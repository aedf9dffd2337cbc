"""The source as the gates see it: files, modules, syntax trees and what they import."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

__all__ = [
    "EVERY",
    "INSTALLED",
    "PACKAGES",
    "ROOT",
    "Definition",
    "all_imports",
    "definitions",
    "imported",
    "lines_of",
    "modules",
    "package_of",
    "path_of",
    "room_of",
    "top_imports",
    "tracked",
    "tree_of",
]

Definition: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

ROOT = Path(__file__).resolve().parents[2]
#: What the wheel holds.
INSTALLED = ("zoo", "autots", "serve")
PACKAGES = (*INSTALLED, "benchmarks")


def modules(*packages: str) -> list[str]:
    files = [f for package in packages for f in sorted((ROOT / package).rglob("*.py"))]
    return [name_of(f) for f in files]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def path_of(module: str) -> Path:
    base = ROOT.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


@cache
def lines_of(module: str) -> list[str]:
    return path_of(module).read_text(encoding="utf-8").splitlines()


def package_of(module: str) -> str:
    return module.partition(".")[0]


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imported(node: ast.AST, module: str) -> list[str]:
    """Return what an import statement names: ``from a import b`` gives ``a`` or, where that is a module, ``a.b``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = module if path_of(module).name == "__init__.py" else module.rpartition(".")[0]
        parts = package.split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
    names = [f"{base}.{alias.name}" for alias in node.names]
    return [name if package_of(base) in PACKAGES and is_module(name) else base for name in names]


@cache
def is_module(name: str) -> bool:
    return path_of(name).is_file()


@cache
def all_imports(module: str) -> list[str]:
    return [name for node in ast.walk(tree_of(module)) for name in imported(node, module)]


@cache
def at_import(module: str) -> list[ast.AST]:
    """Return the nodes that run when a module is imported: not functions, nor what only the type checker sees."""
    found: list[ast.AST] = []
    todo: list[ast.AST] = list(tree_of(module).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        found.append(node)
        todo += ast.iter_child_nodes(node)
    return found


@cache
def top_imports(module: str) -> list[str]:
    """Return what is imported when the module is."""
    return [name for node in at_import(module) for name in imported(node, module)]


def definitions(module: str) -> Iterator[tuple[str, Definition]]:
    """Yield every class and function with its dotted name within the module."""

    def below(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Definition):
                yield prefix + child.name, child
                yield from below(child, f"{prefix}{child.name}.")
            else:
                yield from below(child, prefix)

    return below(tree_of(module), "")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


EVERY = modules(*PACKAGES)
