"""Somebody else's torch network, served as it is: its own class, run eagerly, with weights from safetensors.

No conversion and no pickle: the class is imported from a package that the operator of the server allows by name
(``ZOO_SERVE_CODE=theirs,more``), as importing a module runs it; nothing else of the folder is code.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autots.panel import Floats
from zoo.errors import ArtifactError, ConfigError, ModelError

if TYPE_CHECKING:
    from serve.runtime.manifest import TorchDeclaration

__all__ = ["CODE", "TorchModel", "allowed", "write_weights"]

#: The environment variable with the packages that networks may come from, separated by commas.
CODE = "ZOO_SERVE_CODE"


def allowed(module: str) -> bool:
    """Return whether the operator allows code of the package that a module is in."""
    return module.split(".")[0] in {name.strip() for name in os.environ.get(CODE, "").split(",")} - {""}


def write_weights(network: Any, file: str | Path) -> Path:
    """Write the state of a ``torch.nn.Module`` as safetensors, for ``pack``."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()}, str(file))
    return Path(file)


class TorchModel:
    """A network from (W, T) windows to (W, H, Q) quantiles, on the processor, with one thread.

    Args:
        path: The file of the network's weights.
        told: What its manifest says.

    Raises:
        ConfigError: The operator does not allow its package.
        ArtifactError: There is no such class, or it is no network.
        ModelError: The class does not take the arguments or the weights.
    """

    def __init__(self, path: Path, told: TorchDeclaration) -> None:
        module, _, name = told.network.partition(":")
        if not allowed(module):
            package = module.split(".")[0]
            raise ConfigError(
                f"a torch network must come from a package that {CODE} names, but {package!r} is not among them",
                f"if you trust that code: {CODE}={package} zoo serve ...",
            )
        import torch
        from safetensors.torch import load_file

        try:
            kind = getattr(importlib.import_module(module), name, None)
        except ImportError as error:
            raise ArtifactError(
                f"the network {told.network} must be importable, but {error}", "install it beside zoo-autots"
            ) from None
        if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
            raise ArtifactError(f"{told.network} must be a torch.nn.Module, but is {kind!r}", "name its class")
        # Several threads for a window of a few hundred numbers wait for each other.
        torch.set_num_threads(1)
        try:
            network = kind(**told.arguments)
            network.load_state_dict(load_file(str(path)))
        except Exception as error:  # whatever a foreign constructor raises
            raise ModelError(f"{told.network} must take its arguments and weights, but {error}") from None
        self._network = network.eval()
        self.batch: int | None = None
        self.lookback: int | None = told.lookback

    def forecast(self, windows: Floats) -> Floats:
        """Return (W, H, Q) forecasts of (W, T) windows."""
        import torch

        with torch.inference_mode():
            quantiles = self._network(torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32)))
        return np.asarray(quantiles.numpy(), dtype=np.float64)
