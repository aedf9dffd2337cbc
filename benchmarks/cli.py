"""The commands ``zoo bench ...``: texts only; ``zoo.cli`` finds them where it runs from a checkout."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COMMANDS"]

COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "bench": (
        "benchmarks.command:bench",
        "Measure the figures of the README: accuracy on public sets, speed and memory.",
        "One JSON line per figure, beside what was asked and what others reached. The sets are not in the project.",
    ),
    "bench calibration": (
        "benchmarks.calibration.command:bench_calibration",
        "Measure whether intervals hold what they promise, over many origins of all sets together.",
        "One JSON line per set, beside multi-step split conformal from the same residuals; then one for all, with the "
        "worst cell of horizon, season and volume. The sets are not in the project.",
    ),
    "bench eligibility": (
        "benchmarks.command:bench_eligibility",
        "Measure whether planted leaks are found, and whether clean tables raise alarms.",
        "One JSON line per set, then what the checks cost on 10,000 x 1,000 rows. The sets are not in the project.",
    ),
    "bench features": (
        "benchmarks.features.command:bench_features",
        "Measure the feature pipelines: both engines, memory, one request.",
        "One JSON line per figure, beside what was asked. mlforecast, which is measured beside ours, comes with the "
        "extra 'bench'; the public sets are not in the project.",
    ),
    "bench handover": (
        "benchmarks.handover:bench_handover",
        "Measure the ways from Spark to Ray, and whether auto takes a good one.",
        "One JSON line per way. Starts Ray and Spark; needs about 4 GB.",
    ),
    "bench models": (
        "benchmarks.command:bench_models",
        "Measure classical families beside statsforecast's own: time and accuracy.",
        "One JSON line per set and family: milliseconds per series and MASE, ours and theirs, in one process. The sets "
        "are not in the project.",
    ),
    "bench panels": (
        "benchmarks.command:bench_panels",
        "Measure sharded fits of large panels: seconds, memory of all processes, scores of what came.",
        "One JSON line per size of panel. The panels are made here: daily sales of as many products.",
    ),
    "bench portfolio": (
        "benchmarks.portfolio.command:bench_portfolio",
        "Measure which configurations a search should begin with, and what that is worth on sets left out.",
        "One JSON line per set: the learned order, the written one and the best at equal budgets. Only windows before "
        "the test windows are looked at. The sets are not in the project.",
    ),
    "bench registry": (
        "benchmarks.registry:bench_registry",
        "Measure the registry of models with 100,000 versions: milliseconds of what operators ask.",
        "One JSON line per question: median and 99th percentile.",
    ),
    "bench search": (
        "benchmarks.search.command:bench_search",
        "Measure the search engine against Optuna's and Ray Tune's ways, in virtual time.",
        "One JSON line per comparison, beside what was asked. The trainings are those of LCBench's surrogate, which is "
        "not in the project and needs onnxruntime (the extra 'bench').",
    ),
    "bench serve": (
        "benchmarks.serve.command:bench_serve",
        "Measure the figures of the endpoint: latency, throughput, batches, reload.",
        "One JSON line per figure, beside what was asked and what plain uvicorn and FastAPI do on the same machine.",
    ),
    "bench trees": (
        "benchmarks.trees:bench_trees",
        "Measure ways to walk LightGBM's trees: milliseconds of each beside LightGBM's own.",
        "One JSON line per way and number of rows, with the largest difference of the values. Ways whose library is "
        "not installed say so.",
    ),
}
