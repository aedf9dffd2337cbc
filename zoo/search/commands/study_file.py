"""A study in a file: what ``zoo study run`` reads, checked field by field.

::

    train: training:train            # module:function, beside this file or installed
    space:
      lr: {type: float, low: 1e-5, high: 1e-1, log: true, prior: {type: normal, mean: 1e-3, sd: 0.5}}
      layers: {type: int, low: 1, high: 8}
      opt: {type: categorical, choices: [adam, sgd]}
      momentum: {type: float, low: 0, high: 1, when: {opt: sgd}}
    metrics: {val_loss: minimize, latency_ms: {at_most: 5}, size_mb: store}
    budget: 200                      # trials; or 2h; or {trials: …, cost: …, time: …}
    stopper: {name: asha, max_step: 27}
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.clock import parse_duration
from zoo.errors import ConfigError
from zoo.search.budget import Budget
from zoo.search.metrics import Metric, Metrics
from zoo.search.space import Choice, Space, domain_of
from zoo.search.stoppers.base import Stopper
from zoo.search.study_settings import StudyOptions
from zoo.spec import Lines, first_mistake, read_fields

__all__ = ["StudyFile", "StudyPlan", "read_spec", "spec_of"]

_HINT = "`zoo study run --help` shows a file"


class _FilePart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _NormalSpec(_FilePart):
    type: Literal["normal"]
    mean: float
    sd: float


class _LogNormalSpec(_FilePart):
    type: Literal["lognormal"]
    median: float
    sd: float


class _BetaSpec(_FilePart):
    type: Literal["beta"]
    a: float
    b: float


class _HistogramSpec(_FilePart):
    type: Literal["histogram"]
    edges: list[float]
    weights: list[float]


_PriorSpec = Annotated[_NormalSpec | _LogNormalSpec | _BetaSpec | _HistogramSpec, Field(discriminator="type")]


class _ParameterSpec(_FilePart):
    when: dict[str, Choice | list[Choice]] = {}


class _NumericSpec(_ParameterSpec):
    log: bool = False
    prior: _PriorSpec | None = None


class _FloatSpec(_NumericSpec):
    type: Literal["float"]
    low: float
    high: float
    default: float | None = None


class _IntSpec(_NumericSpec):
    type: Literal["int"]
    low: int
    high: int
    default: int | None = None


class _ListedSpec(_ParameterSpec):
    type: Literal["categorical", "ordinal"]
    choices: list[Choice]
    weights: list[float] | None = None
    default: Choice = None


_AnyParameter = Annotated[_FloatSpec | _IntSpec | _ListedSpec, Field(discriminator="type")]


class _MetricSpec(_FilePart):
    direction: Literal["minimize", "maximize"] | None = None
    at_most: float | None = None
    at_least: float | None = None
    store: bool = False


class _BudgetSpec(_FilePart):
    trials: int | None = None
    cost: float | None = None
    time: str | float | None = None


class _ResourcesSpec(_FilePart):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, float]
    cpu: float = 1.0
    gpu: float = 0.0
    memory: int | None = None


class _StopperSpec(_FilePart):
    name: str
    max_step: int | None = None


class _OptionsSpec(_FilePart):
    max_losses: int = 3
    memory_retry: float | None = None
    diverged_at: float | None = None
    converge: bool = False
    keep_checkpoints: Literal["best", "all", "none"] = "best"


class StudyFile(_FilePart):
    """The fields of a study file.

    Args:
        train: ``module:function``, found beside the file or installed.
        space: Parameters by name, or ``module:attribute`` of a ``Space`` written in Python.
        metrics: Name -> "minimize", "maximize", "store", or bounds with a direction.
        constraints: Inequalities among the parameters.
        budget: Trials, a duration, or several bounds.
        sampler: Name of the sampler, as in ``Study.open``.
        stopper: A stopper's name, perhaps with the steps of a whole training.
        driver: "pool", "inline" or another one of ``zoo.search.run``.
        workers: Trainings at a time.
        parallel: Trials that may run at the same time, whatever the workers are.
        resources: What one training needs: cpu, gpu, memory.
        time_limit: Seconds, or a duration, that one training may take.
        seed: The sampler's; with the history it determines every suggestion.
        enqueue: Configurations to be tried first.
        warm_start: Journals of earlier studies, relative to the file.
        options: What most studies leave as it is, see ``StudyOptions``.
    """

    train: str
    space: dict[str, _AnyParameter] | str
    metrics: dict[str, Literal["minimize", "maximize", "store"] | _MetricSpec] = Field(
        default={"value": "minimize"}, min_length=1
    )
    constraints: list[str] = []
    budget: int | str | _BudgetSpec | None = None
    sampler: str = "auto"
    stopper: str | _StopperSpec | None = None
    driver: str = "pool"
    workers: int | None = None
    parallel: int | None = None
    resources: _ResourcesSpec | list[_ResourcesSpec] | None = None
    time_limit: str | float | None = None
    seed: int = 0
    enqueue: list[dict[str, Choice]] = []
    warm_start: list[str] = []
    options: _OptionsSpec = _OptionsSpec()


@dataclass(frozen=True)
class StudyPlan:
    """A study file with its parts put together: what ``Study.open`` and ``run`` take.

    Args:
        spec: The fields as the file has them.
        folder: Where the file is: modules and journals are looked for there.
        train: The training function that the file names.
        space: The parameters and their values.
        metrics: What a training returns, objectives first.
        budget: When the study ends: trials, time, cost.
        stopper: Who stops or pauses trainings early; None for nobody.
    """

    spec: StudyFile
    folder: Path
    train: Callable[[Any], Any]
    space: Space
    metrics: list[Metric]
    budget: Budget
    stopper: Stopper | str | None
    options: StudyOptions = field(default_factory=StudyOptions)

    @property
    def resources(self) -> list[dict[str, float]] | dict[str, float] | None:
        """The resources of one training, as ``run`` takes them."""
        given = self.spec.resources
        if given is None:
            return None
        bundles = [part.model_dump(exclude_none=True) for part in (given if isinstance(given, list) else [given])]
        return bundles if isinstance(given, list) else bundles[0]


def read_spec(path: Path, changes: Mapping[str, Any]) -> StudyPlan:
    """Return the study of a file, with some fields given otherwise.

    Raises:
        ConfigError: The file cannot be read, or a field is wrong: the message names its line.
    """
    said, lines = read_fields(path, "a study file", hint=_HINT)
    return spec_of({**said, **changes}, path.resolve().parent, lines)


def spec_of(said: Mapping[str, Any], folder: Path, lines: Lines) -> StudyPlan:
    """Return the study of some fields.

    Raises:
        ConfigError: A field is wrong.
    """
    try:
        spec = StudyFile.model_validate(dict(said))
    except ValidationError as error:
        raise ConfigError(first_mistake(error, said, lines), _HINT) from error
    here = str(folder)
    if here not in sys.path:
        # Before anything else: what lies beside the file is what is meant.
        sys.path.insert(0, here)
    space = _space(spec, lines)
    metrics = [_made(lines, ("metrics", name), _metric, name, how) for name, how in spec.metrics.items()]
    _made(lines, ("metrics",), Metrics, metrics)
    for index, point in enumerate(spec.enqueue):
        _made(lines, ("enqueue", index), space.nearest, point)
    if spec.time_limit is not None:
        _made(lines, ("time_limit",), parse_duration, spec.time_limit)
    return StudyPlan(
        spec=spec,
        folder=folder,
        train=_made(lines, ("train",), _function, spec.train),
        space=space,
        metrics=metrics,
        budget=_made(lines, ("budget",), _budget, spec.budget),
        stopper=_made(lines, ("stopper",), _stopper, spec.stopper),
        options=_made(lines, ("options",), lambda: StudyOptions(**spec.options.model_dump())),
    )


def _made(lines: Lines, path: tuple[str | int, ...], make: Callable[..., Any], *given: Any) -> Any:
    """Return ``make(*given)``; what it does not like is said with its line."""
    try:
        return make(*given)
    except ConfigError as error:
        raise ConfigError(lines.say(path, error.message), error.hint) from error


def _space(spec: StudyFile, lines: Lines) -> Space:
    if isinstance(spec.space, str):
        space = _made(lines, ("space",), _attribute, spec.space)
        if not isinstance(space, Space):
            raise ConfigError(
                lines.say(("space",), f"must name a Space, but {spec.space} is {type(space).__name__}"), _HINT
            )
        if spec.constraints:
            raise ConfigError(
                lines.say(("constraints",), "must be left out where the space is written in Python"), "put them there"
            )
        return space
    domains = {name: _made(lines, ("space", name), domain_of, part.model_dump()) for name, part in spec.space.items()}
    for name, domain in domains.items():
        _made(lines, ("space", name), domain.check, name)
    try:
        return Space(constraints=spec.constraints, **domains)
    except ConfigError as error:
        # The message names a parameter or a constraint: its line is more use than that of the whole space.
        places: list[tuple[str | int, ...]] = [("space", name) for name in domains if f"{name} asks" in error.message]
        places += [("constraints", i) for i, rule in enumerate(spec.constraints) if rule in error.message]
        raise ConfigError(lines.say([*places, ("space",)][0], error.message), error.hint) from error


def _metric(name: str, how: str | _MetricSpec) -> Metric:
    if isinstance(how, _MetricSpec):
        return Metric(name, how.direction, at_most=how.at_most, at_least=how.at_least, store=how.store)
    return Metric(name, store=True) if how == "store" else Metric(name, how)  # type: ignore[arg-type]  # a direction


def _budget(said: int | str | _BudgetSpec | None) -> Budget:
    if isinstance(said, _BudgetSpec):
        time = None if said.time is None else parse_duration(said.time)
        return Budget(said.trials, said.cost, time)
    # On the command line a number arrives as text.
    return Budget.of(int(said) if isinstance(said, str) and said.isdigit() else said)


def _stopper(said: str | _StopperSpec | None) -> Stopper | None:
    from zoo.search.stoppers import make_stopper

    if isinstance(said, _StopperSpec):
        return make_stopper(said.name, said.max_step)
    return make_stopper(None if said == "none" else said)


def _attribute(path: str) -> Any:
    module, _, name = path.partition(":")
    if not module or not name:
        raise ConfigError(f"must be 'module:name', but got {path!r}", "for example training:train")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(error.name + ".")):
            raise ConfigError(f"{module} must be importable, but it needs {error.name}", "install it") from error
        raise ConfigError(f"must name a module, but there is no {module}", "put it beside the file") from error
    except AttributeError as error:
        raise ConfigError(f"must name something in {module}, but there is no {name}", f"see {module}") from error
    except Exception as error:
        raise ConfigError(f"{module} must be importable, but {type(error).__name__}: {error}", "fix it") from error


def _function(path: str) -> Callable[[Any], Any]:
    found = _attribute(path)
    if not callable(found):
        raise ConfigError(f"must name a function, but {path} is {type(found).__name__}", "name the training")
    return found  # type: ignore[no-any-return]  # only its callability can be checked
