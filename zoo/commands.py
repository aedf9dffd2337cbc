"""What a command is, and the platform's own ones: texts only, so that ``zoo --help`` imports nothing else."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["COMMANDS", "GROUP", "JOURNALS", "Command", "Outcome", "begin", "seconds_since_begin", "strict"]

#: The entry points by which a tenant adds commands, and names the journals that it writes.
GROUP = "zoo.commands"
#: Journals of the platform: name -> the ``Codec`` that reads them.
JOURNALS: Mapping[str, str] = {"study": "zoo.search.journal:StudyCodec"}


_BEGAN: ContextVar[float] = ContextVar("_BEGAN")


class Command(NamedTuple):
    """One command of the console script.

    Args:
        target: ``"package.module:function"``, imported when the command is invoked.
        summary: One line for ``zoo --help``.
        description: Paragraphs for ``zoo COMMAND --help``.
    """

    target: str
    summary: str
    description: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a command found.

    Args:
        data: Values for ``--json``, see ``strict``.
        text: What a person reads instead; nothing is printed if empty.
        code: Exit status, 0 unless the command's question was answered "no".
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    code: int = 0


def begin(seconds_ago: float = 0.0) -> None:
    """Note when the user pressed return; ``zoo.cli.main`` does it."""
    _BEGAN.set(time.monotonic() - seconds_ago)


def seconds_since_begin() -> float:
    """Return how long the user has been waiting: what a command with a budget has already spent of it."""
    now = time.monotonic()
    return now - _BEGAN.get(now)


def strict(value: Any) -> Any:
    """Return a value as JSON knows it: numbers that are not finite become None, numpy's scalars and arrays Python's.

    >>> strict({"score": float("nan"), "levels": (0.1, 0.9)})
    {'score': None, 'levels': [0.1, 0.9]}
    """
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return float(value) if isinstance(value, float) else value
    if hasattr(value, "tolist"):
        return strict(value.tolist())
    return str(value)


COMMANDS: Mapping[str, Command] = {
    "doctor": Command(
        "zoo.cluster.doctor:doctor",
        "Check this machine: versions, cores, memory, compiler, Java.",
        "Reads what is installed and starts nothing. A warning says what to do about it.",
    ),
    "study run": Command(
        "zoo.search.commands.run:run_study",
        "Tune a training: run the study that a file describes.",
        "The file is YAML. Only train and space are needed:\n\n"
        "\b\n"
        "train: training:train          # module:function, beside the file or installed\n"
        "space:\n"
        "  lr: {type: float, low: 1e-5, high: 1e-1, log: true}\n"
        "  layers: {type: int, low: 1, high: 8, default: 2}\n"
        "  opt: {type: categorical, choices: [adam, sgd]}\n"
        "  momentum: {type: float, low: 0, high: 1, when: {opt: sgd}}\n"
        "metrics: {val_loss: minimize, latency_ms: {at_most: 5}, size_mb: store}\n"
        "budget: 200                    # trials; or 2h; or {trials: 200, cost: 1e4, time: 2h}\n"
        "stopper: {name: asha, max_step: 27}\n"
        "resources: {cpu: 1, gpu: 0.5}  # of one training\n\n"
        "Further fields: constraints, sampler, driver, workers, parallel, time_limit, seed, enqueue, warm_start, "
        "options.\n\n"
        "Everything is in one journal. Ctrl-C ends the run early; `zoo study resume` goes on with it, also after "
        "kill -9.",
    ),
    "study resume": Command(
        "zoo.search.commands.run:resume_study",
        "Go on with a study that `zoo study run` has begun.",
        "The journal holds the study file. Trials that were running go on first, from their last checkpoints.",
    ),
    "study show": Command(
        "zoo.search.commands.show:show_study",
        "Show how a study stands: states, the best trial, what runs, what failed.",
        "Reads the journal, also while the study runs.",
    ),
    "study best": Command(
        "zoo.search.commands.show:best_of_study",
        "Show the best trials: parameters and metrics.",
        "Complete trials within all thresholds; of several objectives the Pareto front.",
    ),
    "study report": Command(
        "zoo.search.commands.files:report_study",
        "Write a study as one HTML page: history, parameters, workers, failures.",
        "The page needs no network and no other file.",
    ),
    "study replay": Command(
        "zoo.search.commands.replay:replay_study",
        "Recompute every suggestion of a study from its journal, and compare.",
        "Status 1 if one comes out otherwise. The versions of numpy and optuna must be those that made it.",
    ),
    "study export": Command(
        "zoo.search.commands.files:export_study",
        "Write the trials of a study as CSV, JSON or Parquet.",
        "One row per trial. JSON has all that is known: reports, runs, attributes.",
    ),
    "journal check": Command(
        "zoo.journal.mending:check_journal",
        "Read every line of a journal: a study, a router's memory, the actuals of an endpoint.",
        "Changes nothing. Status 1 if a line is damaged.",
    ),
    "journal mend": Command(
        "zoo.journal.mending:mend_journal",
        "Set the damaged lines of a journal aside, into NAME.damaged beside it.",
        "Each is written there with its number before the journal changes; nothing disappears. What the other lines "
        "mean stays: in a study a trial whose beginning is damaged keeps its number and counts as failed. Where the "
        "others mean nothing without such a line, nothing is changed and the reason said.\n\n"
        "An endpoint that has the journal open goes on by itself. A study must not be running.",
    ),
    "table log": Command(
        "zoo.tables.commands:log_table",
        "List the versions of a table: when, by what, from what.",
        "A versioned table is a folder that Delta Lake's log makes a table.",
    ),
    "table show": Command(
        "zoo.tables.commands:show_table",
        "Show the columns, the rows and the writer's note of a version.",
        "The newest version, or --as-of one.",
    ),
    "table diff": Command(
        "zoo.tables.commands:diff_table",
        "Compare two versions of a table: columns, rows, values.",
        "Rows are told apart by the key that the writer named, or by --key.",
    ),
    "table lineage": Command(
        "zoo.tables.commands:lineage_of_table",
        "Show what a version was made of, through all versioned tables.",
        "Each pipeline run notes the versions it read and its own hash.",
    ),
    "features run": Command(
        "zoo.features.commands:run_features",
        "Compute features: run the pipeline that a file describes.",
        "The file is YAML; steps that are not needed are left out:\n\n"
        "\b\n"
        "source: {path: meters/*.parquet, id: meter, time: ts, target: kwh}\n"
        "steps:\n"
        "  - filter: 'kwh >= 0'\n"
        "  - deduplicate: {keep: last}\n"
        "  - resample: {every: 1h, how: mean}\n"
        "  - impute: {how: linear, limit: 6}\n"
        "  - join: {table: weather.parquet, on: station, asof: ts, tolerance: 2h}\n"
        "  - outliers: {how: iqr, action: mark}\n"
        "  - calendar: [hour, weekday, month, holiday:DE]\n"
        "  - lags: [1, 24, 168]\n"
        "  - rolling: {windows: [24, 168], how: [mean, std, min, max, quantile:0.9]}\n"
        "  - ewm: {halflife: [12]}\n"
        "  - fourier: {period: 168, order: 3}\n"
        "  - difference: {lag: 24}\n"
        "  - scale: {how: robust, per: id}\n"
        "sink: {path: features/meters}    # or {table: ...}, a versioned table\n"
        "engine: auto                     # pandas, spark, or auto: by the bytes that it will take\n\n"
        "Also: aggregate: {by: region, how: sum}. Both engines give the same bits, and print the same checksum.",
    ),
    "features explain": Command(
        "zoo.features.commands:explain_features",
        "Show what a pipeline does: steps, columns, lookback, engine.",
        "Reads the source, and computes nothing.",
    ),
    "models list": Command(
        "zoo.registry.commands:list_models",
        "List the versions of models: stage, owner, team.",
        "All, or those of one model.",
    ),
    "models show": Command(
        "zoo.registry.commands:show_model",
        "Show a version of a model: stage, owner, metrics, parents.",
        "By NAME@3 or NAME@live.",
    ),
    "models publish": Command(
        "zoo.registry.commands:publish_model",
        "Store a folder as the next version of a model.",
        "The files are copied, once by content. A version begins as a draft.",
    ),
    "models promote": Command(
        "zoo.registry.commands:promote_model",
        "Move a version to another stage.",
        "draft, validated, staged, live, retired. What was live is retired in the same step.",
    ),
    "models rollback": Command(
        "zoo.registry.commands:rollback_model",
        "Make the former live version of a model live again.",
        "One step; refused if somebody promoted another one meanwhile.",
    ),
    "models at": Command(
        "zoo.registry.commands:model_at",
        "Say which version served at a moment, and who approved it.",
        "Status 1 if none did. --known asks what the ledger said by then.",
    ),
}
