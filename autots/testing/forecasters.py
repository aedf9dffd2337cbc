"""The laws of a forecaster, for anyone's class: each is a function of a factory, and raises AssertionError.

    >>> from autots.models.catalog import create
    >>> for law in laws_of(create("naive")):
    ...     law.check(lambda: create("naive"))

A factory returns a new, unfitted forecaster each time. Which laws hold is read from what the class declares (``local``,
``covariates``), never from its type.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, Task
from autots.models.state_files import dump, load
from autots.panel import Future, Panel
from autots.testing.example_panels import EXAMPLE_HORIZON, example_future, example_panel, odd_histories, panel_of
from zoo.clock import Deadline, ManualClock
from zoo.errors import BudgetError, ModelError

__all__ = [
    "LAWS",
    "Factory",
    "Law",
    "law_named",
    "laws_of",
]

Factory: TypeAlias = Callable[[], Forecaster]

_TASK = Task(horizon=EXAMPLE_HORIZON, seasons=(4,), levels=(0.1, 0.3, 0.5, 0.7, 0.9))
_CONTEXT = Context(seed=7)


@dataclass(frozen=True)
class Law:
    """A property that forecasters keep.

    Args:
        name: The property as a sentence.
        check: Takes a factory; raises AssertionError where the law is broken.
        applies: Whether a forecaster is bound by it, by what it declares.
    """

    name: str
    check: Callable[[Factory], None]
    applies: Callable[[Forecaster], bool]


def laws_of(forecaster: Forecaster) -> tuple[Law, ...]:
    """Return the laws that bind a forecaster, by what its class declares."""
    return tuple(law for law in LAWS if law.applies(forecaster))


def law_named(name: str) -> Law:
    """Return the law of a name."""
    return next(law for law in LAWS if law.name == name)


def _fitted(build: Factory, panel: Panel, context: Context = _CONTEXT) -> Forecaster:
    return build().fit(panel, _TASK, context)


def _same(left: Forecast, right: Forecast, *, rtol: float = 0.0, why: str) -> None:
    scale = max(1e-300, float(np.abs(right.quantiles).max(initial=0.0)))
    for name in ("mean", "quantiles"):
        a, b = getattr(left, name), getattr(right, name)
        assert a.shape == b.shape, f"{why}: {name} has shape {a.shape}, not {b.shape}"
        gap = float(np.abs(a - b).max(initial=0.0))
        assert gap <= rtol * scale, f"{why}: {name} differs by {gap:g}"


def _sound(made: Forecast, n_series: int, *, why: str) -> None:
    shape = (n_series, _TASK.horizon)
    assert made.mean.shape == shape, f"{why}: mean has shape {made.mean.shape}, not {shape}"
    assert made.quantiles.shape == (*shape, len(_TASK.levels)), f"{why}: quantiles have shape {made.quantiles.shape}"
    assert np.isfinite(made.mean).all(), f"{why}: a mean is not finite"
    assert np.isfinite(made.quantiles).all(), f"{why}: a quantile is not finite"
    assert (np.diff(made.quantiles, axis=-1) >= 0).all(), f"{why}: quantiles cross"


def forecasts_have_their_shapes_and_quantiles_never_cross(build: Factory) -> None:
    """Check shapes, finiteness and order on ordinary series."""
    panel = example_panel()
    _sound(_fitted(build, panel).predict(panel, example_future(panel)), panel.n_series, why="ordinary series")


def fitting_again_forgets_the_first_fit(build: Factory) -> None:
    """Check that a second fit gives what a first one would."""
    panel, other = example_panel(), example_panel(5, lengths=(30, 44))
    future = example_future(panel)
    fresh = _fitted(build, panel).predict(panel, future)
    used = _fitted(build, other).fit(panel, _TASK, _CONTEXT)
    _same(used.predict(panel, future), fresh, why="after a fit on another panel")
    _same(used.fit(panel, _TASK, _CONTEXT).predict(panel, future), fresh, why="after the same fit twice")


def fit_does_not_change_hyperparameters(build: Factory) -> None:
    """Check that ``params`` are JSON values that fit leaves alone and that build an equal forecaster."""
    panel = example_panel()
    model = build()
    before = json.dumps(model.params.to_dict(), sort_keys=True)
    assert model.fit(panel, _TASK, _CONTEXT) is model, "fit must return the forecaster itself"
    assert json.dumps(model.params.to_dict(), sort_keys=True) == before, "fit changed a hyper-parameter"
    rebuilt = type(model)(**json.loads(before))
    assert rebuilt.params == model.params, "params do not build an equal forecaster"


def panels_are_not_changed(build: Factory) -> None:
    """Check that fit and predict work on arrays that cannot be written to, and leave them as they are."""
    panel = example_panel()
    future = example_future(panel)
    arrays = [panel.ids, panel.indptr, panel.times, panel.y, *panel.known.values(), *future.known.values()]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.setflags(write=False)
    _fitted(build, panel).predict(panel, future)
    for a, b in zip(arrays, before, strict=True):
        same = np.array_equal(a, b) if a.dtype == object else np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        assert same, "an array of the panel was changed"


def predicting_changes_nothing(build: Factory) -> None:
    """Check that predictions do not depend on those made before."""
    panel = example_panel()
    future = example_future(panel)
    model = _fitted(build, panel)
    first = model.predict(panel, future)
    model.predict(panel.drop_last(10), future)
    _same(model.predict(panel, future), first, why="after another prediction")


def series_order_does_not_matter(build: Factory) -> None:
    """Check that shuffled series give shuffled forecasts."""
    panel = example_panel()
    order = np.array([2, 0, 3, 1])
    future = example_future(panel)
    plain = _fitted(build, panel).predict(panel, future)
    turned = _fitted(build, panel.select(order)).predict(panel.select(order), future.select(order))
    # Sums over rows in another order differ in the last digits, and a global model learns from them.
    rtol = 1e-12 if build().local else 1e-6
    _same(turned, Forecast(plain.mean[order], plain.quantiles[order]), rtol=rtol, why="in another order")


def other_series_do_not_matter(build: Factory) -> None:
    """Check that a local model forecasts a series alone as it does among others."""
    panel = example_panel()
    together = _fitted(build, panel).predict(panel, example_future(panel))
    for i in range(panel.n_series):
        alone = panel.select([i])
        made = _fitted(build, alone).predict(alone, example_future(alone))
        _same(made, Forecast(together.mean[[i]], together.quantiles[[i]]), rtol=1e-12, why=f"series {i} alone")


def the_same_seed_gives_the_same_forecasts(build: Factory) -> None:
    """Check that two fits with one seed agree, whatever the global generator did."""
    panel = example_panel()
    future = example_future(panel)
    first = _fitted(build, panel).predict(panel, future)
    np.random.seed(1)  # the global generator is what must not matter
    _same(_fitted(build, panel).predict(panel, future), first, why="with the same seed")


def the_global_generators_are_left_alone(build: Factory) -> None:
    """Check that neither fit nor predict moves the global generators of Python and numpy."""
    panel = example_panel()
    before = random.getstate(), np.random.get_state()
    _fitted(build, panel).predict(panel, example_future(panel))
    assert random.getstate() == before[0], "Python's global generator was used"
    assert str(np.random.get_state()) == str(before[1]), "numpy's global generator was used"


def saving_and_loading_changes_nothing(build: Factory) -> None:
    """Check that a forecaster restored from disk forecasts the same, for old histories and longer ones."""
    panel = example_panel()
    earlier = panel.drop_last(8)
    model = _fitted(build, earlier)
    with tempfile.TemporaryDirectory() as folder:
        dump(model.state(), Path(folder), "model")
        state = load(Path(folder), "model")
    restored = type(model)(**json.loads(json.dumps(model.params.to_dict()))).restore(state)
    for history in (earlier, panel):
        future = example_future(history)
        _same(restored.predict(history, future), model.predict(history, future), rtol=1e-12, why="after loading")


def an_unfitted_forecaster_says_so(build: Factory) -> None:
    """Check that predict and state of an unfitted forecaster raise ModelError."""
    panel = example_panel()
    actions: tuple[Callable[[], object], ...] = (
        lambda: build().predict(panel, example_future(panel)),
        lambda: build().state(),
    )
    for action in actions:
        try:
            action()
        except ModelError:
            continue
        raise AssertionError("an unfitted forecaster must raise ModelError")


def odd_histories_give_finite_forecasts_or_a_model_error(build: Factory) -> None:
    """Check one odd series at a time, then all of them beside ordinary ones."""
    odd = odd_histories()
    for name, values in odd.items():
        history = panel_of([values], known=np.zeros(len(values)))
        try:
            made = _fitted(build, history).predict(history, example_future(history))
        except ModelError:
            continue
        _sound(made, 1, why=name)
    rng = np.random.default_rng(2)
    mixed = panel_of([*odd.values(), 9 + rng.normal(size=50)], known=rng.normal(size=50 + sum(map(len, odd.values()))))
    _sound(_fitted(build, mixed).predict(mixed, example_future(mixed)), mixed.n_series, why="odd series among others")


def a_longer_history_is_taken_into_account(build: Factory) -> None:
    """Check that new rows move the forecast of a fitted model, and that it does not fail on fewer."""
    panel = example_panel()
    earlier, future = panel.drop_last(6), example_future(panel)
    model = _fitted(build, earlier)
    plain = model.predict(panel, future)
    _sound(plain, panel.n_series, why="a longer history")
    _sound(model.predict(panel.drop_last(20), future), panel.n_series, why="a shorter history")
    raised = panel.y.copy()
    for end in panel.indptr[1:]:
        raised[end - 6 : end] += 15.0
    moved = model.predict(replace(panel, y=raised), future)
    _sound(moved, panel.n_series, why="a raised history")
    # One series may be white noise around a mean to a model, and then its last rows say nothing.
    assert not np.allclose(moved.quantiles, plain.quantiles), "six raised rows at the end move no forecast"


def a_history_that_starts_later_is_taken(build: Factory) -> None:
    """Check that a fitted model forecasts from the last rows of a history alone."""
    panel = example_panel()
    model = _fitted(build, panel.drop_last(6))
    _sound(model.predict(panel.tail(21), example_future(panel)), panel.n_series, why="the last 21 rows")


def repeated_ids_are_forecast_one_by_one(build: Factory) -> None:
    """Check that one series seen from several cutoffs gives the forecasts of each cutoff."""
    panel = example_panel()
    model = _fitted(build, panel.drop_last(10))
    views = [panel.drop_last(10), panel.drop_last(5), panel]
    parts = [
        panel_of(
            [view.series(i) for view in views],
            ids=[str(panel.ids[i])] * 3,
            known=np.concatenate([view.known["x"][view.indptr[i] : view.indptr[i + 1]] for view in views]),
        )
        for i in range(panel.n_series)
    ]
    for i, part in enumerate(parts):
        made = model.predict(part, example_future(part))
        for k, view in enumerate(views):
            single = model.predict(view.select([i]), example_future(view.select([i])))
            _same(Forecast(made.mean[[k]], made.quantiles[[k]]), single, rtol=1e-9, why=f"cutoff {k} of series {i}")


def ids_never_seen_are_forecast(build: Factory) -> None:
    """Check that a fitted model forecasts series that it was not fitted on."""
    panel = example_panel()
    model = _fitted(build, panel.select([0, 1]))
    _sound(model.predict(panel, example_future(panel)), panel.n_series, why="new ids")


def a_passed_deadline_is_a_budget_error_or_the_whole_fit(build: Factory) -> None:
    """Check that a fit which ran out of time leaves no half of a model behind."""
    panel = example_panel()
    future = example_future(panel)
    clock = ManualClock()
    deadline = Deadline.after(1.0, clock)
    clock.advance(2.0)
    model = build()
    try:
        model.fit(panel, _TASK, replace(_CONTEXT, deadline=deadline))
    except BudgetError:
        try:
            model.predict(panel, future)
        except ModelError:
            return
        raise AssertionError("a forecaster whose fit ran out of time must not predict") from None
    _same(
        model.predict(panel, future),
        _fitted(build, panel).predict(panel, future),
        why="a fit that ignores its deadline",
    )


def a_deadline_that_suffices_changes_nothing(build: Factory) -> None:
    """Check that a fit which has the time learns what one without a deadline does, to the last bit."""
    panel = example_panel()
    future = example_future(panel)
    model = _fitted(build, panel, replace(_CONTEXT, deadline=Deadline.after(1e6, ManualClock())))
    assert model.progress == 1.0
    _same(model.predict(panel, future), _fitted(build, panel).predict(panel, future), why="with time to spare")


def a_fit_that_its_time_ends_forecasts_and_says_so(build: Factory) -> None:
    """Check that a fit leaves a whole model when its time is over half-way, or raises a BudgetError."""
    panel, clock = example_panel(), ManualClock(tick=1.0)
    # Every look at the clock takes a second, so a whole fit takes as many seconds as it has looks.
    _fitted(build, panel, replace(_CONTEXT, deadline=Deadline.after(1e6, clock)))
    for share in (0.25, 0.5, 0.75):
        deadline = Deadline.after(share * clock.seconds, ManualClock(tick=1.0))
        model = build()
        with suppress(BudgetError):
            model.fit(panel, _TASK, replace(_CONTEXT, deadline=deadline))
            assert 0 < model.progress <= 1
            _sound(model.predict(panel, example_future(panel)), panel.n_series, why=f"after {share:g} of the time")


def fits_of_some_series_can_be_joined(build: Factory) -> None:
    """Check that fits of parts of a panel, joined, forecast what one fit of all of it does."""
    panel = example_panel()
    future = example_future(panel)
    joined = build().joined([_fitted(build, panel.select(rows)).state() for rows in ([0, 2], [1], [3])])
    whole = _fitted(build, panel).predict(panel, future)
    _same(build().restore(joined).predict(panel, future), whole, why="joined")


def a_high_level_costs_no_precision(build: Factory) -> None:
    """Check that series on a level of 1e9, or of -1e9, are forecast as on one of 1e6, but for the level."""
    panel = example_panel()
    future = example_future(panel)

    def made(level: float) -> Forecast:
        raised = replace(panel, y=panel.y + level)
        found = _fitted(build, raised).predict(raised, future)
        return Forecast(found.mean - level, found.quantiles - level)

    expected = made(1e6)
    for level in (1e9, -1e9):
        _same(made(level), expected, rtol=0.01, why=f"on a level of {level:g}")


def known_covariates_move_the_forecast(build: Factory) -> None:
    """Check that a declared use of known covariates is one: the series rise with "x", so the forecast must."""
    panel = example_panel(lengths=(60, 60, 60, 60))
    model = _fitted(build, panel)
    low, high = (model.predict(panel, example_future(panel, value=v)).mean for v in (-1.0, 1.0))
    assert (high - low).mean() > 1.0, f"x from -1 to 1 moves the mean forecast by {(high - low).mean():g}, not about 12"


def undeclared_covariates_do_not_matter(build: Factory) -> None:
    """Check that a model which declares no covariates forecasts the same without them."""
    panel = example_panel()
    bare = replace(panel, known={})
    _same(
        _fitted(build, bare).predict(bare, Future()),
        _fitted(build, panel).predict(panel, example_future(panel)),
        why="without covariates",
    )


def _always(_: Forecaster) -> bool:
    return True


def _law(check: Callable[[Factory], None], applies: Callable[[Forecaster], bool] = _always) -> Law:
    return Law(check.__name__, check, applies)


#: Every law, in the order of reading.
LAWS: tuple[Law, ...] = (
    _law(forecasts_have_their_shapes_and_quantiles_never_cross),
    _law(fitting_again_forgets_the_first_fit),
    _law(fit_does_not_change_hyperparameters),
    _law(panels_are_not_changed),
    _law(predicting_changes_nothing),
    _law(series_order_does_not_matter),
    _law(other_series_do_not_matter, lambda forecaster: forecaster.local),
    _law(the_same_seed_gives_the_same_forecasts),
    _law(the_global_generators_are_left_alone),
    _law(saving_and_loading_changes_nothing),
    _law(an_unfitted_forecaster_says_so),
    _law(odd_histories_give_finite_forecasts_or_a_model_error),
    _law(a_longer_history_is_taken_into_account),
    _law(a_history_that_starts_later_is_taken),
    _law(repeated_ids_are_forecast_one_by_one),
    _law(ids_never_seen_are_forecast),
    _law(a_passed_deadline_is_a_budget_error_or_the_whole_fit),
    _law(a_deadline_that_suffices_changes_nothing),
    _law(a_fit_that_its_time_ends_forecasts_and_says_so),
    _law(fits_of_some_series_can_be_joined, lambda forecaster: forecaster.local),
    _law(a_high_level_costs_no_precision, lambda forecaster: forecaster.shift_equivariant),
    _law(known_covariates_move_the_forecast, lambda forecaster: "known" in forecaster.covariates),
    _law(undeclared_covariates_do_not_matter, lambda forecaster: "known" not in forecaster.covariates),
)
