"""What was found in a table and done about it, as findings that programs can rely on and people can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_NAMED", "Finding", "FindingLog"]

MAX_NAMED = 5  # series that a finding names


@dataclass(frozen=True)
class Finding:
    """Something in the data that was changed, or that the reader should know.

    Args:
        kind: A word that tests and programs can rely on, such as ``"gaps"``.
        count: How many rows, or series, it concerns.
        series: At most five of the series concerned.
        message: What was found, as the start of a sentence.
        action: What was done about it.
    """

    kind: str
    count: int
    message: str
    action: str
    series: tuple[str, ...] = ()


@dataclass
class FindingLog:
    """Findings in the order in which they are made.

    Args:
        labels: (S,) names of the series that findings refer to by index.
    """

    labels: npt.NDArray[np.object_]
    findings: list[Finding] = field(default_factory=list)

    def add(self, kind: str, count: int, message: str, action: str, series: Any = ()) -> None:
        """Note a finding unless its count is 0; ``series`` are indices into the labels, each once."""
        if count:
            chosen = np.asarray(series, dtype=np.int64)[:MAX_NAMED]
            names = tuple(str(name) for name in self.labels[chosen])
            self.findings.append(Finding(kind, int(count), message, action, names))
