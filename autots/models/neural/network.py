"""A residual network over a window, as plain arrays: forecasting needs numpy alone, training is elsewhere.

Axes: W windows, I inputs, H steps, D features of a decoded step, K covariates of a step, C channels (quantile levels,
and the mean where squared error counts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autots.panel import Floats

__all__ = ["Arrays", "Shape", "forward", "initial"]

Arrays = dict[str, npt.NDArray[np.float32]]

_EPSILON = 1e-5  # of the layer normalisation, as torch has it
_ROWS = 4_096  # windows that are forecast at once


@dataclass(frozen=True)
class Shape:
    """Sizes of a network.

    Args:
        inputs: Columns I of a window.
        hidden: Width of the encoder.
        blocks: Residual blocks of the encoder.
        horizon: Steps H that are forecast at once.
        features: D that the encoder tells the decoder of each step.
        known: Covariates K of each step.
        decoder: Width of the decoder that all steps share.
        channels: Outputs C of each step.
    """

    inputs: int
    hidden: int
    blocks: int
    horizon: int
    features: int
    known: int
    decoder: int
    channels: int

    def layers(self) -> dict[str, tuple[int, int]]:
        """Return the (inputs, outputs) of each linear layer by name."""
        blocks = {f"block{b}_{part}": (self.hidden, self.hidden) for b in range(self.blocks) for part in ("in", "out")}
        return {
            "encode": (self.inputs, self.hidden),
            **blocks,
            "spread": (self.hidden, self.horizon * self.features),
            "step": (self.features + self.known, self.decoder),
            "quantile": (self.decoder, self.channels),
            "skip": (self.inputs, self.horizon),
            "skip_known": (self.known, 1),
        }

    @property
    def multiplications(self) -> int:
        """Multiplications for one window."""
        shared = ("step", "quantile", "skip_known")
        return sum(a * b * (self.horizon if name in shared else 1) for name, (a, b) in self.layers().items())


def initial(shape: Shape, rng: np.random.Generator) -> Arrays:
    """Return random arrays: uniform within 1 / sqrt(inputs), as torch's linear layers begin."""
    arrays: Arrays = {}
    for name, (inputs, outputs) in shape.layers().items():
        bound = 1.0 / np.sqrt(max(inputs, 1))
        arrays[f"{name}_w"] = rng.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)
        arrays[f"{name}_b"] = rng.uniform(-bound, bound, outputs).astype(np.float32)
    for b in range(shape.blocks):
        arrays[f"block{b}_gain"] = np.ones(shape.hidden, dtype=np.float32)
        arrays[f"block{b}_shift"] = np.zeros(shape.hidden, dtype=np.float32)
    return arrays


def forward(shape: Shape, arrays: Mapping[str, npt.NDArray[np.float32]], x: Floats, known: Floats) -> Floats:
    """Return (W, H, C) outputs for (W, I) windows and (W, H, K) covariates."""
    a = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    parts = [_forward(shape, a, x[i : i + _ROWS], known[i : i + _ROWS]) for i in range(0, len(x), _ROWS)]
    return np.concatenate(parts) if parts else np.zeros((0, shape.horizon, shape.channels))


def _forward(shape: Shape, a: Mapping[str, Floats], x: Floats, known: Floats) -> Floats:
    def linear(name: str, z: Floats) -> Floats:
        return np.asarray(z @ a[f"{name}_w"] + a[f"{name}_b"])

    z = np.maximum(linear("encode", x), 0.0)
    for b in range(shape.blocks):
        centred = z - z.mean(axis=1, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + _EPSILON)
        normal = normal * a[f"block{b}_gain"] + a[f"block{b}_shift"]
        z = z + linear(f"block{b}_out", np.maximum(linear(f"block{b}_in", normal), 0.0))
    decoded = linear("spread", z).reshape(len(x), shape.horizon, shape.features)
    steps = np.maximum(linear("step", np.concatenate([decoded, known], axis=2)), 0.0)
    return linear("quantile", steps) + linear("skip", x)[:, :, None] + linear("skip_known", known)
