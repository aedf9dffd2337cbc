"""One column of the user's table -> a typed array, and back: identifiers, numbers, categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.panel import Floats
from zoo.errors import DataError

__all__ = ["IdStyle", "read_covariate", "read_ids", "read_numbers"]

# What people and programs write where a number is missing.
_BLANKS = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "<na>"})
_NUMERIC = (str, int, float, Decimal, np.integer, np.floating, np.bool_)


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
    categories, ordered = None, False
    if isinstance(dtype, pd.CategoricalDtype):
        values = dtype.categories
        codes = np.asarray(pd.Categorical(column).codes, dtype=np.int64)
        categories, ordered = tuple(map(str, values)), bool(dtype.ordered)
    else:
        codes, values = pd.factorize(column)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise DataError(
            f"every row must name its series, but column {name!r} is missing in {int((codes < 0).sum())} rows, "
            f"first in row {row}",
            "fill or drop these rows",
        )
    inferred = pd.api.types.infer_dtype(values, skipna=True)
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


def read_numbers(column: Any, name: object, *, what: str = "the target") -> tuple[Floats, int]:
    """Return (N,) numbers, NaN where missing, and how many were written as text.

    Raises:
        DataError: A value is no number; its row is named.
    """
    column = pd.Series(column)
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        column, dtype = column.astype(dtype.categories.dtype), dtype.categories.dtype
    if pd.api.types.is_complex_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype) or dtype.kind == "m":
        raise DataError(f"{what} must hold numbers, but column {name!r} holds {dtype}", "choose another column")
    if pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        return np.array(column.to_numpy(dtype=np.float64, na_value=np.nan)), 0
    raw = column.to_numpy(dtype=object, na_value=None)
    texts = np.fromiter((isinstance(v, str) for v in raw), dtype=bool, count=len(raw))
    blank = np.fromiter(
        (v is None or (isinstance(v, str) and v.strip().lower() in _BLANKS) for v in raw), bool, len(raw)
    )
    odd = ~blank & ~np.fromiter((isinstance(v, _NUMERIC) for v in raw), dtype=bool, count=len(raw))
    plain = np.fromiter((_plain(v) for v in raw), dtype=object, count=len(raw))
    plain[blank | odd] = np.nan
    numbers = pd.to_numeric(pd.Series(plain), errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.flatnonzero((np.isnan(numbers) & texts & ~blank) | odd)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{what} must hold numbers, but column {name!r} holds {raw[row]!r} in row {row} ({len(wrong)} such rows)",
            "correct or drop these values, or name another column",
        )
    return numbers, int((texts & ~blank).sum())


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    return float(value) if isinstance(value, Decimal) else value


def read_covariate(
    column: Any, name: object, known: Sequence[str] | None = None
) -> tuple[Floats, tuple[str, ...] | None]:
    """Return a covariate as (N,) numbers, or as codes of categories together with the categories.

    Missing and unseen categories have the code -1.

    Args:
        column: The covariate.
        name: Its name, for messages.
        known: The categories seen at first; None to decide here whether the column is one of numbers.

    Raises:
        DataError: The cells hold neither numbers nor text.
    """
    column = pd.Series(column)
    dtype = column.dtype
    numeric = pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    if known is None and numeric:
        return read_numbers(column, name, what="a covariate")[0], None
    codes: npt.NDArray[Any]
    if isinstance(dtype, pd.CategoricalDtype):
        codes, values = column.cat.codes.to_numpy(), dtype.categories
    else:
        try:
            codes, values = pd.factorize(column)
        except TypeError as error:
            raise _no_scalar(column, name) from error
    if any(not pd.api.types.is_scalar(v) for v in values[:100]):
        raise _no_scalar(column, name)
    kinds = pd.api.types.infer_dtype(values)
    if known is None and kinds in ("integer", "floating", "decimal", "boolean", "mixed-integer-float"):
        return read_numbers(column, name, what="a covariate")[0], None
    labels = np.array([str(v) for v in values], dtype=object)
    used = np.unique(codes[codes >= 0])
    categories = tuple(known) if known is not None else tuple(sorted(set(labels[used])))
    place = {label: i for i, label in enumerate(categories)}
    # The last entry is what the code -1, a missing value, points to.
    lookup = np.array([*(place.get(label, -1) for label in labels), -1], dtype=np.float64)
    return lookup[codes], categories


def _no_scalar(column: Any, name: object) -> DataError:
    first = column.dropna().iloc[0]
    return DataError(
        f"a covariate must hold numbers or text, but column {name!r} holds {type(first).__name__} values",
        "drop this column, or turn it into numbers",
    )
