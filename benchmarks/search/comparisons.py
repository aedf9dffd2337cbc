"""What the runs say: one record per comparison, with medians and intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.search.studies import Job

__all__ = ["Found", "summarise"]

#: What came out of each job.
Found = Sequence[tuple[Job, Mapping[str, Any]]]

_BASE, _OURS = "tpe, synchronous", "default"
_ROUNDS = 2000
_PRIOR_TRIALS = 40


def summarise(found: Found) -> Iterator[dict[str, Any]]:
    """Return one record per comparison for which there are runs."""
    by_kind: dict[str, list[tuple[Job, Mapping[str, Any]]]] = {}
    for job, result in found:
        by_kind.setdefault(job.kind, []).append((job, result))
    for workers in sorted({job.workers for job, _ in found}):
        races = [pair for pair in by_kind.get("race", []) if pair[0].workers == workers]
        counts = [pair for pair in by_kind.get("count", []) if pair[0].workers == workers]
        if races:
            yield _utilisation(races, workers)
        if counts:
            yield _same_count(counts, workers)
        if races:
            yield from _regrets(races, workers)
            yield _speed(races, workers)
    if "priors" in by_kind:
        yield from _priors(by_kind["priors"])
    if "limits" in by_kind:
        yield from _limits(by_kind["limits"])


def _head(name: str, found: Found, **more: Any) -> dict[str, Any]:
    tasks = sorted({job.task for job, _ in found}, key=int)
    seeds = len({job.seed for job, _ in found})
    return {"comparison": name, "tasks": tasks, "seeds": seeds, "runs": len(found), **more}


def _median(values: Any) -> dict[str, float]:
    """Return the median and its 95 % bootstrap interval; infinite values are those that never came."""
    array = np.array(values, dtype=float)
    drawn = np.random.default_rng(0).choice(array, (_ROUNDS, len(array)))
    # The lower middle: a mean of a number and infinity says nothing.
    middles = np.sort(np.sort(drawn, axis=1)[:, (len(array) - 1) // 2])
    low, high = middles[int(0.025 * _ROUNDS)], middles[int(0.975 * _ROUNDS)]
    middle = float(np.sort(array)[(len(array) - 1) // 2])
    return {"median": round(middle, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _utilisation(found: Found, workers: int) -> dict[str, Any]:
    shares = {name: [float(r["utilisation"][name]) for _, r in found] for name in (_OURS, _BASE)}
    ours = _median(shares[_OURS])
    return _head(
        "1 utilisation", found, workers=workers, default=ours, synchronous=_median(shares[_BASE]),
        asked=">= 0.97", reached=ours["median"] >= 0.97,
    )  # fmt: skip


def _same_count(found: Found, workers: int) -> dict[str, Any]:
    names = [name for name in found[0][1]["length"] if name != _BASE]
    ratios = {name: _median([r["length"][name] / r["length"][_BASE] for _, r in found]) for name in names}
    gaps = {
        name: _median([r["best"][name] - r["best"][_BASE] for _, r in found])
        for name in names
        if name in found[0][1]["best"]
    }
    least = _median([r["utilisation"][_BASE] for _, r in found])
    return _head(
        "2 wall clock of 128 whole trainings, as a share of batch-synchronous TPE's", found, workers=workers,
        share=ratios, accuracy_gained=gaps, least_possible_for_the_same_trainings=least, asked="<= 0.50",
        reached=ratios["study, tpe"]["median"] <= 0.5,
    )  # fmt: skip


def _regrets(found: Found, workers: int) -> Iterator[dict[str, Any]]:
    """Yield a paired test of the default against each other method at equal virtual time."""
    from scipy.stats import wilcoxon

    best = {job.task: 0.0 for job, _ in found}
    for job, result in found:
        best[job.task] = max(best[job.task], *result["best"].values())
    # Accuracies differ in scale from task to task: regrets are divided by what synchronous TPE typically misses.
    width = {
        task: np.mean([best[task] - r["best"][_BASE] for job, r in found if job.task == task]) + 1e-9 for task in best
    }
    for other in dict.fromkeys(name for _, result in found for name in result["best"] if name != _OURS):
        pairs = [(job, r) for job, r in found if other in r["best"]]
        mine = np.array([(best[job.task] - r["best"][_OURS]) / width[job.task] for job, r in pairs])
        theirs = np.array([(best[job.task] - r["best"][other]) / width[job.task] for job, r in pairs])
        gap = theirs - mine
        p = float(wilcoxon(gap, alternative="greater").pvalue) if np.any(gap) else 1.0
        yield _head(
            "3 final regret at equal virtual time", pairs, workers=workers, against=other,
            default=_median(mine), other=_median(theirs), wins=int((gap > 0).sum()), losses=int((gap < 0).sum()),
            p_value=p, asked="p < 0.05", reached=p < 0.05,
        )  # fmt: skip


def _speed(found: Found, workers: int) -> dict[str, Any]:
    names = list(dict.fromkeys(name for _, result in found for name in result["share"] if name != _BASE))
    shares = {name: [float(r["share"][name]) for _, r in found if name in r["share"]] for name in names}
    medians = {name: _median(values) for name, values in shares.items()}
    never = {name: round(float(np.mean(np.isinf(values))), 3) for name, values in shares.items()}
    tasks = sorted({job.task for job, _ in found}, key=int)
    by_task = {
        task: _median([float(r["share"][_OURS]) for job, r in found if job.task == task])["median"] for task in tasks
    }
    return _head(
        "3 share of synchronous TPE's time until its final best is reached", found, workers=workers,
        share=medians, never=never, default_by_task=by_task, asked="<= 0.40, aim 0.25",
        reached=medians[_OURS]["median"] <= 0.4,
    )  # fmt: skip


def _priors(found: Found) -> Iterator[dict[str, Any]]:
    """Yield how many trials a prior saves or costs until what a search without one typically finds in 40."""
    tasks = sorted({job.task for job, _ in found}, key=int)
    for sampler in ("gp", "tpe"):
        ratios: dict[str, list[float]] = {"near": [], "far": []}
        for task in tasks:
            runs = [result for job, result in found if job.task == task]
            goal = float(np.median([r[f"{sampler}, none"][_PRIOR_TRIALS - 1] for r in runs]))
            needed = {name: [_trials(r[f"{sampler}, {name}"], goal) for r in runs] for name in ("none", "near", "far")}
            middle = {name: float(np.sort(values)[(len(values) - 1) // 2]) for name, values in needed.items()}
            for name, values in ratios.items():
                values.append(middle[name] / middle["none"])
        for name, asked in (("near", 0.5), ("far", 1.25)):
            found_ratio = _median(ratios[name])
            yield _head(
                f"4 trials to the same regret with a prior {name} the optimum, as a share of those without",
                found, sampler=sampler, share=found_ratio,
                by_task=dict(zip(tasks, np.round(ratios[name], 3).tolist(), strict=True)),
                asked=f"<= {asked}", reached=found_ratio["median"] <= asked,
            )  # fmt: skip


def _trials(bests: Sequence[float], goal: float) -> float:
    return float(next((index for index, value in enumerate(bests, start=1) if value >= goal), np.inf))


def _limits(found: Found) -> Iterator[dict[str, Any]]:
    for sampler in ("gp", "tpe"):
        heeded = [float(result[f"{sampler}, heeded"]) for _, result in found]
        ignored = [float(result[f"{sampler}, ignored"]) for _, result in found]
        mean = float(np.mean(heeded))
        yield _head(
            "5 infeasible share of the second half under a limit on the network's size", found, sampler=sampler,
            mean=round(mean, 4), heeded=_median(heeded), ignored=_median(ignored),
            ignored_mean=round(float(np.mean(ignored)), 4), asked="<= 0.15", reached=mean <= 0.15,
        )  # fmt: skip
