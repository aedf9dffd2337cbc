"""What a forecast request is answered with, and its native JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autots.panel import Floats
from serve.protocol.errors import RequestError

__all__ = ["Answer", "ModelForecasts", "dumps"]


@dataclass(frozen=True)
class ModelForecasts:
    """Forecasts of S series by one model, or by a combination.

    Args:
        model: The name of the model, or of the models.
        version: The version of the model, or of the models.
        ids: The S names of the series.
        times: (S, H) times, as the model's own table writes them.
        mean: (S, H) point forecasts.
        quantiles: (S, H, Q) quantile forecasts, ascending along Q.
        keys: The ids as the request gave them, where they are other than names; None for those that are not.
    """

    model: str
    version: str
    ids: Sequence[str]
    times: Sequence[Sequence[Any]]
    mean: Floats
    quantiles: Floats
    keys: Sequence[Any] = ()

    @property
    def shown(self) -> Sequence[Any]:
        """The ids in the shape of the request."""
        if not self.keys:
            return self.ids
        return [id_ if key is None else key for id_, key in zip(self.ids, self.keys, strict=True)]


@dataclass(frozen=True)
class Answer:
    """Everything that a request gets back.

    Args:
        levels: The Q quantile levels, ascending.
        forecasts: One entry, or one per model with ``combine=none``.
        separate: Whether the models are listed one by one.
        errors: Place of a series in the request -> its id and why it has no forecast.
        used: The names of all models that took part.
    """

    levels: tuple[float, ...]
    forecasts: Sequence[ModelForecasts]
    separate: bool = False
    errors: Mapping[int, tuple[Any, RequestError]] = field(default_factory=dict)
    used: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The name of the model, or of the models."""
        return "+".join(dict.fromkeys(f.model for f in self.forecasts))

    @property
    def version(self) -> str:
        """The version, or the versions in the order of the models."""
        return "+".join(f.version for f in self.forecasts)

    def to_json(self, request_id: str) -> bytes:
        """Return the native form."""
        body: dict[str, Any] = {
            "model": self.model,
            "model_version": self.version,
            "request_id": request_id,
            "quantiles": list(self.levels),
            "forecasts": [] if self.separate else self._rows(self.forecasts[0]),
            "errors": self.listed_errors(),
        }
        if self.separate:
            body["models"] = [
                {"model": f.model, "model_version": f.version, "forecasts": self._rows(f)} for f in self.forecasts
            ]
        elif len(self.used) > 1:
            body["combined"] = list(self.used)
        return dumps(body)

    def listed_errors(self) -> list[dict[str, Any]]:
        """Return why series have no forecast."""
        return [{"id": id_, **error.to_dict()} for id_, error in self.errors.values()]

    def _rows(self, forecasts: ModelForecasts) -> list[dict[str, Any]]:
        names = [f"{level:g}" for level in self.levels]
        mean = np.ascontiguousarray(forecasts.mean, dtype=np.float64)
        # (S, Q, H): the writer takes contiguous rows.
        by_level = np.ascontiguousarray(np.moveaxis(forecasts.quantiles, 2, 1), dtype=np.float64)
        return [
            {"id": id_, "time": times, "mean": row, "quantiles": dict(zip(names, levels, strict=True))}
            for id_, times, row, levels in zip(forecasts.shown, forecasts.times, mean, by_level, strict=True)
        ]


def dumps(body: Any) -> bytes:
    """Write JSON; numbers come back from it to the last bit, and NaN is null."""
    import orjson

    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
