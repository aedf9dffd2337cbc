"""Training of the network of ``network.py`` by torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from autots.models.base import Context
from autots.models.neural.network import Arrays, Shape, initial
from autots.models.pace import Pace

__all__ = ["ExampleSource", "Examples", "Schedule", "train"]

Batch = npt.NDArray[np.float32]

# Gradients longer than this are shortened (Pascanu et al. 2013).
_MAX_GRADIENT = 1.0
_WARM_UP = 0.1  # share of the steps over which the rate rises
_DECAY = 1e-2  # weight decay


@dataclass(frozen=True)
class Examples:
    """What is learned from, W windows of it.

    Args:
        x: (W, I) windows, standardised.
        known: (W, H, K) covariates of the steps.
        target: (W, H) scaled targets, NaN where missing.
        weight: (W,) weights of the windows in the loss.
    """

    x: Batch
    known: Batch
    target: Batch
    weight: Batch


@dataclass(frozen=True)
class Schedule:
    """How it is learned.

    Args:
        steps: Gradient steps that are made in all.
        batch: Windows that each step sees.
        rate: Highest learning rate; it rises over the first tenth and falls along a cosine to zero, over the steps or
            over the time that there is, whichever is less.
        dropout: Share of a block's hidden units that a step leaves out.
    """

    steps: int
    batch: int
    rate: float
    dropout: float = 0.0


class ExampleSource(Protocol):
    """All examples, by position."""

    def __len__(self) -> int:
        """Return their number."""
        ...

    def __call__(self, rows: npt.NDArray[np.int64]) -> Examples:
        """Return some of them."""
        ...


def train(
    shape: Shape,
    source: ExampleSource,
    levels: tuple[float, ...],
    schedule: Schedule,
    *,
    context: Context,
    squared_error: bool,
) -> tuple[Arrays, float]:
    """Return the learned arrays, and the share of the steps that were made.

    AdamW (Loshchilov & Hutter 2019) on the pinball loss of all levels.

    Args:
        shape: Of the network; its channels are the levels, and one more for the mean if ``squared_error``.
        source: The examples that are learned from.
        levels: Levels of the quantiles that are learned.
        schedule: Steps, batch and rate.
        context: Seed, threads and deadline.
        squared_error: Whether a last channel learns the mean by squared error.

    Raises:
        BudgetError: The deadline passed before the first step.
    """
    import torch

    rng = np.random.default_rng(context.seed)
    with _threads(context.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)  # of dropout
        arrays = {k: torch.from_numpy(v).requires_grad_() for k, v in initial(shape, rng).items()}
        optimizer = torch.optim.AdamW(list(arrays.values()), lr=schedule.rate, weight_decay=_DECAY, fused=True)
        tau = torch.tensor(levels, dtype=torch.float32)
        pace = Pace(context.deadline, schedule.steps)
        for step, rows in enumerate(_batches(len(source), schedule, rng)):
            done = pace.share(step)
            if done >= 1.0:
                break
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate * _rate_share(done)
            data = source(rows)
            target = torch.from_numpy(np.nan_to_num(data.target))
            weight = torch.from_numpy(np.isfinite(data.target) * data.weight[:, None])
            x, known = torch.from_numpy(data.x), torch.from_numpy(data.known)
            output = _network(torch, shape, arrays, x, known, dropout=schedule.dropout)
            error = target[..., None] - output[..., : len(levels)]
            loss = torch.maximum(tau * error, (tau - 1.0) * error).mean(dim=2)
            if squared_error:
                loss = loss + 0.5 * (target - output[..., -1]) ** 2
            optimizer.zero_grad()
            (loss * weight).mean().backward()  # type: ignore[no-untyped-call]  # torch's
            torch.nn.utils.clip_grad_norm_(list(arrays.values()), _MAX_GRADIENT)
            optimizer.step()
        # The loop asks before each step, so a whole schedule ends without its last answer.
        progress = 1.0 if done < 1.0 else pace.progress
        return {k: v.detach().numpy().copy() for k, v in arrays.items()}, progress


def _rate_share(done: float) -> float:
    """Return the learning rate as a share of the highest one, after a share of the steps."""
    if done < _WARM_UP:
        return max(done / _WARM_UP, 0.01)
    return 0.5 * (1.0 + math.cos(math.pi * (done - _WARM_UP) / (1.0 - _WARM_UP)))


def _batches(rows: int, schedule: Schedule, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the rows of each step; all rows come once before any comes again."""
    order = np.empty(0, dtype=np.int64)
    for _ in range(schedule.steps):
        while len(order) < schedule.batch:
            order = np.concatenate([order, rng.permutation(rows)])
        yield order[: schedule.batch]
        order = order[schedule.batch :]


def _network(torch: Any, shape: Shape, a: dict[str, Any], x: Any, known: Any, *, dropout: float) -> Any:
    """Return (W, H, C) outputs; the same formula as ``network.forward``, and dropout."""

    def linear(name: str, z: Any) -> Any:
        return torch.nn.functional.linear(z, a[f"{name}_w"].T, a[f"{name}_b"])

    z = torch.relu(linear("encode", x))
    for b in range(shape.blocks):
        normal = torch.nn.functional.layer_norm(z, (shape.hidden,), a[f"block{b}_gain"], a[f"block{b}_shift"])
        inner = torch.nn.functional.dropout(torch.relu(linear(f"block{b}_in", normal)), dropout)
        z = z + linear(f"block{b}_out", inner)
    decoded = linear("spread", z).view(-1, shape.horizon, shape.features)
    steps = torch.relu(linear("step", torch.cat([decoded, known], dim=2)))
    return linear("quantile", steps) + linear("skip", x)[..., None] + linear("skip_known", known)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
