"""Who counts when a study is judged: what survived mutants of the ledger."""

from __future__ import annotations

from zoo.clock import ManualClock
from zoo.search import Float, Int, Metric, Space, Study, Trial

SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 5))


def ask(study: Study) -> Trial:
    trial = study.ask()
    assert trial is not None
    return trial


def test_a_trial_beyond_a_threshold_is_on_no_front_however_good_it_is() -> None:
    metrics = [Metric("loss", "minimize"), Metric("speed", "maximize"), Metric("latency", at_most=5.0)]
    with Study.open(None, SPACE, metrics=metrics) as study:
        study.tell(ask(study).number, {"loss": 1.0, "speed": 1.0, "latency": 4.0})
        study.tell(ask(study).number, {"loss": 0.0, "speed": 9.0, "latency": 6.0})
        ask(study)  # runs: it has nothing to show
        assert [record.number for record in study.pareto] == [0]
        study.set_threshold("latency", at_most=6.0)
        assert [record.number for record in study.pareto] == [1]


def test_stagnation_is_judged_in_the_order_in_which_trials_ended() -> None:
    for late_is_better in (True, False):
        clock = ManualClock()
        with Study.open(None, SPACE, metrics=[Metric("a", "maximize")], clock=clock) as study:
            trials = [ask(study) for _ in range(25)]
            # The last one asked ends first.
            for ended, trial in enumerate(reversed(trials)):
                clock.advance(1.0)
                study.tell(trial.number, {"a": float(ended if late_is_better else -ended)})
            assert study.converged is not late_is_better
