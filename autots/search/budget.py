"""How a budget of seconds is spent: every share, reserve, floor and cap of a fit, and what follows from them.

``BudgetPolicy`` holds the numbers; its methods are functions of the policy, of what was measured on this machine, and
of the seconds that have passed. They read no clock and start nothing, so that tests run them in virtual time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from zoo.clock import Clock, Deadline
from zoo.errors import ConfigError

__all__ = ["BudgetPolicy", "MeasuredSpeed"]

# What the end of a field's name says of its unit: the first one that fits is the rule that the value keeps.
_UNITS: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
    ("_per_second", "above 0", lambda value: value > 0),
    ("_share", "from 0 to 1", lambda value: 0 <= value <= 1),
    ("_ratio", "above 0", lambda value: value > 0),
    ("", "0 or more", lambda value: value >= 0),
)


@dataclass(frozen=True)
class MeasuredSpeed:
    """What a fit has seen of the speed of this machine.

    Args:
        slowdown: Wall-clock seconds for each second of processor time (1 or more): other programs want the cores, too.
        scoring_seconds: Seconds that the last score of all targets took.
        weighing_seconds: Seconds that one round of weighing all complete candidates takes for each target.
        calibrating_seconds: Seconds that calibrating the ensemble took when it was rehearsed; 0 where it was not.
    """

    slowdown: float = 1.0
    scoring_seconds: float = 0.0
    weighing_seconds: float = 0.0
    calibrating_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BudgetPolicy:
    """The constants by which a fit keeps its budget. The end of a name is its unit; shares are of the whole budget.

    >>> BudgetPolicy().trial_seconds(left=100.0, budget=60.0)
    15.0

    Args:
        shutdown_seconds: Kept at the end for writing the run and for Ray's end, which takes up to two seconds.
        shutdown_share: Most of the budget that is kept for that.
        write_seconds_per_row: What each row of the panel adds to writing the run.
        write_seconds_per_series: What each series adds to writing the run.
        write_share: Most of the budget that those additions may take.
        max_slowdown_ratio: Most that work is taken to be slowed down by other programs.
        slowdown_min_seconds: Wall-clock seconds below which a measurement says nothing about the machine's load.

        history_rows_per_second: Rows of all series together that are looked at, for each second of the budget; a
            learner draws 1,600 of them.
        history_min_rows: Rows of every series that are kept whatever the budget; no public set that we measure on
            reaches this number or the next two.
        history_min_seasons: Longest seasons of every series that are kept whatever the budget.
        history_min_horizons: Horizons of every series that are kept whatever the budget.
        history_min_saving_ratio: Part of the rows that a cut must save to be worth a message.
        backtest_seconds_per_window: What a trivial forecaster's backtest takes for each window of a series.
        backtest_seconds_per_row: What it takes for each row before each window.
        backtest_free_seconds: A first backtest that takes less is made whatever the time.
        backtest_rest_ratio: Times that backtest which must be left: weights, calibration and facts take as long again.
        refit_rows_per_second: Rows of a panel, for each second of the budget, up to which a candidate is fitted anew at
            several cutoffs of its backtest.

        inline_budget_seconds: Budget below which a small table is searched in this process: the whole portfolio took
            4 s on 144 rows, while Ray was not ready after 10 s.
        inline_rows: Rows up to which a table is small in that sense.
        inline_import_seconds: Time that must be left to import the learners in this process.
        pool_start_seconds: Time that must be left to start Ray (four seconds) and a worker with its imports (three).
        pool_connect_seconds: Time that must be left where Ray runs already.
        pool_start_ratio: Part of the time left that Ray may take to start.

        trivial_share: What the trivial forecasters may take together, but for seasonal naive, which is always made.
        trivial_free_seconds: A backtest of one of them that takes less is not counted.
        trivial_seconds: Deadline of each of them.

        trial_share: What one trial may take.
        trial_min_seconds: The shortest deadline that a trial is given.
        trial_kill_seconds: A worker that ignores a deadline is killed so long after it.
        margin_share: By so much a trial's deadline precedes the end of the search, as the reserve may yet grow.
        drain_seconds: Time that running trials have to notice that theirs is over: a killed worker takes seconds to
            come back.
        import_seconds: What importing and compiling may take a worker in the first trial of a family.
        first_share: Longest first part of a trial of all series; what is not whole then may go on.
        race_share: Of the budget, for the first part of every family that the portfolio begins with.
        race_min_seconds: Least that such a part is given, which a sample of a few series needs.
        part_share: What a further part of a model of single series takes.
        whole_share: Share of its work from which a trial counts as whole.
        refit_share: What a local model's backtest may take to be fitted anew before each window.
        rival_ratio: Times the best score on the sample beyond which it does not go on to all series.
        sample_divisor: A sample has one in so many series,
        sample_max_series: but no more than this,
        sample_min_series: and a panel of which it would have fewer than this is not sampled.
        patience_trials: Trials in a row without a better ensemble after which the search ends by itself.
        min_gain_ratio: Part by which a loss must fall to count as a better ensemble.
        interim_rounds: Rounds of the forward selection that weighs the ensemble after each trial,
        interim_targets: and targets on which it does.

        reserve_seconds: Kept in the reserve for weights, calibration and facts of the smallest panel.
        reserve_seconds_per_row: What each row of the panel adds to that.
        reserve_seconds_per_target: What each target of the windows adds to that.
        reserve_max_targets: Targets that add to it at most.
        reserve_scoring_passes: How many scores of all targets weights, calibration and facts take.
        rehearsal_share: Of the budget, after which calibrating is rehearsed, so that the reserve is measured.
        rehearsal_max_share: What it may be expected to take of the budget; else it is not rehearsed.
        rehearsed_ratio: What is kept for calibrating, for each second of the rehearsal.
        reserve_min_share: The least that is kept in reserve.
        reserve_max_share: The most that is kept in reserve, and so taken from the search.
        calibration_targets: Targets that a calibration is learned from: its table has some hundred numbers, and
            300,000 series took 5 s for nothing.

        refit_safety_ratio: A final fit may take so much longer than another fit lets expect.
        refit_max_growth_ratio: Most by which more rows make a final fit longer.
        final_fit_share: What final fits may take; what does not fit in is used as its last backtest left it. Newest
            windows of M4 (monthly, weekly): pooled models fitted anew are 0.5 to 4 % better than fits three horizons
            old (hospital: worse).
        final_fit_max_age: Horizons or longest seasons up to which a last backtest is recent enough for that.
        local_gain_ratio: How much more a model of single series gains by its final fit than a pooled one.
        final_fit_margin_seconds: Left free when members are chosen for a final fit.
        final_fit_return_seconds: Time before the end at which a final fit must be back.
        last_call_seconds: Before the end, when a member is fitted in this process if no worker has brought one.
        spare_fit_seconds: Before the end, when nobody waits any longer for fits that were given left-over time.
        give_up_seconds: Before the end, when members that are not back are left out.

        forecast_seconds: What a forecast of the ensemble may take on one core, whatever its size.
        forecast_seconds_per_value: What it may take for each value, after a budget of a minute: 414 series x 48 steps
            then take half a second on two cores.
        forecast_budget_seconds: That minute. Who waits longer for the fit may wait as much longer for a forecast, as
            boosters grow with the budget: five of them instead of one are 9 % better on M4 hourly's unseen windows.
        forecast_max_ratio: Most by which a longer budget lengthens both.

    Raises:
        ConfigError: A value is not one of its unit, or two values contradict each other.
    """

    shutdown_seconds: float = 1.5
    shutdown_share: float = 0.1
    write_seconds_per_row: float = 3e-7
    write_seconds_per_series: float = 5e-6
    write_share: float = 0.2
    max_slowdown_ratio: float = 4.0
    slowdown_min_seconds: float = 0.5

    history_rows_per_second: float = 10_000
    history_min_rows: int = 50_000
    history_min_seasons: int = 20
    history_min_horizons: int = 100
    history_min_saving_ratio: float = 0.2
    backtest_seconds_per_window: float = 2e-6
    backtest_seconds_per_row: float = 3e-9
    backtest_free_seconds: float = 0.5
    backtest_rest_ratio: float = 2.0
    refit_rows_per_second: float = 600

    inline_budget_seconds: float = 30.0
    inline_rows: int = 20_000
    inline_import_seconds: float = 3.0
    pool_start_seconds: float = 9.0
    pool_connect_seconds: float = 5.0
    pool_start_ratio: float = 0.4

    trivial_share: float = 0.2
    trivial_free_seconds: float = 0.2
    trivial_seconds: float = 60.0

    trial_share: float = 0.45
    trial_min_seconds: float = 0.5
    trial_kill_seconds: float = 3.0
    margin_share: float = 0.02
    drain_seconds: float = 2.0
    import_seconds: float = 8.0
    first_share: float = 0.25
    race_share: float = 0.2
    race_min_seconds: float = 1.0
    part_share: float = 0.05
    whole_share: float = 0.9
    refit_share: float = 0.2
    rival_ratio: float = 1.5
    sample_divisor: int = 4
    sample_max_series: int = 24
    sample_min_series: int = 4
    patience_trials: int = 80
    min_gain_ratio: float = 0.0005
    interim_rounds: int = 10
    interim_targets: int = 15_000

    reserve_seconds: float = 1.5
    reserve_seconds_per_row: float = 4e-7
    reserve_seconds_per_target: float = 8e-6
    reserve_max_targets: int = 1_000_000
    reserve_scoring_passes: int = 40
    rehearsal_share: float = 0.35
    rehearsal_max_share: float = 0.08
    rehearsed_ratio: float = 1.5
    reserve_min_share: float = 0.05
    reserve_max_share: float = 0.6
    calibration_targets: int = 300_000

    refit_safety_ratio: float = 1.15
    refit_max_growth_ratio: float = 4.0
    final_fit_share: float = 0.2
    final_fit_max_age: int = 4
    local_gain_ratio: float = 4.0
    final_fit_margin_seconds: float = 2.0
    final_fit_return_seconds: float = 1.0
    last_call_seconds: float = 1.5
    spare_fit_seconds: float = 1.2
    give_up_seconds: float = 0.4

    forecast_seconds: float = 0.5
    forecast_seconds_per_value: float = 3.5e-5
    forecast_budget_seconds: float = 60.0
    forecast_max_ratio: float = 5.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            rule, keeps = next((rule, keeps) for end, rule, keeps in _UNITS if one.name.endswith(end))
            if not (math.isfinite(value) and keeps(value)):
                raise ConfigError(f"{one.name} must be {rule}, but got {value!r}")
        for least, most in (
            ("reserve_min_share", "reserve_max_share"),
            ("give_up_seconds", "spare_fit_seconds"),
            ("spare_fit_seconds", "last_call_seconds"),
            ("sample_min_series", "sample_max_series"),
        ):
            if getattr(self, least) > getattr(self, most):
                raise ConfigError(
                    f"{least} must not be above {most}, but got {getattr(self, least)!r} and {getattr(self, most)!r}"
                )

    # The whole fit ---------------------------------------------------------------------------------------------------

    def shutdown(self, budget: float) -> float:
        """Return the seconds of a budget that are kept for writing the run and for Ray's end."""
        return min(self.shutdown_seconds, self.shutdown_share * budget)

    def deadline(self, budget: float, *, already_spent: float = 0.0, clock: Clock | None = None) -> Deadline:
        """Return when the fit itself must be done, ``already_spent`` seconds of the budget being gone."""
        return Deadline.after(budget - self.shutdown(budget), clock, already_spent=already_spent)

    def slowdown(self, wall: float, processor: float) -> float:
        """Return how much longer work takes than its processor time, from the seconds of both since the start."""
        if wall < self.slowdown_min_seconds:
            return 1.0
        return min(max(wall / max(processor, 1e-3), 1.0), self.max_slowdown_ratio)

    def writing(self, budget: float, rows: int, series: int, speed: MeasuredSpeed) -> float:
        """Return the seconds, beside ``shutdown``, that writing a run of so many rows and series takes."""
        shutdown = self.shutdown(budget)
        work = shutdown + self.write_seconds_per_row * rows + self.write_seconds_per_series * series
        return min(speed.slowdown * work - shutdown, self.write_share * budget)

    # What is looked at -----------------------------------------------------------------------------------------------

    def history_rows(self, budget: float, n_series: int, *, season: int, horizon: int) -> int:
        """Return the newest rows of each series that are looked at, for its longest season and the horizon in rows."""
        share = int(self.history_rows_per_second * budget / n_series)
        least = (self.history_min_rows, self.history_min_seasons * season, self.history_min_horizons * horizon)
        return max(share, *least)

    def backtest_seconds(self, windows: int, n_series: int, n_rows: int) -> float:
        """Return about the seconds that a trivial forecaster's backtest takes."""
        return self.backtest_seconds_per_window * windows * n_series + self.backtest_seconds_per_row * windows * n_rows

    def backtest_comes_too_late(self, seconds: float, remaining: float) -> bool:
        """Return whether not even a backtest of so many seconds, and what follows it, fits into the time left."""
        return seconds >= self.backtest_free_seconds and remaining <= self.backtest_rest_ratio * seconds

    def refitted_rows(self, budget: float) -> int:
        """Return the rows up to which a candidate is fitted at several cutoffs."""
        return int(self.refit_rows_per_second * budget)

    # Where trials run ------------------------------------------------------------------------------------------------

    def searches_inline(self, budget: float, n_rows: int) -> bool:
        """Return whether a search in this process finds more than workers that must be started first."""
        return budget < self.inline_budget_seconds and n_rows <= self.inline_rows

    def can_import(self, remaining: float) -> bool:
        """Return whether this process can import the learners in the time left."""
        return remaining >= self.inline_import_seconds

    def can_start_pool(self, remaining: float, *, connected: bool) -> bool:
        """Return whether workers can be started in the time left; ``connected`` where Ray runs already."""
        return remaining >= (self.pool_connect_seconds if connected else self.pool_start_seconds)

    def pool_patience(self, remaining: float) -> float:
        """Return the seconds that Ray may take to start."""
        return max(self.pool_start_ratio * remaining, self.pool_start_seconds)

    # Trials ----------------------------------------------------------------------------------------------------------

    def trivial_fits(self, longest: float, *, spent: float, budget: float, remaining: float) -> bool:
        """Return whether one more trivial forecaster may be backtested.

        Args:
            longest: Seconds that the slowest one so far took.
            spent: Seconds that all of them took.
            budget: Seconds of the fit.
            remaining: Seconds of it that are left.
        """
        return longest <= self.trivial_free_seconds or longest <= min(self.trivial_share * budget - spent, remaining)

    def search_left(self, remaining: float, reserve: float, budget: float) -> float:
        """Return the seconds that trials may still take, ``reserve`` of those remaining being kept for the end."""
        return remaining - reserve - self.margin_share * budget

    def trial_seconds(self, left: float, budget: float, *, again: bool = False) -> float:
        """Return the seconds that a trial of all series is given, of those ``left`` for all trials.

        Args:
            left: Seconds that trials may still take.
            budget: Seconds of the whole fit.
            again: Whether it was given its first part already, which did not suffice.
        """
        return max(min(left, (self.trial_share if again else self.first_share) * budget), self.trial_min_seconds)

    def can_rehearse(self, elapsed: float, budget: float, n_rows: int, n_targets: int) -> bool:
        """Return whether it is time, and costs little, to rehearse the calibration of so many targets."""
        usual = self.assembly_seconds(n_rows, n_targets, MeasuredSpeed())
        return elapsed >= self.rehearsal_share * budget and usual <= self.rehearsal_max_share * budget

    def kill_seconds(self, *, first: bool) -> float:
        """Return the seconds after its own ones at which a trial is killed; the ``first`` one of a family imports."""
        return self.trial_kill_seconds + (self.import_seconds if first else 0.0)

    def fits_in(self, seconds: float, expected: float, fits: int) -> int:
        """Return how often a backtest fits in so many seconds, where ``fits`` of them take ``expected``.

        A few long fits learn more than several short ones.
        """
        return fits if expected <= seconds else max(int(fits * seconds / expected), 1)

    def race_seconds(self, families: int, budget: float) -> float:
        """Return the seconds that the first part of a model of single series is given, of so many families."""
        return max(self.race_share * budget / max(families, 1), self.race_min_seconds)

    def part_seconds(self, budget: float) -> float:
        """Return the seconds that a further part of a model of single series is given."""
        return max(self.part_share * budget, self.race_min_seconds)

    def sample_size(self, n_series: int) -> int | None:
        """Return of how many series a local model is tried first; None where all of them are paid for at once."""
        if n_series < self.sample_divisor * self.sample_min_series:
            return None
        return min(n_series // self.sample_divisor, self.sample_max_series)

    def backtest_fits(self, fit: float, predict: float, most: int, budget: float) -> int:
        """Return how often a local model's backtest fits it; parameters of single series age.

        Models that were fitted 54 months before had errors a tenth larger.

        Args:
            fit: Seconds of one fit of all series.
            predict: Seconds of all their forecasts.
            most: Fits that the backtest has at most.
            budget: Seconds of the whole fit.
        """
        return next((n for n in range(most, 1, -1) if n * fit + predict <= self.refit_share * budget), 1)

    # The end ---------------------------------------------------------------------------------------------------------

    def assembly_seconds(self, n_rows: int, n_targets: int, speed: MeasuredSpeed) -> float:
        """Return the seconds that weights, calibration and facts take, but for weighing and forecasts.

        Two idle cores set the constants; busy ones show it by how work waits for them, or by a score of all targets.
        """
        if speed.calibrating_seconds > 0:
            return self.rehearsed_ratio * speed.calibrating_seconds + self.reserve_seconds
        usual = self.reserve_seconds + self.reserve_seconds_per_row * n_rows
        usual += self.reserve_seconds_per_target * min(n_targets, self.reserve_max_targets)
        scored = self.reserve_seconds + self.reserve_scoring_passes * speed.scoring_seconds
        return max(speed.slowdown * usual, scored)

    def reserve(self, seconds: float, budget: float) -> float:
        """Return what is kept of a budget for an end that takes ``seconds``: neither next to nothing nor nearly all."""
        return min(max(seconds, self.reserve_min_share * budget), self.reserve_max_share * budget)

    def final_fit_seconds(self, budget: float) -> float:
        """Return the seconds of a budget that final fits may take."""
        return self.final_fit_share * budget

    def can_use_old_fits(self, oldest: int, *, horizon: int, seasons: Sequence[int]) -> bool:
        """Return whether a member may be used as its backtest left it, fitted ``oldest`` rows before the end."""
        return oldest <= self.final_fit_max_age * max(horizon, *seasons)

    def forecast_allowance(self, n_values: int, budget: float) -> float:
        """Return the seconds of one core that a forecast of so many values may take."""
        longer = min(max(budget / self.forecast_budget_seconds, 1.0), self.forecast_max_ratio)
        return max(self.forecast_seconds, self.forecast_seconds_per_value * n_values) * longer
