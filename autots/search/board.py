"""The candidates of a search and what became of them."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from autots.evaluate import Backtest, Objective, Targets
from autots.models.base import State
from autots.models.state import dump, load
from zoo.errors import ArtifactError
from zoo.files import replacing

__all__ = ["Board", "Entry", "drop_states", "read_backtest", "read_state", "write_backtest"]

Status = Literal["complete", "sample", "failed", "pruned"]


@dataclass
class Entry:
    """One candidate.

    Args:
        number: Its trial in the study; negative for the trivial forecasters, which are made in the driver itself.
        family: Of the catalog.
        params: All hyper-parameters that it was created with.
        status: ``complete``: all series and windows; ``sample``: some series only; ``failed``; ``pruned``.
        score: Metric on the selection windows; NaN where there is none.
        made: Its out-of-fold forecasts, if complete.
        fit_seconds: All fits of the backtest.
        predict_seconds: All forecasts of the backtest.
        note: Why it failed, or what was cut.
    """

    number: int
    family: str
    params: Mapping[str, Any]
    status: Status = "complete"
    score: float = float("nan")
    made: Backtest | None = None
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    note: str = ""

    @property
    def seconds_per_fit(self) -> float:
        """What one fit of the backtest took."""
        return self.fit_seconds / (1 if self.made is None else self.made.fits)

    @property
    def kind(self) -> tuple[str, ...]:
        """What it is a variant of: near copies share it."""
        return (
            self.family,
            *(
                str(self.params.get(k))
                for k in ("norm", "linear", "weighted", "log", "season", "method", "model", "trend")
            ),
        )

    @property
    def model(self) -> str:
        """A short name for people."""
        shown = {"norm", "season", "linear", "weighted", "log", "window", "variant", "method", "model", "trend"}
        given = [
            str(v) if k not in ("linear", "weighted", "log", "season", "window") else (k if v is True else f"{k} {v}")
            for k, v in self.params.items()
            if k in shown and v not in (None, False)
        ]
        return f"{self.family} ({', '.join(given)})" if given else self.family


@dataclass
class Board:
    """All entries of a search, best first on demand.

    Attributes:
        scoring: Seconds that the last score of all targets took: how fast this machine is with them just now.
    """

    objective: Objective
    entries: list[Entry] = field(default_factory=list)
    scoring: float = 0.0

    def add(self, entry: Entry) -> Self:
        """Score a complete entry and keep it; a score that is not a number makes it a failure."""
        if entry.status == "complete" and entry.made is not None:
            begin = time.perf_counter()
            entry.score = self.objective.value(entry.made)
            self.scoring = time.perf_counter() - begin
            if not np.isfinite(entry.score):
                # The forecasts of a trivial one are kept: another metric may be defined where this one is not.
                entry.status, entry.made = "failed", entry.made if entry.number < 0 else None
                entry.note = entry.note or f"its {self.objective.metric.name} is not a number"
        self.entries.append(entry)
        return self

    @property
    def complete(self) -> list[Entry]:
        """Entries with a score on all series, best first; equal scores in the order of their numbers."""
        done = [e for e in self.entries if e.status == "complete" and e.made is not None]
        return sorted(done, key=lambda e: (e.score, e.number))

    @property
    def best(self) -> Entry | None:
        """The best complete entry."""
        return next(iter(self.complete), None)

    @property
    def reference(self) -> float:
        """Seasonal naive's score; NaN while it is not there."""
        return next((e.score for e in self.entries if e.number == -1 and e.status == "complete"), float("nan"))

    def skill(self, score: float) -> float:
        """Return 1 - score / seasonal naive's."""
        return 1.0 - score / self.reference if self.reference > 0 else float("nan")


def write_backtest(path: Path, made: Backtest, targets: Targets | None = None) -> None:
    """Write out-of-fold forecasts, the state before them; a killed process leaves the whole file or none.

    Args:
        path: Of the file.
        made: The forecasts.
        targets: What they are kept relative to; to zero if None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if made.state is not None:
        dump(made.state, path.parent, path.stem)
    with replacing(path) as part, open(part, "wb") as file:
        seconds = np.array([made.fit_seconds, made.predict_seconds])
        offset = np.empty(0) if targets is None or targets.offset is None else targets.offset
        np.savez(file, mean=made.mean, quantiles=made.quantiles, seconds=seconds, fits=made.fits, offset=offset)


def read_state(path: Path) -> State | None:
    """Return what the last fit of a backtest learned; None where it was not kept, or cannot be read."""
    try:
        return load(path.parent, path.stem)
    except ArtifactError:
        # It is worth less than the run: without it the member is fitted anew, or left out and named.
        return None


def drop_states(folder: Path, keep: Collection[int]) -> None:
    """Remove the states of all trials but some, which are worth their space no longer."""
    for file in (*folder.glob("*.json"), *folder.glob("*.safetensors")):
        if file.stem.isdigit() and int(file.stem) not in keep:
            file.unlink(missing_ok=True)


def read_backtest(path: Path, targets: Targets | None = None) -> Backtest:
    """Read what ``write_backtest`` wrote.

    Args:
        path: Of the file.
        targets: Those of the windows that the forecasts must be of; not looked at if None.

    Raises:
        ArtifactError: The file is missing, damaged, or of other windows.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            fit, predict = (float(v) for v in file["seconds"])
            made = Backtest(file["mean"], file["quantiles"], fit, predict, fits=int(file["fits"]))
            offset = np.asarray(file["offset"]) if "offset" in file else np.empty(0)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            f"out-of-fold forecasts must be readable, but {path.name} is not: {error}",
            "start the fit anew with another run directory",
        ) from error
    if targets is not None:
        expected = np.empty(0) if targets.offset is None else targets.offset
        if not np.array_equal(offset, expected) or made.mean.shape != targets.actual.shape:
            raise ArtifactError(
                f"out-of-fold forecasts must be of the windows and levels of this fit, but those of {path.name} are "
                "not: another version made them",
                "start the fit anew with another run directory",
            )
    return made


def short(params: Mapping[str, Any]) -> str:
    """Return hyper-parameters as JSON text."""
    return json.dumps(dict(params), default=str)
