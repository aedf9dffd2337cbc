r"""Texts told apart by all their characters.

pandas compares texts in its tables of hashes as C does: up to the first NUL. So "a\0x" and "a\0y", or "a" and "a\0",
are one to ``factorize``, ``unique`` and ``groupby``, and numpy's text arrays drop NULs at the end. Here texts are equal
where Python, Arrow and Spark find them equal: character by character, without any normal form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["coded", "looked_up", "same_text"]

_Codes = npt.NDArray[np.int64]


def coded(values: Any, *, sort: bool = False) -> tuple[_Codes, npt.NDArray[Any]]:
    r"""Return for each value which of the distinct ones it is, -1 where it is missing, and the distinct ones.

    Args:
        values: A pandas column or an array.
        sort: Whether the distinct ones are sorted; by default they come in the order of their first appearance.

    >>> coded(np.array(["a", "a\0", "a"], dtype=object))[0].tolist()
    [0, 1, 0]
    """
    dtype = values.dtype
    if not (pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)) or isinstance(
        dtype, pd.CategoricalDtype
    ):
        codes, found = pd.factorize(values, sort=sort)
        return np.asarray(codes, dtype=np.int64), np.asarray(found)
    codes, found = _coded(np.asarray(values, dtype=object))
    if sort:
        order = np.argsort(found, kind="stable")
        rank = np.empty(len(found) + 1, dtype=np.int64)
        rank[order], rank[-1] = np.arange(len(found)), -1
        return rank[codes], found[order]
    return codes, found


def _coded(values: npt.NDArray[np.object_]) -> tuple[_Codes, npt.NDArray[Any]]:
    import pyarrow as pa

    try:
        found = pa.array(values, pa.large_string(), from_pandas=True).dictionary_encode()
    except (pa.ArrowException, TypeError, UnicodeEncodeError):
        return _coded_slowly(values)  # not texts alone, or halves of characters
    codes = found.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, np.array(found.dictionary.to_pylist(), dtype=object)


def _coded_slowly(values: npt.NDArray[np.object_]) -> tuple[_Codes, npt.NDArray[Any]]:
    missing = pd.isna(values)
    known: dict[Any, int] = {}
    codes = np.fromiter(
        (-1 if gone else known.setdefault(value, len(known)) for value, gone in zip(values, missing, strict=True)),
        dtype=np.int64,
        count=len(values),
    )
    found = np.empty(len(known), dtype=object)
    found[:] = list(known)
    return codes, found


def same_text(codes: _Codes, found: npt.NDArray[Any]) -> tuple[_Codes, npt.NDArray[np.object_]]:
    """Return codes and values as texts; what is written alike (1 and "1") becomes one."""
    texts = np.array([str(value) for value in found], dtype=object)
    again, distinct = _coded(texts) if len(texts) else (np.empty(0, dtype=np.int64), texts)
    if len(distinct) == len(texts):
        return codes, texts
    return np.append(again, -1)[codes], distinct


def looked_up(column: pd.Series[Any], known: Mapping[Any, Any]) -> pd.Series[Any]:
    """Return for each value of a column what is known of it, missing for what is not."""
    codes, found = coded(column)
    values = pd.Series([known.get(value) for value in found.tolist()] + [None])
    return values.take(codes).set_axis(column.index)
