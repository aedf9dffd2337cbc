"""What names the series: one column or several -> one label per series, and back.

Inside, a series has one label, text. Of a key of several columns it joins their values with " | ", so that different
keys never share a label, whatever their values hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.errors import DataError
from zoo.tables.texts import coded

__all__ = ["IdStyle", "KeyStyle", "joined", "parted", "read_ids", "read_key"]


@dataclass(frozen=True)
class IdStyle:
    """How the user writes identifiers.

    Args:
        kind: ``"text"``, ``"int"`` or ``"float"``: what the values are.
        dtype: The pandas dtype of the column.
        categories: The categories of a categorical column, as text; else None.
        ordered: Whether those categories are ordered.
    """

    kind: str = "text"
    dtype: str = "object"
    categories: tuple[str, ...] | None = None
    ordered: bool = False

    def columns(self, ids: npt.NDArray[np.object_]) -> list[Any]:
        """Return what ``write`` returns as the one column of the series' names."""
        return [self.write(ids)]

    def write(self, ids: npt.NDArray[np.object_]) -> Any:
        """Return text identifiers as a pandas array in the user's style."""
        values = self._values(ids)
        if self.categories is not None:
            known = self._values(np.array(self.categories, dtype=object))
            new = pd.Index(values[~pd.Index(values).isin(known)]).unique()
            return pd.Categorical(values, pd.Index(known).append(new), ordered=self.ordered)
        if self.kind == "text" and not self.dtype.startswith(("str", "large_string")):
            return pd.Series(values, dtype=object).array
        dtype: Any = self.dtype
        return pd.Series(values).astype(dtype if values.dtype != object or self.kind == "text" else object).array

    def _values(self, ids: npt.NDArray[np.object_]) -> npt.NDArray[Any]:
        if self.kind == "text":
            return np.asarray(ids, dtype=object)
        try:
            return np.array([int(i) if self.kind == "int" else float(i) for i in ids])
        except ValueError:  # a new series, named in another style than the ones seen at first
            return np.asarray(ids, dtype=object)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        out = asdict(self)
        out["categories"] = None if self.categories is None else list(self.categories)
        return out

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> IdStyle:
        """Read what ``to_dict`` returned."""
        categories = values["categories"]
        return cls(**{**values, "categories": None if categories is None else tuple(categories)})


def read_ids(column: Any, name: object) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.object_], IdStyle]:
    """Return (N,) codes, the (S,) identifiers as text in the order of the user's own type, and their style.

    Raises:
        DataError: An identifier is missing.
    """
    dtype = column.dtype
    values: Any
    categories, ordered = None, False
    if isinstance(dtype, pd.CategoricalDtype):
        values = dtype.categories
        codes = np.asarray(pd.Categorical(column).codes, dtype=np.int64)
        categories, ordered = tuple(map(str, values)), bool(dtype.ordered)
    else:
        codes, values = coded(column)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise DataError(
            f"every row must name its series, but column {name!r} is missing in {int((codes < 0).sum())} rows, "
            f"first in row {row}",
            "fill or drop these rows",
        )
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred == "bytes":
        values, inferred = _decoded(values, name), "string"
    kind = {"integer": "int", "floating": "float"}.get(inferred, "text")
    # 1.0 among floats is the series 1: an integer column becomes one of floats as soon as a value is missing nearby.
    labels = np.array([str(int(v)) if kind == "float" and v == np.floor(v) else str(v) for v in values], dtype=object)
    # Numbers in the order of numbers, text in the order of text: never the order in which rows happen to come.
    rank_by = (
        np.array([float(v) for v in values]) if kind == "float" else np.asarray(values) if kind == "int" else labels
    )
    used = np.unique(codes)
    order = used[np.argsort(rank_by[used], kind="stable")]
    labels, first = np.unique(labels[order], return_inverse=True) if kind == "text" else (labels[order], None)
    lookup = np.full(len(values), -1, dtype=np.int64)
    lookup[order] = np.arange(len(order)) if first is None else first
    return lookup[codes], labels, IdStyle(kind, str(dtype) if categories is None else "category", categories, ordered)


def _decoded(values: Any, name: object) -> npt.NDArray[np.object_]:
    try:
        return np.array([v.decode() for v in values], dtype=object)
    except UnicodeDecodeError as error:
        raise DataError(
            f"identifiers must be text, but column {name!r} holds the bytes {error.object!r}",
            f"decode them: frame[{name!r}] = frame[{name!r}].str.decode('latin-1'), or what they are written in",
        ) from error


@dataclass(frozen=True)
class KeyStyle:
    """How the user writes a key of several columns.

    Args:
        parts: The style of each column.
    """

    parts: tuple[IdStyle, ...]

    def columns(self, ids: npt.NDArray[np.object_]) -> list[Any]:
        """Return the key's columns of series as pandas arrays in the user's styles."""
        split = [parted(str(label)) for label in ids]
        return [
            style.write(np.array([parts[i] if i < len(parts) else "" for parts in split], dtype=object))
            for i, style in enumerate(self.parts)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"parts": [part.to_dict() for part in self.parts]}

    @staticmethod
    def of(values: Mapping[str, Any]) -> IdStyle | KeyStyle:
        """Read what ``to_dict`` of either style returned."""
        if "parts" not in values:
            return IdStyle.from_dict(dict(values))
        return KeyStyle(tuple(IdStyle.from_dict(part) for part in values["parts"]))


def joined(parts: Sequence[str]) -> str:
    r"""Return the label of a key; different keys have different labels.

    >>> joined(["Bonn", "7"]), joined(["a | b", "7"])
    ('Bonn | 7', 'a \\| b | 7')
    """
    return " | ".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


def parted(label: str) -> list[str]:
    """Return the key that ``joined`` made a label of.

    >>> parted(joined(["a | b", ""]))
    ['a | b', '']
    """
    parts, now, at = [], "", 0
    while at < len(label):
        if label[at] == "\\":
            now += label[at + 1 : at + 2]
            at += 2
        elif label.startswith(" | ", at):
            parts.append(now)
            now = ""
            at += 3
        else:
            now += label[at]
            at += 1
    return [*parts, now]


def read_key(
    columns: Sequence[Any], names: Sequence[object]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.object_], IdStyle | KeyStyle]:
    """Return what ``read_ids`` returns, for one column or for several that together name the series.

    Series are in the order of the first column, then of the second, and so on.

    Raises:
        DataError: A part of the key is missing.
    """
    if len(columns) == 1:
        return read_ids(columns[0], names[0])
    read = [read_ids(column, name) for column, name in zip(columns, names, strict=True)]
    codes = read[0][0]
    keys = np.arange(len(read[0][1]), dtype=np.int64)[:, None]
    for more, labels, _ in read[1:]:
        both, codes = np.unique(codes * len(labels) + more, return_inverse=True)
        codes = codes.astype(np.int64)
        keys = np.column_stack([keys[both // len(labels)], both % len(labels)])
    text = [[str(read[k][1][i]) for k, i in enumerate(key)] for key in keys.tolist()]
    return codes, np.array([joined(parts) for parts in text], dtype=object), KeyStyle(tuple(r[2] for r in read))
