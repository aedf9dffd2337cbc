"""Out-of-fold forecasts and states of trials on disk: what is told to the study can be read back by a resumed run."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np

from autots.evaluate import Backtest, Targets
from autots.models.base import State
from autots.models.state_files import dump, load
from zoo.errors import ArtifactError
from zoo.files import replacing

__all__ = ["OUT_OF_FOLD", "drop_states", "read_backtest", "read_state", "write_backtest"]

#: Where the run directory has them.
OUT_OF_FOLD = "oof"


def write_backtest(path: Path, backtest: Backtest, targets: Targets | None = None) -> None:
    """Write out-of-fold forecasts, the state before them; a killed process leaves the whole file or none.

    Args:
        path: The file; the state goes beside it, under its name.
        backtest: The forecasts, and the state of the last fit if there is one.
        targets: What the forecasts are kept relative to; to zero if None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if backtest.state is not None:
        dump(backtest.state, path.parent, path.stem)
    with replacing(path) as part, open(part, "wb") as file:
        seconds = np.array([backtest.fit_seconds, backtest.predict_seconds])
        offset = np.empty(0) if targets is None or targets.offset is None else targets.offset
        np.savez(
            file,
            mean=backtest.mean,
            quantiles=backtest.quantiles,
            seconds=seconds,
            fits=backtest.fits,
            offset=offset,
            progress=backtest.progress,
            rows=np.arange(backtest.mean.shape[1]) if backtest.rows is None else backtest.rows,
        )


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
        path: The file of one trial.
        targets: Those of the windows that the forecasts must be of; not looked at if None.

    Raises:
        ArtifactError: The file is missing, damaged, or of other windows.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            fit, predict = (float(v) for v in file["seconds"])
            progress = float(file["progress"]) if "progress" in file else 1.0
            rows = file["rows"] if "rows" in file else None
            backtest = Backtest(
                file["mean"],
                file["quantiles"],
                fit,
                predict,
                fits=int(file["fits"]),
                progress=progress,
                rows=None if rows is None or len(rows) == file["mean"].shape[1] else rows,
            )
            offset = np.asarray(file["offset"]) if "offset" in file else np.empty(0)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            f"out-of-fold forecasts must be readable, but {path.name} is not: {error}",
            "start the fit anew with another run directory",
        ) from error
    if targets is not None:
        expected = np.empty(0) if targets.offset is None else targets.offset
        if not np.array_equal(offset, expected) or backtest.mean.shape != targets.actual.shape:
            raise ArtifactError(
                f"out-of-fold forecasts must be of the windows and levels of this fit, but those of {path.name} are "
                "not: another version made them",
                "start the fit anew with another run directory",
            )
    return backtest
