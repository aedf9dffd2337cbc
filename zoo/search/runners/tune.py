"""A study under Ray Tune, for its loggers, callbacks and storage: Tune runs, the study decides.

Tune asks our searcher for a configuration when a worker is free, never ahead; our scheduler answers each result with
the study's decision. One trial of Tune is one trial of the study, under its number: a paused one goes on as the same,
and so does one whose worker died.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from zoo.cluster import connect
from zoo.errors import ClusterError, ConfigError, StudyError, ZooError
from zoo.interrupt import Interrupt
from zoo.search.progress import StudyProgress
from zoo.search.runners.fleet import put
from zoo.search.runners.outcome import Train, give_back
from zoo.search.runners.pool import FolderMark
from zoo.search.runners.trainable import MESSAGE, Equipment, StudyTrainable
from zoo.search.runners.tune_bridge import TuneBridge
from zoo.search.stoppers.base import Decision
from zoo.search.study import Study

if TYPE_CHECKING:
    from zoo.search.run import Ending, RunOptions

__all__ = ["drive"]

# What Tune reads from the environment while it runs: Ctrl-C is ours, errors are the study's, reports are not buffered.
_ENVIRONMENT = {
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
}
_DECISIONS: Mapping[Decision, str] = {
    "continue": TrialScheduler.CONTINUE,
    "pause": TrialScheduler.PAUSE,
    "stop": TrialScheduler.STOP,
}


def drive(study: Study, train: Train, options: RunOptions) -> Ending:
    """Run trainings under Ray Tune; see ``zoo.search.run``."""
    with nullcontext() if options.session else connect():
        try:
            with (
                FolderMark(study.checkpoints) as marked,
                _storage(study, options) as storage,
                Interrupt().arm() as interrupts,
                StudyProgress(study, quiet=options.quiet) as progress,
                _quiet(options),
            ):
                tuned = TuneBridge(study, options, interrupts, progress)
                tuner = _tuner(tuned, _equipment(study, train, options, marked.store), storage)
                try:
                    tuner.fit()
                except Exception as error:
                    # What our own part raised inside of Tune is in `tuned.error`; Tune makes a text of it.
                    raise tuned.error or _tunes(error) from error
                if tuned.error is not None:
                    raise tuned.error
                return "interrupted" if interrupts.requested else "done"
        finally:
            with suppress(StudyError):  # the journal cannot be written: the next opening hands them out
                give_back(study)


def _equipment(study: Study, train: Train, options: RunOptions, store: tuple[str, str] | None) -> Equipment:
    return Equipment(
        train=put(train),
        metric=study.metrics.first.name,
        paths=list(sys.path),
        threads=max(int(options.resources.cpu), 1),
        memory=options.resources.memory,
        store=store,
        grace=options.grace,
    )


def _tuner(tuned: TuneBridge, equipment: Equipment, storage: str) -> Any:
    """Put Tune together: the user's ``RunConfig``, but our searcher, scheduler and rules of ending."""
    given = tuned.options.run_config
    # Tune's own default is a folder in the user's home.
    config = tune.RunConfig(verbose=0, storage_path=storage) if given is None else replace(given)
    if config.stop is not None or (config.failure_config or tune.FailureConfig()).max_failures != 0:
        raise ConfigError(
            "run_config must leave `stop` and `failure_config` to the study, but it has them",
            "use the study's budget, stopper and StudyOptions.max_losses",
        )
    config.stop = _StudyListener(tuned)
    # Errors of trainings are results to Tune: what it sees fail are workers, and how often is the study's to bear.
    config.failure_config = tune.FailureConfig(max_failures=-1)
    config.callbacks = [_StudyCallback(tuned), *(config.callbacks or [])]
    trainable = tune.with_parameters(StudyTrainable, equipment=equipment)
    return tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory(tuned.options.resources.bundles)),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            search_alg=_StudySearcher(tuned),
            scheduler=_StudyScheduler(tuned),
            reuse_actors=True,
            trial_name_creator=tuned.name,
            trial_dirname_creator=tuned.name,
        ),
        run_config=config,
    )


class _StudySearcher(Searcher):  # type: ignore[misc]  # Ray is not typed
    """Suggestions from the study."""

    def __init__(self, tuned: TuneBridge) -> None:
        super().__init__()
        self._tuned = tuned

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the study's next configuration, if a worker is free."""
        trial = self._tuned.ask(trial_id)
        if trial is None:
            return str(self.FINISHED) if self._tuned.over else None
        return dict(trial.params)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Take back a trial that Tune ended and the study did not."""
        self._tuned.ended(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the journal has it all."""


class _StudyScheduler(TrialScheduler):  # type: ignore[misc]  # Ray is not typed
    """The study's decisions."""

    def __init__(self, tuned: TuneBridge) -> None:
        super().__init__()
        self._tuned = tuned

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Let a trial whose worker died wait until the study hands it out again."""
        self._tuned.added(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Tell the study that a worker died."""
        self._tuned.lost(trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return what the study said to the report that it has just heard."""
        return _DECISIONS[self._tuned.decision(trial.trial_id)]

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Let a training that was stopped come to its end."""
        self._tuned.let_end(trial, "stop")

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Nothing: it is not running."""

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return a paused trial that the study wants to go on; new ones Tune starts itself."""
        return self._tuned.going_on()

    def debug_string(self) -> str:
        """Say who decides."""
        return "Scheduled by zoo.search."


class _StudyListener(tune.Stopper):  # type: ignore[misc]  # Ray is not typed
    """What hears each result first, before any logger, and ends the experiment."""

    def __init__(self, tuned: TuneBridge) -> None:
        self._tuned = tuned

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Bring a message to the study; True ends the trial."""
        return self._tuned.hear(trial_id, result.pop(MESSAGE, None))

    def stop_all(self) -> bool:
        """Whether all is over."""
        return self._tuned.stop()


class _StudyCallback(tune.Callback):  # type: ignore[misc]  # Ray is not typed
    """What Tune tells about its trials."""

    def __init__(self, tuned: TuneBridge) -> None:
        self._tuned = tuned

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look at clocks and the cluster."""
        self._tuned.look(trials)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell a worker what to begin with."""
        self._tuned.begin(trial)

    def on_trial_save(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Let a training that was paused come to its end: what it reported is copied."""
        if self._tuned.decision(trial.trial_id) == "pause":
            self._tuned.let_end(trial, "pause")


def _tunes(error: Exception) -> ZooError:
    lines = str(error).strip().splitlines()
    return ClusterError(
        f"Ray Tune must be able to run, but: {type(error).__name__}: {lines[-1] if lines else ''}",
        'see its words above; driver="pool" does without it',
    )


@contextmanager
def _storage(study: Study, options: RunOptions) -> Iterator[str]:
    """Yield Tune's folder: beside the journal; of a study without one it is gone afterwards."""
    if study.checkpoints is not None:
        yield str(study.checkpoints.folder.absolute().with_suffix(".tune"))
        return
    folder = tempfile.mkdtemp(prefix="zoo-tune-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _quiet(options: RunOptions) -> Iterator[None]:
    """Keep Tune away from stdout, which is the caller's, from signals and from settings that are ours."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGUSR1) if main else None
    spoken = options.run_config is not None and options.run_config.verbose
    try:
        os.environ.update(_ENVIRONMENT)
        # The banner comes whatever `verbose` says.
        with redirect_stdout(sys.stderr if spoken else StringIO()):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if handler is not None:
            signal.signal(signal.SIGUSR1, handler)
