"""Which trials are not surpassed."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.search.metrics import Metric
from zoo.search.trial import TrialRecord

__all__ = ["front"]


def front(records: Sequence[TrialRecord], objectives: Sequence[Metric]) -> list[TrialRecord]:
    """Return the feasible complete trials that no other one surpasses: as good in all objectives, better in one.

    Of equal ones the earliest stays. Ordered by the first objective, best first.
    """
    signs = [1.0 if metric.direction == "minimize" else -1.0 for metric in objectives]
    points = [
        (tuple(sign * record.metrics[m.name] for sign, m in zip(signs, objectives, strict=True)), record)
        for record in records
        if record.state == "complete" and record.feasible
    ]
    # In this order a record can only be surpassed by one before it.
    points.sort(key=lambda item: (item[0], item[1].number))
    kept: list[tuple[tuple[float, ...], TrialRecord]] = []
    for point, record in points:
        if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other, _ in kept):
            kept.append((point, record))
    return [record for _, record in kept]
