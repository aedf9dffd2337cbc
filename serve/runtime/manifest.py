"""What somebody else's forecaster says of itself: the manifest in its folder."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

__all__ = ["Declaration", "TorchDeclaration"]


class _Declared(BaseModel):
    """What every foreign model says of itself; the admission checks hold it to that.

    Args:
        lookback: Context length T: the steps of the input (batch, T).
        horizon: Steps H of the forecast.
        quantiles: Q levels, ascending, with 0.5 among them.
        freq: Of the clock, a pandas alias such as ``h``.
        sha256: Of the model's file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: ClassVar[str]
    member: ClassVar[str]

    lookback: int = Field(ge=1, le=100_000)
    horizon: int = Field(ge=1, le=10_000)
    quantiles: tuple[float, ...] = Field(min_length=1, max_length=99)
    freq: str = Field(min_length=1, max_length=20)
    sha256: str = Field(default="", pattern=r"^[0-9a-f]{0,64}$")

    @field_validator("quantiles")
    @classmethod
    def _levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if list(levels) != sorted(set(levels)) or not 0 < levels[0] <= levels[-1] < 1 or 0.5 not in levels:
            raise ValueError(f"must ascend between 0 and 1 with 0.5 among them, but got {list(levels)}")
        return levels


class Declaration(_Declared):
    """What an ONNX graph says of itself; the rest is that of every foreign model.

    Args:
        kind: Tells this manifest from a pipeline's.
        output: Name of the graph's output with the quantiles, (batch, H, Q).
    """

    file: ClassVar[str] = "model.onnx"
    member: ClassVar[str] = "onnx"

    kind: Literal["foreign-onnx"] = "foreign-onnx"
    output: str = "quantiles"


class TorchDeclaration(_Declared):
    """What a torch network says of itself; the rest is that of every foreign model.

    Args:
        kind: Tells this manifest from a pipeline's.
        network: Its class, as ``package.module:Class``; called with windows (batch, T) it returns (batch, H, Q).
        arguments: What the class is called with, by name.
    """

    file: ClassVar[str] = "model.safetensors"
    member: ClassVar[str] = "torch"

    kind: Literal["foreign-torch"] = "foreign-torch"
    network: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", max_length=200)
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
