"""From a finished search to members that are fitted on all rows, weighted and calibrated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autots.ensembles import ENOUGH, ROUNDS, Leaning, Weight, ensemble_weights, lean
from autots.evaluate import Backtest, Objective, Part, Plan
from autots.intervals import Conformal, fit_conformal
from autots.metrics import metric
from autots.models.base import Forecaster
from autots.models.catalog import create, fit_here
from autots.models.catalog import family as family_class
from autots.panel import Floats, Ints, Panel
from autots.search.board import Board, Entry
from autots.search.engine import Search
from autots.search.trial import Fitted, Request
from zoo.clock import Deadline
from zoo.workers import Workers

__all__ = ["Assembly", "Member", "assemble", "refit_seconds", "reserve"]

# Uncertainty of the time that a fit will take, judged by another one.
_SAFETY = 1.15
# Share of zeros from which the quantiles are weighted by themselves.
_MANY_ZEROS = 0.25
# Share of the budget for final fits: what does not fit in is used as its last backtest left it. Newest windows of M4
# (monthly, weekly): pooled models fitted anew are 0.5 to 4 % better than fits three horizons old (hospital: worse).
_REFIT = 0.2
# Seconds of one core that an ensemble may take per forecast value after a fit of a minute: 414 series x 48 steps then
# take half a second on two cores. Who waits longer for the fit may wait as much longer for a forecast, as boosters grow
# with the budget: five of them instead of one are 9 % better on M4 hourly's unseen windows.
_SECONDS_PER_VALUE, _MINUTE, _MOST_MINUTES = 3.5e-5, 60.0, 5.0
# What weights, calibration, unseen windows and facts take, in scores of all targets.
_PASSES = 40
# Targets that a calibration is learned from: its table has some hundred numbers. 300,000 series took 5 s for nothing.
_CALIBRATED = 300_000
# Seconds that no forecast is called slow for.
_SWIFT = 0.5
# How much more a model of single series gains by its final fit than a pooled one.
_LOCAL_AGES = 4.0
# How old that may be, in horizons or longest seasons.
_OLD = 4
# Seconds before the end at which a member is fitted in this process if no worker has brought one.
_LAST_CALL = 1.5
# Seconds before the end at which nobody waits for fits that were given what time was left over.
_SPARE = 1.2
# Seconds before the end at which members that are not back are left out.
_END = 0.4


@dataclass(frozen=True)
class Member:
    """A fitted part of the ensemble."""

    family: str
    model: Forecaster
    weight: Weight
    number: int


@dataclass(frozen=True)
class Assembly:
    """What a search ends with.

    Args:
        members: With weights (point, spread) that sum to one.
        conformal: The calibration, or None where nothing could be backtested.
        chosen: Weights by entry number, as chosen on all windows.
        unseen: Calibrated forecasts (Backtest) on the windows that no choice saw, of the ensemble that the selection
            windows alone chose; on the selection windows where there are no others.
        together: That ensemble's forecasts of all windows, uncalibrated; on the selection windows with weights of the
            series that were learned without the window.
        unseen_weights: That ensemble's weights by entry number.
        leaning: How single series depart from the members' weights, in the members' order, or None.
        aged: Names of members that are as their last backtest left them: a final fit did not fit into the time left.
        left_out: Names of members that are missing, as there was not even that.
    """

    members: tuple[Member, ...]
    conformal: Conformal | None
    chosen: dict[int, Weight]
    unseen: Backtest | None
    together: Backtest
    unseen_weights: dict[int, Weight]
    leaning: Leaning | None = None
    aged: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def refit_seconds(entries: Sequence[Entry], plan: Plan, lengths: Ints, workers: int) -> float:
    """Return the seconds that fitting some entries on all rows will take, longest first on the next free worker.

    A backtest's fits saw less: the time grows with the windows that fit before the cutoff.
    """
    ends = np.zeros(max(workers, 1))
    each = (_SAFETY * _growth(e, plan, lengths) * e.seconds_per_fit for e in entries if e.number >= 0)
    for seconds in sorted(each, reverse=True):
        ends[int(np.argmin(ends))] += seconds
    return float(ends.max())


def _growth(entry: Entry, plan: Plan, lengths: Ints) -> float:
    """Return how many times more rows the fit on all rows sees; learners draw no more than a fixed number."""
    usual = float(np.median(lengths)) - plan.horizon
    all_rows, seen = (max(usual - cut, 1.0) * len(lengths) for cut in (0.0, float(np.mean(plan.fits))))
    most = create(entry.family, **entry.params).most_rows(plan.horizon)
    return float(np.clip(min(all_rows, most) / min(seen, most), 1.0, 4.0))


def reserve(search: Search, workers: int) -> float:
    """Return the seconds to keep for the final fit, the calibration and the report."""
    budget, plan, lengths = search.deadline.budget, search.plan, search.panel.lengths
    by_number = {e.number: e for e in search.board.complete}
    likely = {n: (w, w) for n, w in search.likely_members.items()}
    allowed = _allowed(search.panel.n_series * plan.horizon, budget)
    weights = {n: w for n, (w, _) in _swift(likely, by_number, plan, allowed).items()}
    members = [by_number[n] for n in weights]
    predict = sum(e.predict_seconds for e in members) / max(len(plan.cutoffs), 1)
    targets = search.board.objective.targets.actual.size
    weigh = search.weighing * ROUNDS * min(targets, ENOUGH) * (2 if _weighs_twice(search.board.objective) else 1)
    usual = 1.5 + 4e-7 * search.panel.n_rows + 8e-6 * min(targets, 1_000_000)
    # What two idle cores need; busy ones show it by how work waits for them, or by a score of all targets.
    fixed = max(search.slower * usual, 1.5 + _PASSES * search.board.scoring) + weigh + 2 * predict
    if plan.fits[-1] <= _OLD * max(plan.horizon, *search.task.seasons):
        # What would be used as its backtest left it needs no time; nor does the last one for longer than its share.
        most = _REFIT * budget
        kept = _affordable(weights, members, plan, lengths, workers, most)
        refit = min(refit_seconds([by_number[n] for n in kept], plan, lengths, workers), most)
    else:
        refit = refit_seconds(members, plan, lengths, workers)
    return min(max(fixed + refit, 0.05 * budget), 0.6 * budget)


def assemble(
    board: Board,
    panel: Panel,
    driver: Workers | None,
    deadline: Deadline,
    *,
    seed: int,
    backtested: Callable[[Entry], Forecaster | None] = lambda _: None,
) -> Assembly:
    """Weigh, calibrate and fit the final ensemble.

    The reported score comes from the ensemble that the selection windows choose, on windows that they do not contain.
    The delivered ensemble is then weighted and calibrated on all windows: the same procedure with more evidence.

    Args:
        board: All candidates.
        panel: All rows.
        driver: Runs the final fits; None to run them here.
        deadline: The whole fit's.
        seed: Of the final fits.
        backtested: Returns an entry as its last backtest left it, or None.
    """
    objective = board.objective
    levels = objective.task.levels
    done = board.complete
    made = [e.made for e in done if e.made is not None]
    by_number = {e.number: e for e in done}
    allowed = _allowed(panel.n_series * objective.task.horizon, deadline.budget)
    first = _swift(_weights(objective, done, made, "selection"), by_number, objective.plan, allowed)
    second = first
    if objective.has_final:
        second = _swift(_weights(objective, done, made, "all"), by_number, objective.plan, allowed)
    workers = 1 if driver is None else driver.workers
    heavy = {n: max(weight) for n, weight in second.items()}
    # Who is late is used as its backtest left it, as if it had not been tried: no need to be cautious.
    hoped = _SAFETY * (deadline.remaining - 2.0)
    kept = _affordable(heavy, done, objective.plan, panel.lengths, workers, hoped)
    refitted = {n: second[n] for n in kept}
    if driver is not None:
        for n in kept:
            _submit(by_number[n], driver, deadline.remaining - 1.0, seed)
    # The workers fit while this process calibrates.
    non_negative = bool(np.nanmin(panel.y) >= 0)
    together = _lean(objective, by_number, first, "selection")[1]
    unseen = _unseen(objective, together, levels, non_negative)
    factors, conformal = _calibrated(objective, by_number, second, non_negative)
    spare = sorted(second.keys() - refitted.keys(), key=lambda n: -heavy[n])
    fitted = _collect(refitted, spare, board, panel, driver, deadline, seed=seed)
    aged = {n: model for n in second if n not in fitted and (model := backtested(by_number[n])) is not None}
    members = _members(second, {**fitted, **aged}, board, panel, seed)
    chosen = {m.number: m.weight for m in members}
    if set(chosen) != set(second):
        factors, conformal = _calibrated(objective, by_number, chosen, non_negative)
    left_out = tuple(by_number[n].model for n in second if n not in chosen)
    names = tuple(by_number[n].model for n in aged)
    leaning = None
    if factors is not None:
        columns = [factors[m.number] for m in members]
        leaning = Leaning(panel.ids, np.stack(columns, axis=1).astype(np.float32))
    return Assembly(members, conformal, chosen, unseen, together, first, leaning, names, left_out)


def _lean(
    objective: Objective,
    by_number: Mapping[int, Entry],
    weights: Mapping[int, Weight],
    part: Part,
    *,
    series: Ints | None = None,
) -> tuple[dict[int, Floats] | None, Backtest]:
    """Return the (S,) factors of each member, or None, and the ensemble's out-of-fold forecasts (of some series)."""
    members = [_made(by_number[n]) for n in weights]
    factors, made = lean(objective, members, list(weights.values()), part, series=series)
    return None if factors is None else dict(zip(weights, factors, strict=True)), made


