"""Small recurrent networks of torch, as others would bring them: for tests and the benchmark of eager serving."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

from autots.panel import Floats

__all__ = ["Autoregressive", "Recurrent", "trained"]


class Recurrent(torch.nn.Module):
    """An LSTM over a window in units of its own spread, and a linear layer to all steps and quantiles.

    Args:
        hidden: Width of each layer of the LSTM.
        horizon: The H steps that are forecast.
        levels: Quantile levels, Q of them.
        layers: Layers of the LSTM, one on the other.
    """

    def __init__(self, hidden: int, horizon: int, levels: int, layers: int = 1) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(1, hidden, layers, batch_first=True)
        self.head = torch.nn.Linear(hidden, horizon * levels)
        self.shape = (horizon, levels)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Return (W, H, Q) quantiles of (W, T) windows."""
        centre, spread = _units(windows)
        states, _ = self.lstm(((windows - centre) / spread)[..., None])
        quantiles = self.head(states[:, -1]).reshape(-1, *self.shape).sort(dim=-1).values
        out: torch.Tensor = quantiles * spread[..., None] + centre[..., None]
        return out


class Autoregressive(torch.nn.Module):
    """An LSTM that reads a window, then goes on step by step, fed with its own medians.

    The decoder of DeepAR (Salinas et al., 2020) with quantiles in the place of samples: H small steps, one after the
    other, so a lone request waits mostly for the interpreter.

    Args:
        hidden: Width of each layer of the LSTM.
        horizon: The H steps that are forecast.
        levels: Quantile levels, Q of them, an odd number with the median in the middle.
        layers: Layers of the LSTM, one on the other.
    """

    def __init__(self, hidden: int, horizon: int, levels: int, layers: int = 1) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(1, hidden, layers, batch_first=True)
        self.head = torch.nn.Linear(hidden, levels)
        self.horizon = horizon

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Return (W, H, Q) quantiles of (W, T) windows."""
        centre, spread = _units(windows)
        states, memory = self.lstm(((windows - centre) / spread)[..., None])
        quantiles = [self.head(states[:, -1]).sort(dim=-1).values]
        while len(quantiles) < self.horizon:
            middle = quantiles[-1].shape[-1] // 2
            states, memory = self.lstm(quantiles[-1][:, None, middle : middle + 1], memory)
            quantiles.append(self.head(states[:, -1]).sort(dim=-1).values)
        out: torch.Tensor = torch.stack(quantiles, dim=1) * spread[..., None] + centre[..., None]
        return out


def _units(windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the (W, 1) centre and spread that a window is told in."""
    centre = windows.mean(dim=1, keepdim=True)
    return centre, windows.std(dim=1, keepdim=True).nan_to_num() + 1e-3 * (1.0 + centre.abs())


_Network = TypeVar("_Network", bound=torch.nn.Module)


def trained(
    kind: Callable[[int, int, int, int], _Network],
    series: list[Floats],
    *,
    lookback: int,
    horizon: int,
    levels: tuple[float, ...],
    hidden: int,
    layers: int = 1,
) -> _Network:
    """Return a network trained for some seconds by pinball loss on windows of the series.

    Args:
        kind: Makes the network of hidden, horizon, levels, layers.
        series: Each longer than ``lookback + horizon``.
        lookback: Values T of a window.
        horizon: The H steps that are forecast.
        levels: The quantile levels of the outputs, ascending.
        hidden: Units of each layer of the LSTM.
        layers: Layers of the LSTM, one on the other.
    """
    rng, taus = np.random.default_rng(0), torch.tensor(levels)
    torch.manual_seed(0)
    network = kind(hidden, horizon, len(levels), layers)
    steps = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        windows = []
        for y in rng.choice(len(series), 32):
            at = int(rng.integers(0, len(series[y]) - lookback - horizon))
            windows.append(series[y][at : at + lookback + horizon])
        batch = torch.from_numpy(np.stack(windows).astype(np.float32))
        error = batch[:, lookback:, None] - network(batch[:, :lookback])
        loss = torch.maximum(taus * error, (taus - 1) * error).mean()
        steps.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        steps.step()
    return network
