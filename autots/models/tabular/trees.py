"""LightGBM's booster as a value: trained, kept as its own text format, applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.models.base import Context
from autots.models.hyperparameters import choice, flag, real, whole
from autots.models.pace import FitPace
from autots.models.pooled import PooledParams, log_field, norm_field, norm_periods_field
from autots.panel import Floats
from zoo.errors import ModelError

__all__ = ["BoostingParams", "Trees", "train_trees"]

# Seconds of what follows the last tree (their values on what was learned from), for each second of boosting.
_REST_RATIO = 0.1
# Times the learning rate at most where the time pays for fewer trees.
_MAX_RATE_RATIO = 3.0
# Bins that the values of a feature are sorted into: half of LightGBM's default.
_BINS = 127


@dataclass(frozen=True, kw_only=True)
class BoostingParams(PooledParams):
    """How trees are boosted, direct or recursive."""

    norm: str = norm_field("mean")
    norm_periods: int = norm_periods_field()
    log: bool = log_field()
    rounds: int = whole(200, "Boosting rounds, one tree each.", search=(50, 600), log=True)
    learning_rate: float = real(0.08, "Shrinkage of each round's tree.", above=0, search=(0.02, 0.15), log=True)
    leaves: int = whole(63, "Leaves of a tree at most.", low=2, search=(7, 255), log=True)
    min_leaf: int = whole(20, "Training rows of a leaf at least.", search=(5, 200), log=True)
    feature_fraction: float = real(
        0.7, "Share of the features that each tree sees.", above=0, high=1, search=(0.3, 1.0)
    )
    objective: str = choice(
        "auto",
        'LightGBM\'s objective, "l1" or "l2"; "auto" takes what the task rewards.',
        options=("auto", "l1", "l2"),
    )
    calendar: bool = flag(True, "Whether parts of the target's date enter.")
    max_rows: int = whole(150_000, "Training rows that are drawn at most.")

    def loss(self, *, squared_error: bool) -> str:
        """Return LightGBM's objective for a task that rewards the mean (``squared_error``) or the median."""
        return ("l2" if squared_error else "l1") if self.objective == "auto" else self.objective


class Trees:
    """A trained booster.

    Args:
        text: The model as LightGBM writes it to a file.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def booster(self) -> Any:
        """The booster, parsed on first use."""
        import lightgbm

        return lightgbm.Booster(model_str=self.text)

    def predict(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return (R,) predictions for an (R, F) matrix."""
        return np.asarray(self.booster.predict(x, num_threads=1 if len(x) < 20_000 else 0), dtype=np.float64)

    def __getstate__(self) -> dict[str, str]:
        return {"text": self.text}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.text = state["text"]


def train_trees(
    x: npt.NDArray[np.float32],
    target: Floats,
    weight: Floats | None,
    names: Sequence[str],
    categorical: Sequence[str],
    *,
    params: BoostingParams,
    loss: str,
    context: Context,
) -> tuple[Trees, Floats, float]:
    """Train a booster on the rows whose target is known.

    Where the time does not suffice there are fewer trees, each of which corrects more.

    Args:
        x: (R, F) features, NaN where a value is missing.
        target: (R,) targets; NaN rows are left out.
        weight: (R,) weights or None.
        names: Names of the F columns, in their order.
        categorical: The names that are codes.
        params: Rounds, learning rate and sizes of the trees.
        loss: LightGBM's objective, of ``BoostingParams.loss``.
        context: Seed, threads and deadline.

    Returns:
        The trees, their (R,) fitted values, and the share of the rounds that were made.

    Raises:
        BudgetError: The deadline passed before the first tree.
        ModelError: There is nothing to learn from.
    """
    import lightgbm

    known = np.isfinite(target)
    if weight is not None:
        known &= np.isfinite(weight) & (weight > 0)
    if not known.any():
        raise ModelError("trees need rows with a target and a positive weight, but got none")
    settings = _settings(params, loss, int(known.sum()), context)
    pace = FitPace(context.deadline, params.rounds, rest_ratio=_REST_RATIO)
    data = lightgbm.Dataset(
        x[known],
        target[known],
        weight=None if weight is None else weight[known],
        feature_name=[f"f{i}_{''.join(c if c.isalnum() else '_' for c in n)}" for i, n in enumerate(names)],
        categorical_feature=[list(names).index(n) for n in categorical] or "auto",
        params={"max_bin": _BINS, "verbosity": -1},
    )
    pace.share(0)
    booster = lightgbm.train(settings, data, params.rounds, callbacks=[_in_time(pace, params)])
    fitted = np.full(len(target), np.nan)
    fitted[known] = booster.predict(x[known], num_threads=context.threads)
    return Trees(booster.model_to_string()), fitted, pace.progress


def _in_time(pace: FitPace, params: BoostingParams) -> Callable[[Any], None]:
    """Return what LightGBM calls after each tree: fewer trees that correct more, where the time does not suffice."""
    from lightgbm.callback import EarlyStopException

    def after_tree(env: Any) -> None:
        done = env.iteration + 1
        if pace.share(done) >= 1.0 and done < params.rounds:
            raise EarlyStopException(env.iteration, [])
        if pace.planned < params.rounds:
            more = (params.rounds - done) / max(pace.planned - done, 1.0)
            env.model.reset_parameter({"learning_rate": params.learning_rate * min(max(more, 1.0), _MAX_RATE_RATIO)})

    return after_tree


def _settings(params: BoostingParams, loss: str, rows: int, context: Context) -> dict[str, Any]:
    """Return LightGBM's own parameters for a table of so many rows."""
    return {
        "objective": loss,
        "learning_rate": params.learning_rate,
        "num_leaves": params.leaves,
        # Small tables would otherwise never be split.
        "min_data_in_leaf": max(1, min(params.min_leaf, rows // 20)),
        "feature_fraction": params.feature_fraction,
        "bagging_fraction": 0.7 if rows > 200 else 1.0,
        "bagging_freq": 1,
        "max_bin": _BINS,
        "verbosity": -1,
        "num_threads": context.threads,
        "seed": context.seed,
        "deterministic": True,
        "force_row_wise": True,
    }