def _calibrated(
    objective: Objective, by_number: Mapping[int, Entry], weights: Mapping[int, Weight], non_negative: bool
) -> tuple[dict[int, Floats] | None, Conformal]:
    targets, levels = objective.targets, objective.task.levels
    some = _some(targets.actual)
    factors, made = _lean(objective, by_number, weights, "all", series=some)
    actual, scale = (a if some is None else a[:, some] for a in (targets.actual, targets.scale))
    quantiles = objective.whole(made.quantiles, rows=some)
    return factors, fit_conformal(actual, quantiles, scale, levels, non_negative=non_negative)


def _some(actual: Floats) -> Ints | None:
    """Return evenly spaced series with as many of the (K, S, H) targets as a calibration needs; None for all."""
    step = actual.size // _CALIBRATED
    return np.arange(0, actual.shape[1], step) if step > 1 else None


def _made(entry: Entry) -> Backtest:
    assert entry.made is not None
    return entry.made


def _weights(objective: Objective, done: list[Entry], made: list[Backtest], part: Part) -> dict[int, Weight]:
    """Return each member's weight in the point forecast and in the quantiles.

    They are the same, but where many targets are zero: the best point forecast there is often zero itself, and says
    nothing about the quantiles.
    """
    kinds = [e.kind for e in done]
    point = ensemble_weights(objective, made, part=part, kinds=kinds)
    spread = point
    if _weighs_twice(objective):
        by_quantiles = replace(objective, metric=metric("sql"))
        spread = ensemble_weights(by_quantiles, made, part=part, kinds=kinds, most=4, enough=30_000)
    pairs = zip(point.tolist(), spread.tolist(), strict=True)
    return {e.number: pair for e, pair in zip(done, pairs, strict=True) if max(pair) > 0}


