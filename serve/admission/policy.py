"""What a model must keep to go live, and what was found."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from zoo.errors import ConfigError, ModelError

__all__ = ["OPERATORS", "AdmissionError", "AdmissionReport", "Check", "CheckResult", "Policy", "timed"]

_CALLS = 15  # forecasts of which the median is timed
#: A name, and what returns the details or raises.
Check: TypeAlias = tuple[str, Callable[[], str]]

#: Operators of a foreign ONNX model: arithmetic of networks, trees and linear models. What loops, calls functions of
#: the model's own, draws at random or comes from another domain is not among them.
OPERATORS = frozenset(
    """Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv
    CumSum Div Dropout Einsum Elu Equal Erf Exp Expand Flatten Floor GRU Gather GatherElements Gelu Gemm
    GlobalAveragePool Greater GreaterOrEqual HardSigmoid Identity InstanceNormalization IsInf IsNaN LSTM
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Mod Mul Neg Not OneHot Or
    PRelu Pad Pow RNN Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Round
    ScatterElements Selu Shape Sigmoid Sign Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose
    Trilu Unsqueeze Where Xor
    ai.onnx.ml:LinearRegressor ai.onnx.ml:Normalizer ai.onnx.ml:Scaler ai.onnx.ml:TreeEnsembleRegressor""".split()
)


class AdmissionError(ModelError):
    """A model may not go live; the message names the check."""


@dataclass(frozen=True)
class Policy:
    """The limits of the checks.

    Args:
        size_mb: Megabytes of all files of a model at most.
        memory_mb: Of the process that loads and runs the model.
        seconds: Of computing, for all checks together; four times as long by the clock.
        latency_ms: Median of a forecast of one series.
        operators: What an ONNX graph may hold; others' domains as ``domain:Name``.
        tolerance: Relative difference from golden forecasts.
        longest: Points of the long probe.

    Raises:
        ConfigError: A limit is not positive.
    """

    size_mb: float = 1024.0
    memory_mb: float = 4096.0
    seconds: float = 120.0
    latency_ms: float = 1000.0
    operators: frozenset[str] = field(default=OPERATORS)
    tolerance: float = 1e-4
    longest: int = 5_000

    def __post_init__(self) -> None:
        if min(self.size_mb, self.memory_mb, self.seconds, self.latency_ms, self.tolerance, self.longest) <= 0:
            raise ConfigError(f"limits of an admission must be positive, but got {self}", "leave them out")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {"operators": sorted(self.operators)}


def timed(forecast: Callable[[], object], policy: Policy, of: str) -> str:
    """Return the median of what a forecast takes, in words.

    Args:
        forecast: Makes one forecast, and is called several times.
        policy: The limits, of which ``latency_ms`` is the one of the median.
        of: What is forecast, as messages call it: a "series" or a "window".

    Raises:
        AdmissionError: The median is above the limit.
    """
    took = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        forecast()
        took.append(1000 * (time.perf_counter() - began))
    median = statistics.median(took)
    detail = f"median {median:.2f} ms of {_CALLS} forecasts of one {of}, at most {policy.latency_ms:g}"
    if median > policy.latency_ms:
        raise AdmissionError(detail)
    return detail


@dataclass(frozen=True)
class CheckResult:
    """What one check found."""

    check: str
    passed: bool
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True)
class AdmissionReport:
    """What all checks found, up to the first that failed.

    Args:
        target: The path of what was checked.
        verdicts: In the order of the checks.
    """

    target: str
    verdicts: Sequence[CheckResult]

    @property
    def admitted(self) -> bool:
        """Whether it may go live."""
        return bool(self.verdicts) and all(verdict.passed for verdict in self.verdicts)

    def check(self) -> None:
        """Raise unless it may go live.

        Raises:
            AdmissionError: With the name of the check.
        """
        failed = next((verdict for verdict in self.verdicts if not verdict.passed), None)
        if failed is not None or not self.verdicts:
            name, detail = (failed.check, failed.detail) if failed else ("process", "no check has ended")
            raise AdmissionError(
                f"a model must pass the check {name!r} to go live, but {self.target} does not: {detail}",
                "see serve/admission/README.md for what the check wants",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"target": self.target, "admitted": self.admitted, "checks": [asdict(v) for v in self.verdicts]}
