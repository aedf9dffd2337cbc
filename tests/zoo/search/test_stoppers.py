"""Who is stopped, who waits, who goes on, and when a study has converged."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from zoo.errors import ConfigError
from zoo.search.stoppers import ASHA, Curve, Median, Plateau, Rungs, make_stopper, stagnated
from zoo.search.stoppers.rungs import ladder
from zoo.testing.stoppers import play


def running(number: int, *values: float) -> Curve:
    return Curve(number, {step: value for step, value in enumerate(values, start=1)}, "running")


def test_asha_keeps_about_one_in_eta_at_each_rung() -> None:
    curves = play(ASHA(max_step=27), 200)
    reached = Counter(max(curve.values) for curve in curves)
    beyond = {rung: sum(count for step, count in reached.items() if step > rung) for rung in (1, 3, 9)}
    # Early trials are judged against few others, so a few more than a third go on.
    assert 200 / 3 <= beyond[1] <= 200 / 3 + 20
    assert 200 / 9 <= beyond[3] <= 200 / 9 + 25
    assert set(reached) <= {1, 3, 9, 27}


def test_pausing_asha_promotes_the_best_of_each_rung() -> None:
    curves = play(ASHA(pause=True, max_step=27), 81, workers=1)
    reached = Counter(max(curve.values) for curve in curves)
    # Some were the best only for a while.
    assert 27 <= sum(count for step, count in reached.items() if step > 1) <= 36
    # A trial that was promoted early may have been overtaken; the best of all is whole.
    best = min(curves, key=lambda curve: curve.values[1])
    assert best.state == "complete"


def test_asha_judges_a_report_that_jumps_over_a_rung() -> None:
    others = [Curve(n, {3: 0.1 * n}, "running") for n in range(3)]
    assert ASHA(max_step=27).decide([*others, Curve(9, {4: 0.9}, "running")], 9, 4) == "stop"
    assert ASHA(max_step=27).decide([*others, Curve(9, {4: -0.9}, "running")], 9, 4) == "continue"
    # The second report beyond the same rung is not judged.
    assert ASHA(max_step=27).decide([*others, Curve(9, {4: 0.9, 5: 0.9}, "running")], 9, 5) == "continue"


def test_the_median_rule_needs_company() -> None:
    others = [running(n, 0.1 * n, 0.1 * n) for n in range(5)]
    bad, good = running(9, 0.9, 0.9), running(9, 0.9, 0.15)
    assert Median().decide([*others, bad], 9, 2) == "stop"
    assert Median().decide([*others, good], 9, 2) == "continue"
    assert Median().decide([*others[:4], bad], 9, 2) == "continue"
    assert Median(min_step=3).decide([*others, bad], 9, 2) == "continue"


def test_a_plateau_is_left_unless_it_is_the_best() -> None:
    flat = running(1, 1.0, 0.5, 0.5, 0.5, 0.5)
    assert Plateau(patience=3).decide([running(0, 0.4), flat], 1, 5) == "stop"
    assert Plateau(patience=3).decide([running(0, 0.6), flat], 1, 5) == "continue"
    falling = running(1, 1.0, 0.9, 0.8, 0.7, 0.6)
    assert Plateau(patience=3).decide([running(0, 0.4), falling], 1, 5) == "continue"


def test_rungs_pause_everybody_once_per_rung() -> None:
    assert ladder(52) == (6, 17, 52)
    stopper = Rungs(52)
    values: dict[int, float] = {}
    decisions = []
    for step in range(1, 53):
        values[step] = 1.0 / step
        decisions.append(stopper.decide([Curve(0, dict(values), "running")], 0, step))
    assert [step for step, said in enumerate(decisions, start=1) if said == "pause"] == [6, 17]


def test_rungs_without_a_length_wait_for_a_whole_training() -> None:
    stopper = Rungs()
    young = Curve(1, {1: 0.5}, "running")
    assert stopper.decide([young], 1, 1) == "continue"
    whole = Curve(0, {step: 0.1 for step in range(1, 10)}, "complete")
    assert stopper.decide([whole, young], 1, 1) == "pause"


def test_a_study_has_converged_when_nothing_was_gained_for_long() -> None:
    falling = [1.0 / n for n in range(1, 40)]
    assert not stagnated(falling, dimension=3)
    assert stagnated([*falling[:10], *[0.5] * 15], dimension=3)
    assert not stagnated([*falling[:10], *[0.5] * 14, 0.01], dimension=3)
    assert not stagnated([0.5] * 15, dimension=3)  # nothing to compare with


@pytest.mark.parametrize(
    "make",
    [
        lambda: ASHA(eta=1),
        lambda: ASHA(min_step=5, max_step=4),
        lambda: Median(min_trials=0),
        lambda: Plateau(patience=0),
        lambda: Rungs(0),
        lambda: Rungs(9, eta=1),
        lambda: make_stopper("magic"),
        lambda: stagnated([1.0], dimension=0),
    ],
)
def test_impossible_rules_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.hint


def test_names_stand_for_stoppers() -> None:
    assert make_stopper(None) is None
    assert isinstance(make_stopper("auto"), Rungs)
    paused = make_stopper("asha_pause", 27)
    assert isinstance(paused, ASHA)
    assert paused.pause
    assert paused.max_step == 27
