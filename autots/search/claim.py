"""A run directory belongs to one set of data and settings: its fingerprint says so, in ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from autots.models.base import Task
from autots.panel import Panel
from autots.search.settings import FitSettings
from zoo.errors import ConfigError
from zoo.files import fingerprint, write_file

__all__ = ["JOURNAL", "claim"]

#: The study's record in a run directory.
JOURNAL = "study.journal"
_RUN = "run.json"
# What a resumed run may change.
_FREE = ("budget", "workers", "address", "local_fit_seconds", "max_trials")
# How trials are recorded: a run that another number began cannot be gone on with.
_VERSION = 2


def claim(folder: Path, panel: Panel, settings: FitSettings, task: Task, *, resume: bool) -> str:
    """Return the fingerprint of data and task; the folder is free, or holds the same run and is to be resumed.

    Args:
        folder: The run directory, existing.
        panel: The series as they were read, with all rows.
        settings: What the user asked for.
        task: Horizon, seasons and quantile levels.
        resume: Whether the folder may hold a run already.

    Raises:
        ConfigError: The folder holds a run and ``resume`` is False, or holds the run of something else.
    """
    asked = {k: v for k, v in asdict(settings).items() if k not in _FREE}
    known = _fingerprint(panel, task, asked)
    file = folder / _RUN
    if (file.exists() or (folder / JOURNAL).exists()) and not resume:
        raise ConfigError(
            f"a run directory must be new, but {folder} holds a run already",
            "add --resume to go on with it (resume=True in Python), or choose another directory",
        )
    if resume and file.exists():
        before = json.loads(file.read_text(encoding="utf-8"))
        if before.get("version", 1) != _VERSION:
            raise ConfigError(
                f"a run must be resumed by the version that began it, but another one began {folder}",
                "choose another directory, or end it with that version; a pipeline that it left opens as always",
            )
        if before.get("fingerprint") != known:
            raise ConfigError(
                f"a run must be resumed on the same data and settings, but {folder} was made with others: "
                f"{_difference(before.get('asked', {}), asked)}",
                "repeat the options of the first fit (budget and workers may change), or choose another directory",
            )
    write_file(file, json.dumps({"version": _VERSION, "fingerprint": known, "asked": asked}, default=list, indent=1))
    return known


def _fingerprint(panel: Panel, task: Task, asked: Mapping[str, Any]) -> str:
    arrays = (panel.indptr, panel.times.view(np.int64), panel.y, *panel.known.values(), *panel.past.values())
    parts = [*(np.ascontiguousarray(array).data for array in arrays), "\x00".join(map(str, panel.ids)).encode()]
    if panel.freq.local is not None:
        parts.append(repr(panel.freq.local).encode())
    parts.append(json.dumps({**asked, "task": task.to_dict()}, sort_keys=True, default=list).encode())
    return fingerprint(parts)


def _difference(then: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    now = json.loads(json.dumps(asked, default=list))
    other = [f"{key} was {then.get(key)!r}" for key in now if now[key] != then.get(key)]
    return ", ".join(other) or "the data, or how they are read, differ"
