"""``zoo models list | show | publish | promote | rollback | at``: the registry on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import Outcome
from zoo.errors import ConfigError, RegistryError
from zoo.page.wording import in_columns
from zoo.registry.registry import ModelVersion, Registry

__all__ = ["list_models", "model_at", "promote_model", "publish_model", "rollback_model", "show_model"]

_Folder = Annotated[Path, typer.Option("--registry", help="The registry's folder.")]
_Reference = Annotated[str, typer.Argument(help="NAME@3 or NAME@live.")]
_Name = Annotated[str, typer.Argument(help="The model.")]
_Actor = Annotated[str, typer.Option("--by", help="Who decides so.")]
_MODELS = Path("models")


def publish_model(
    name: _Name,
    folder: Annotated[Path, typer.Argument(help="The folder of its files.")],
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    team: Annotated[str, typer.Option(help="The team that does.")],
    metric: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER; may be repeated.")] = None,
    registry: _Folder = _MODELS,
) -> Outcome:
    """Store a folder as the next version, a draft."""
    metrics = dict(_metric(text) for text in metric or [])
    with _opened(registry, make=True) as found:
        return _told(found.publish(name, folder, owner=owner, team=team, metrics=metrics))


def list_models(
    name: Annotated[str | None, typer.Argument(help="The model; all by default.")] = None, registry: _Folder = _MODELS
) -> Outcome:
    """List the versions."""
    with _opened(registry) as found:
        versions = found.versions(name)
    rows = [("version", "stage", "owner", "team", "published"), *map(_row, versions)]
    return Outcome({"versions": [asdict(one) for one in versions]}, in_columns(rows) if versions else "no versions")


def show_model(reference: _Reference, registry: _Folder = _MODELS) -> Outcome:
    """Show a version."""
    with _opened(registry) as found:
        return _told(found.get(reference))


def promote_model(
    reference: _Reference,
    stage: Annotated[str, typer.Argument(help="validated, staged, live or retired.")],
    actor: _Actor,
    test: Annotated[str, typer.Option(help="On which test.")] = "",
    expected: Annotated[int | None, typer.Option(min=0, help="The version that must be live now; 0 for none.")] = None,
    registry: _Folder = _MODELS,
) -> Outcome:
    """Move a version to a stage."""
    with _opened(registry) as found:
        return _told(found.promote(reference, stage, actor=actor, test=test, expected=expected))


def rollback_model(name: _Name, actor: _Actor, registry: _Folder = _MODELS) -> Outcome:
    """Make the former live version live again."""
    with _opened(registry) as found:
        return _told(found.rollback(name, actor=actor))


def model_at(
    name: _Name,
    moment: Annotated[str, typer.Argument(help="A time such as 2026-12-01T14:00; UTC without a zone.")],
    known: Annotated[str | None, typer.Option(help="Only what was recorded by then.")] = None,
    registry: _Folder = _MODELS,
) -> Outcome:
    """Say what served at a moment; status 1 if nothing did."""
    with _opened(registry) as found:
        served = found.at(name, _seconds(moment), known=None if known is None else _seconds(known))
    if served is None:
        return Outcome({"served": None}, f"nothing of {name} served then", 1)
    test = f", on {served.test}" if served.test else ""
    text = f"{name}@{served.version} since {_time(served.since)}, approved by {served.approved_by}{test}"
    return Outcome({"served": asdict(served)}, text)


@contextmanager
def _opened(folder: Path, *, make: bool = False) -> Iterator[Registry]:
    if not make and not (folder / "registry.db").is_file():
        raise RegistryError(f"there is no registry in {folder}", "name its folder: --registry FOLDER")
    registry = Registry(folder)
    try:
        yield registry
    finally:
        registry.close()


def _metric(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ConfigError(f"a metric must be NAME=NUMBER, but got {text!r}", "write --metric mase=0.81") from None


def _seconds(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"a time must be as ISO 8601 has it, but got {text!r}", "write 2026-12-01T14:00") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _row(one: ModelVersion) -> tuple[str, ...]:
    return f"{one.name}@{one.version}", one.stage, one.owner, one.team, _time(one.published)


def _told(one: ModelVersion) -> Outcome:
    names = ("version", "stage", "owner", "team", "published")
    lines = [*zip(names, _row(one), strict=True), ("sha256", one.body["digest"])]
    lines += [(key, f"{value:g}") for key, value in one.body["metrics"].items()]
    lines += [("parent", parent) for parent in one.body["parents"]]
    return Outcome(asdict(one), in_columns(lines))
