"""Run a training function over a study's trials, wherever there is room for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from zoo.clock import parse_duration
from zoo.errors import ConfigError
from zoo.search.resources import AnyResources, Resources
from zoo.search.study import Study

if TYPE_CHECKING:
    from zoo.cluster import Session

__all__ = ["RUNNERS", "Ending", "RunOptions", "run"]

#: Why a run came to its end.
Ending: TypeAlias = Literal["done", "interrupted"]
#: Name -> module with ``drive(study, train, options) -> Ending``, imported when it is used.
RUNNERS: Mapping[str, str] = {
    "inline": "zoo.search.runners.inline",
    "pool": "zoo.search.runners.pool",
    "tune": "zoo.search.runners.tune",
    "virtual": "zoo.search.runners.virtual",
}


@dataclass(frozen=True)
class RunOptions:
    """How trainings are run.

    Args:
        resources: What one training needs: cores, GPUs, memory.
        workers: Trainings at a time; None: as many as the study and the cluster allow, while nodes come and go.
        session: The Ray cluster; None: the one that ``zoo.cluster.connect`` finds or starts.
        time_limit: Seconds that one training may take, without its pauses.
        grace: Seconds that a training may take to end after it was stopped, or after the study's time was over.
        patience: Seconds to wait while the cluster has no room for any worker.
        quiet: Whether no line in the terminal shows the progress.
        run_config: Of the driver "tune": Ray Tune's own ``RunConfig``, with its storage, callbacks and loggers, and how
            many checkpoints are kept there. By default all goes into a folder beside the journal.
    """

    resources: Resources = field(default_factory=Resources)
    workers: int | None = None
    session: Session | None = None
    time_limit: float | None = None
    grace: float = 30.0
    patience: float = 120.0
    quiet: bool = False
    run_config: Any = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"`workers >= 1` must hold, but got {self.workers}", "leave it out to use all there is")
        for name in ("grace", "patience"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"`{name} >= 0` must hold, but got {getattr(self, name)}", "give seconds")


def run(
    study: Study,
    train: Callable[[Any], Any],
    driver: str = "pool",
    *,
    workers: int | None = None,
    resources: AnyResources = None,
    session: Session | None = None,
    time_limit: float | str | None = None,
    options: RunOptions | None = None,
) -> Ending:
    """Train with one configuration after the other until the study is done or the user presses Ctrl-C.

    ``train(trial)`` reads ``trial.params``, calls ``trial.report(step, value, checkpoint=directory)``, goes on from
    ``trial.checkpoint`` where there is one, and returns the objective, all metrics by name, a ``Result``, or None for
    what it reported last. It may be any function, also a closure or one of the script itself.

    Args:
        study: An open study. What was lost when a former driver died goes on first.
        train: The training function, see above.
        driver: "pool" (Ray actors), "inline" (this process), "tune" or "virtual".
        workers: Trainings at a time; by default as many as the study and the cluster allow.
        resources: Of one training: ``{"cpu": 1, "gpu": 0.5}``, or a list of such for a placement group.
        session: The Ray cluster to use; found or started by default.
        time_limit: Of one training: seconds, or a duration such as "2h".
        options: The rest, and defaults for the above.

    Returns:
        "done", or "interrupted" after Ctrl-C: the study can be gone on with.

    Raises:
        ConfigError: An argument is wrong, or the cluster can never give the resources.
        ClusterError: The cluster cannot be reached, or gives no room.
    """
    if driver not in RUNNERS:
        raise ConfigError(f"a driver must be one of {', '.join(RUNNERS)}, but got {driver!r}", "choose one of them")
    if not callable(train):
        raise ConfigError(f"a training must be a function, but got {train!r}", "pass the function itself")
    base = options or RunOptions()
    merged = RunOptions(
        resources=base.resources if resources is None else Resources.of(resources),
        workers=base.workers if workers is None else workers,
        session=base.session if session is None else session,
        time_limit=base.time_limit if time_limit is None else parse_duration(time_limit),
        grace=base.grace,
        patience=base.patience,
        quiet=base.quiet,
        run_config=base.run_config,
    )
    if merged.run_config is not None and driver != "tune":
        raise ConfigError(f"run_config is Ray Tune's, but the driver is {driver!r}", 'leave it out, or use "tune"')
    if study.done:
        return "done"
    drive: Callable[[Study, Callable[[Any], Any], RunOptions], Ending]
    drive = importlib.import_module(RUNNERS[driver]).drive
    return drive(study, train, merged)
