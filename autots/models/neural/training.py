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
from autots.models.pace import FitPace

__all__ = ["ExampleSource", "Examples", "Schedule", "train"]

Batch = npt.NDArray[np.float32]

# Gradients longer than this are shortened (Pascanu et al. 2013).
_MAX_GRADIENT = 1.0
_WARM_UP = 0.1  # share of the steps over which the rate rises
_DECAY = 1e-2  # weight decay
_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # of the running means of gradients and their squares


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
        learned = _Flat(torch, initial(shape, rng))
        tau = torch.tensor(levels, dtype=torch.float32)
        pace = FitPace(context.deadline, schedule.steps)
        for step, rows in enumerate(_batches(len(source), schedule, rng)):
            done = pace.share(step)
            if done >= 1.0:
                break
            data = source(rows)
            target = torch.from_numpy(np.nan_to_num(data.target))
            weight = torch.from_numpy(np.isfinite(data.target) * data.weight[:, None])
            x, known = torch.from_numpy(data.x), torch.from_numpy(data.known)
            output = _network(torch, shape, learned.arrays(), x, known, dropout=schedule.dropout)
            error = target[..., None] - output[..., : len(levels)]
            loss = torch.maximum(tau * error, (tau - 1.0) * error).mean(dim=2)
            if squared_error:
                loss = loss + 0.5 * (target - output[..., -1]) ** 2
            (loss * weight).mean().backward()  # type: ignore[no-untyped-call]  # torch's
            learned.step(schedule.rate * _rate_share(done))
        # The loop asks before each step, so a whole schedule ends without its last answer.
        progress = 1.0 if done < 1.0 else pace.progress
        return {k: v.detach().numpy().copy() for k, v in learned.arrays().items()}, progress


class _Flat:
    """All arrays of a network as one vector, and AdamW on it (Loshchilov & Hutter 2019, algorithm 2).

    ``torch.optim`` imports torch's compiler with its first optimizer: two seconds of a core, on a busy machine eight,
    in every process that trains. On one vector the rule is a handful of operations, and a step a tenth quicker.
    """

    def __init__(self, torch: Any, arrays: Arrays) -> None:
        self._torch = torch
        self._shapes = {name: value.shape for name, value in arrays.items()}
        self._sizes = [value.size for value in arrays.values()]
        flat = np.concatenate([np.asarray(value, dtype=np.float32).ravel() for value in arrays.values()])
        self._vector = torch.from_numpy(flat).requires_grad_()
        self._first, self._second = torch.zeros_like(self._vector), torch.zeros_like(self._vector)
        self._count = 0

    def arrays(self) -> dict[str, Any]:
        """Return the arrays by name: views of the vector, through which it learns."""
        parts = self._torch.split(self._vector, self._sizes)
        return {name: part.view(size) for (name, size), part in zip(self._shapes.items(), parts, strict=True)}

    def step(self, rate: float) -> None:
        """Move the vector against its gradient, which is shortened first, and forget the gradient."""
        torch, (slow, slower) = self._torch, _BETAS
        with torch.no_grad():
            gradient = self._vector.grad
            gradient = gradient * (_MAX_GRADIENT / (gradient.norm() + 1e-6)).clamp(max=1.0)
            self._count += 1
            self._first.mul_(slow).add_(gradient, alpha=1 - slow)
            self._second.mul_(slower).addcmul_(gradient, gradient, value=1 - slower)
            size = (self._second / (1 - slower**self._count)).sqrt_().add_(_EPSILON)
            self._vector.mul_(1 - rate * _DECAY).addcdiv_(self._first, size, value=-rate / (1 - slow**self._count))
            self._vector.grad = None


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
