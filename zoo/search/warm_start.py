"""What earlier studies know, as trials that the sampler sees and that fade as the study makes its own observations.

The trials are written into the new study's journal, so that it can be replayed without the old one. How many of them
a sampler sees falls with the number n of its own observations, as ``weight * h / (h + n)``; they are taken evenly over
the ranks, the best first. Their values are moved to the study's own scale, rank by rank, as soon as there are some:
another data set has other losses, but often the same order.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from zoo.errors import ConfigError
from zoo.search.metrics import Metrics
from zoo.search.operations import copied
from zoo.search.snapshot import Snapshot
from zoo.search.space import Space
from zoo.search.storage import StudyStorage
from zoo.search.trial import TrialRecord
from zoo.search.trial_attributes import TrialAttributes

__all__ = ["EarlierStudy", "read_earlier", "usable_trials"]

# Own observations that halve the weight of the earlier ones: so many per parameter, and at least so many.
_HALF_PER_PARAMETER = 2
_HALF_AT_LEAST = 10
# So many own complete trials, and quantiles of their values can be read.
_ENOUGH = 8


def usable_trials(
    records: Sequence[TrialRecord], space: Space, metrics: Metrics, theirs: Sequence[Sequence[Any]]
) -> list[dict[str, Any]]:
    """Return the complete trials of another study that lie in ``space``, best first, as JSON values.

    Args:
        records: The trials of the other study.
        space: This study's; parameters that it does not have are left out, others are filled in later.
        metrics: This study's; the other one must have measured its objectives.
        theirs: The other study's metrics as it describes them.

    Raises:
        ConfigError: The objectives differ.
    """
    known = {name: direction for name, direction, _ in theirs}
    for metric in metrics.objectives:
        if metric.name not in known:
            raise ConfigError(
                f"an earlier study must have measured the objectives, but {metric.name!r} is not among its metrics",
                f"its metrics: {', '.join(known)}",
            )
        if known[metric.name] != metric.direction:
            raise ConfigError(
                f"an earlier study must have the same directions, but {metric.name} was {known[metric.name]!r} there",
                "warm-start from a study with the same objectives",
            )
    found: list[dict[str, Any]] = []
    for record in records:
        params = {name: value for name, value in record.params.items() if name in space}
        inside = all(space[name].contains(value) for name, value in params.items())
        if record.state == "complete" and params and inside:
            found.append({"params": params, "values": [record.metrics[m.name] for m in metrics.objectives]})
    found.sort(key=lambda item: metrics.sign * item["values"][0])
    return found


@dataclass(frozen=True)
class EarlierStudy:
    """The trials of one earlier study.

    Args:
        trials: Its complete trials as Optuna's, best first; their numbers are negative.
        weight: Share of them, in [0, 1], that the sampler sees at the beginning.
        half: Number of own observations that halve that share.
    """

    trials: tuple[FrozenTrial, ...]
    weight: float
    half: int

    @classmethod
    def read(cls, stored: Mapping[str, Any], space: Space, source: StudyStorage, *, first: int) -> EarlierStudy:
        """Return what a journal holds; ``first`` trials of earlier studies were counted before."""
        half = max(_HALF_AT_LEAST, _HALF_PER_PARAMETER * len(space))
        trials = [
            _trial(item["params"], item["values"], space, source, number=-1 - first - index)
            for index, item in enumerate(stored["trials"])
        ]
        return cls(tuple(trials), float(stored["weight"]), half)

    def visible(self, own: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that still count beside the study's own ones, on the own scale."""
        done = [trial for trial in own if trial.state == TrialState.COMPLETE]
        count = round(self.weight * self.half / (self.half + len(done)) * len(self.trials))
        if count == 0:
            return []
        chosen = np.unique(np.linspace(0, len(self.trials) - 1, count).round().astype(int))
        if len(done) < _ENOUGH:
            return [self.trials[i] for i in chosen]
        told = np.array([trial.values for trial in done])
        before = np.array([trial.values for trial in self.trials])
        ranks = before.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable") / max(len(before) - 1, 1)
        moved = np.stack([np.quantile(told[:, j], ranks[:, j]) for j in range(told.shape[1])], axis=1)
        visible = [copied(self.trials[i]) for i in chosen]
        for trial, i in zip(visible, chosen, strict=True):
            trial.values = moved[i].tolist()
        return visible


def read_earlier(storage: StudyStorage, space: Space) -> list[EarlierStudy]:
    """Return what a journal holds of earlier studies, in the order in which they came."""
    found: list[EarlierStudy] = []
    for stored in storage.attributes.earlier:
        first = sum(len(known.trials) for known in found)
        found.append(EarlierStudy.read(stored, space, storage, first=first))
    return found


def _trial(
    params: Mapping[str, Any], values: Sequence[float], space: Space, source: StudyStorage, *, number: int
) -> FrozenTrial:
    """Return a complete trial of Optuna's; parameters that the earlier study had not are drawn at random."""
    scratch = Snapshot(source)
    seed = int(np.random.SeedSequence([-number]).generate_state(1)[0])
    scratch.queue({}, space.nearest(params))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.RandomSampler(seed=seed)
        study = optuna.load_study(study_name=scratch.study.study_name, storage=scratch, sampler=sampler)
        suggestion = optuna.trial.Trial(study, len(scratch.trials) - 1)
        space.sample(suggestion)
    drawn = scratch.trials[-1]
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.COMPLETE,
        value=None,
        values=list(values),
        params=drawn.params,
        distributions=drawn.distributions,
        user_attrs=TrialAttributes.of_earlier(drawn.params),
        system_attrs={},
        intermediate_values={},
        datetime_start=None,
        datetime_complete=None,
    )
