"""A small recurrent network of torch, as somebody else would bring it: for tests and the benchmark of eager serving."""

from __future__ import annotations

import numpy as np
import torch

from autots.panel import Floats

__all__ = ["Recurrent", "trained"]


class Recurrent(torch.nn.Module):
    """An LSTM over a window in units of its own spread, and a linear layer to all steps and quantiles.

    Args:
        hidden: Width of each layer of the LSTM.
        horizon: Steps H.
        levels: Quantile levels, Q of them.
        layers: Of the LSTM.
    """

    def __init__(self, hidden: int, horizon: int, levels: int, layers: int = 1) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(1, hidden, layers, batch_first=True)
        self.head = torch.nn.Linear(hidden, horizon * levels)
        self.shape = (horizon, levels)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Return (W, H, Q) quantiles of (W, T) windows."""
        centre = windows.mean(dim=1, keepdim=True)
        spread = windows.std(dim=1, keepdim=True).nan_to_num() + 1e-3 * (1.0 + centre.abs())
        states, _ = self.lstm(((windows - centre) / spread)[..., None])
        made = self.head(states[:, -1]).reshape(-1, *self.shape).sort(dim=-1).values
        out: torch.Tensor = made * spread[..., None] + centre[..., None]
        return out


def trained(
    series: list[Floats], *, lookback: int, horizon: int, levels: tuple[float, ...], hidden: int, layers: int = 1
) -> Recurrent:
    """Return a network trained for some seconds by pinball loss on windows of the series."""
    rng, taus = np.random.default_rng(0), torch.tensor(levels)
    torch.manual_seed(0)
    network = Recurrent(hidden, horizon, len(levels), layers)
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
