"""What an ensemble knows of each series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from autots.panel import Ints

__all__ = ["PerSeriesArrays"]


@dataclass(frozen=True)
class PerSeriesArrays:
    """Arrays with a row per series; a subclass names them. Zeros stand for a series of which nothing is known.

    Args:
        ids: (S,) the ids of the series.
    """

    ids: npt.NDArray[np.object_]

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "ids"}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and arrays."""
        return {"ids": [str(id_) for id_ in self.ids], **self._arrays()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` wrote."""
        arrays = {field.name: np.asarray(values[field.name]) for field in fields(cls) if field.name != "ids"}
        return cls(np.array(values["ids"], dtype=object), **arrays)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(id_): i for i, id_ in enumerate(self.ids)}

    def rows(self, ids: npt.NDArray[np.object_]) -> Ints:
        """Return the (S',) positions of series, -1 for those of which nothing is known."""
        return np.array([self._rows.get(str(id_), -1) for id_ in ids], dtype=np.int64)

    def including(self, ids: npt.NDArray[np.object_]) -> Self:
        """Return the same with rows for these series, too."""
        new = list(dict.fromkeys(str(id_) for id_ in ids if str(id_) not in self._rows))
        if not new:
            return self
        longer = {
            name: np.concatenate([old, np.zeros((len(new), *old.shape[1:]), dtype=old.dtype)])
            for name, old in self._arrays().items()
        }
        return type(self)(np.array([*self.ids, *new], dtype=object), **longer)

    def _with(self, rows: Ints, **values: npt.NDArray[Any]) -> Self:
        """Return the same with other values in some rows."""
        changed = {name: getattr(self, name).copy() for name in values}
        for name, value in values.items():
            changed[name][rows] = value
        return replace(self, **changed)