def _weighs_twice(objective: Objective) -> bool:
    """Return whether the quantiles have weights of their own."""
    return objective.zero_share > _MANY_ZEROS and not objective.needs_quantiles


def _allowed(values: int, budget: float) -> float:
    """Return the seconds of one core that a forecast of so many values may take."""
    return max(_SWIFT, _SECONDS_PER_VALUE * values) * min(max(budget / _MINUTE, 1.0), _MOST_MINUTES)


def _swift(weights: dict[int, Weight], by_number: Mapping[int, Entry], plan: Plan, seconds: float) -> dict[int, Weight]:
    """Return the weights without what is slowest for its weight, until a forecast takes no longer than ``seconds``."""
    each = {n: by_number[n].predict_seconds / max(len(plan.cutoffs), 1) for n in weights}
    kept = sorted(weights, key=lambda n: -max(weights[n]))
    while len(kept) > 1 and sum(each[n] for n in kept) > seconds:
        kept.remove(max(kept[1:], key=lambda n: each[n] / max(weights[n])))
    return _normalised({n: weights[n] for n in kept})


def _affordable(
    weights: Mapping[int, float], done: Sequence[Entry], plan: Plan, lengths: Ints, workers: int, seconds: float
) -> list[int]:
    """Return the numbers of the members, longest first, whose final fits together take no longer than ``seconds``."""
    by_number = {e.number: e for e in done}
    kept = sorted(weights, key=lambda n: -weights[n])
    # The trivial forecasters cost nothing, and stay though no time is left at all.
    while len(kept) > 1 and refit_seconds([by_number[n] for n in kept], plan, lengths, workers) > max(seconds, 0.0):
        # What costs most for its weight goes first; a pooled model ages least.
        kept.remove(max(kept, key=lambda n: by_number[n].seconds_per_fit / weights[n] / _ages(by_number[n])))
    return sorted(kept, key=lambda n: -by_number[n].seconds_per_fit)


def _ages(entry: Entry) -> float:
    return _LOCAL_AGES if family_class(entry.family).local else 1.0


def _submit(entry: Entry, driver: Workers, seconds: float, seed: int) -> None:
    """Give a searched member to the workers; the trivial ones are fitted here."""
    if entry.number >= 0:
        left = max(seconds, 0.5)
        request = Request("fit", entry.family, entry.params, seed, left)
        driver.submit(f"fit {entry.number}", request, timeout=left + 1.0)


def _collect(
    weights: dict[int, Weight],
    spare: list[int],
    board: Board,
    panel: Panel,
    driver: Workers | None,
    deadline: Deadline,
    *,
    seed: int,
) -> dict[int, Forecaster]:
    """Return what comes back in time, and the trivial members, which are fitted here.

    Args:
        weights: The members that are waited for.
        spare: More members, for workers that are idle before the end.
        board: Has their entries.
        panel: All rows.
        driver: Has the members' fits; None to fit them here.
        deadline: The whole fit's.
        seed: Of the fits.
    """
    by_number = {e.number: e for e in board.complete}
    plan = board.objective.plan
    fitted = {
        n: fit_here(by_number[n].family, by_number[n].params, panel, board.objective.task, seed)
        for n in weights
        if n < 0 or driver is None
    }
    while driver is not None:
        while driver.idle > 0 and spare:
            entry, left = by_number[spare.pop(0)], deadline.remaining - _SPARE
            if refit_seconds([entry], plan, panel.lengths, 1) < left:
                _submit(entry, driver, left, seed)
        if not driver.running:
            break
        for event in driver.wait(min(max(deadline.remaining, 0.1), 0.5)):
            if event.status == "done" and isinstance(event.result, Fitted):
                n = int(event.key.removeprefix("fit "))
                entry = by_number[n]
                fitted[n] = create(entry.family, **entry.params).restore(event.result.state)
        if not fitted and deadline.remaining < _LAST_CALL:
            fitted = _rescue(weights, by_number, board, panel, seed)
        if deadline.remaining < (_SPARE if fitted.keys() >= weights.keys() else _END):
            for key in driver.running:
                driver.cancel(key)
    return fitted


def _members(
    weights: dict[int, Weight], fitted: dict[int, Forecaster], board: Board, panel: Panel, seed: int
) -> tuple[Member, ...]:
    """Return the fitted members, heaviest first; the best of the trivial forecasters where there is none."""
    by_number = {e.number: e for e in board.complete}
    if not fitted:
        trivial = next(e for e in board.complete if e.number < 0)
        fitted = {trivial.number: fit_here(trivial.family, trivial.params, panel, board.objective.task, seed)}
        weights = {trivial.number: (1.0, 1.0)}
    # Fits end in any order; sums of floats in that order would differ in their last bit from run to run.
    shares = _normalised({n: weights[n] for n in sorted(fitted)})
    heaviest = sorted(shares, key=lambda n: (-max(shares[n]), n))
    return tuple(Member(by_number[n].family, fitted[n], shares[n], n) for n in heaviest)


def _normalised(weights: dict[int, Weight]) -> dict[int, Weight]:
    """Return weights whose both columns sum to one, though some members may be gone."""
    point, spread = (sum(w[i] for w in weights.values()) for i in range(2))
    even = 1 / max(len(weights), 1)
    return {n: (p / point if point else even, s / spread if spread else even) for n, (p, s) in weights.items()}


def _rescue(
    weights: dict[int, Weight], by_number: Mapping[int, Entry], board: Board, panel: Panel, seed: int
) -> dict[int, Forecaster]:
    """Fit the heaviest member that takes no time in this process: the workers were killed and are not back yet."""
    plan = board.objective.plan
    quick = [n for n in weights if refit_seconds([by_number[n]], plan, panel.lengths, 1) < _LAST_CALL / 2]
    if not quick:
        return {}
    n = max(quick, key=lambda n: max(weights[n]))
    return {n: fit_here(by_number[n].family, by_number[n].params, panel, board.objective.task, seed)}


def _unseen(objective: Objective, made: Backtest, levels: tuple[float, ...], non_negative: bool) -> Backtest:
    """Return the calibrated forecasts of the windows that nothing was chosen or calibrated on."""
    selection = objective.windows("selection")
    targets = objective.targets
    actual, raw, scale = targets.actual[selection], made.quantiles[selection], targets.scale[selection]
    some = _some(actual)
    if some is not None:
        actual, raw, scale = actual[:, some], raw[:, some], scale[:, some]
    quantiles = objective.whole(raw, selection, some)
    conformal = fit_conformal(actual, quantiles, scale, levels, non_negative=non_negative)
    part = objective.windows("final") if objective.has_final else selection
    pairs = zip(objective.whole(made.quantiles[part], part), targets.scale[part], strict=True)
    calibrated = np.stack([conformal.apply(q, s) for q, s in pairs]) - targets.above(part)[..., None]
    return Backtest(made.mean[part], calibrated.astype(np.float32), made.fit_seconds, made.predict_seconds)
