"""Which columns name the series: how many rows share series and time, and which columns together tell them apart."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.reading.columns import FEW

__all__ = ["Keys", "few", "key_of", "phrase"]

_LEAST_ROWS = 3  # rows of a series on average, or a column describes rows rather than series
_MOST_TRIED = 10  # columns that may be part of a key
_LARGEST = 3  # columns of a key that is looked for
_LOOKED_AT = 300_000  # rows


def key_of(given: Any, seen: Sequence[Any]) -> tuple[Any, ...]:
    """Return the columns that a user names as the series': none, one, or several as a list.

    >>> key_of(None, []), key_of(0, [0]), key_of(["store", "item"], ["store", "item"]), key_of((1, 2), [(1, 2)])
    ((), (0,), ('store', 'item'), ((1, 2),))
    """
    if given is None:
        return ()
    if isinstance(given, tuple):
        return (given,) if given in seen else given
    if isinstance(given, list | pd.Index | np.ndarray | pd.Series):
        return tuple(given.tolist() if not isinstance(given, list) else given)
    return (given,)


def few(count: int, n: int) -> bool:
    """Whether so many of n rows may be merged without asking."""
    return count <= max(min(2, n // 10), FEW * n)


def phrase(names: Sequence[Any]) -> str:
    """Return names in a sentence.

    >>> phrase(["store", "item"])
    "'store' and 'item'"
    """
    texts = [repr(name) for name in names]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


class Keys:
    """The rows of a table, seen as (time, series).

    Args:
        table: The user's table, in its own order.
        clock: (N,) times of its rows.
        exact: Whether all rows of a large table are looked at.
    """

    def __init__(self, table: pd.DataFrame, clock: Any, *, exact: bool = False) -> None:
        # Of millions of rows those of some times are looked at, all of theirs.
        self.step = 1 if exact else max(1, len(table) // _LOOKED_AT)
        codes, found = pd.factorize(clock)
        codes = codes.astype(np.int64)
        with contextlib.suppress(TypeError):  # times with and without zone; whoever reads them says so
            codes = np.argsort(np.argsort(found))[codes]
        some = codes % self.step == 0 if self.step > 1 else slice(None)
        self._table = table if self.step == 1 else table[some]
        self._clock = codes[some]
        self.n = len(self._clock)
        self._codes: dict[Any, npt.NDArray[np.int64] | None] = {}

    @cached_property
    def _fresh(self) -> npt.NDArray[np.bool_]:
        """(N,) rows that no earlier one equals in everything: to collapse those loses nothing."""
        try:
            return ~self._table.assign(**{"": self._clock}).duplicated().to_numpy()
        except TypeError:  # cells that cannot be compared
            return np.ones(len(self._table), dtype=bool)

    def codes(self, name: Any) -> npt.NDArray[np.int64] | None:
        """(N,) codes of a column's values; None if they name nothing."""
        if name not in self._codes:
            try:
                self._codes[name] = pd.factorize(self._table[name], use_na_sentinel=False)[0].astype(np.int64)
            except TypeError:  # lists cannot name a series
                self._codes[name] = None
        return self._codes[name]

    def series(self, names: Sequence[Any]) -> npt.NDArray[np.int64] | None:
        """(N,) codes of the series that columns name together."""
        out = np.zeros(len(self._clock), dtype=np.int64)
        for name in names:
            codes = self.codes(name)
            if codes is None:
                return None
            out = pd.factorize(out * (int(codes.max(initial=0)) + 1) + codes)[0].astype(np.int64)
        return out

    def merged(self, names: Sequence[Any]) -> int:
        """Return how many rows would be merged with another one that is not equal in everything."""
        series = self.series(names)
        if series is None:
            return len(self._clock)
        both = series * (int(self._clock.max(initial=0)) + 1) + self._clock
        if not pd.Series(both).duplicated().any():
            return 0
        return int(pd.Series(both[self._fresh]).duplicated().sum())

    def count(self, names: Sequence[Any]) -> int:
        """Return the number of series that columns name."""
        series = self.series(names)
        return 0 if series is None else int(series.max(initial=-1)) + 1

    def alternates(self, name: Any) -> bool:
        """Whether a column changes back and forth in time where times do not repeat: measurements do, names do not."""
        codes = self.codes(name)
        if codes is None:
            return True
        in_time = codes[np.argsort(self._clock, kind="stable")]
        changes, kinds = int((np.diff(in_time) != 0).sum()), self.count([name])
        doubles = len(self._clock) - len(np.unique(self._clock))
        return 4 * kinds > len(codes) or changes > 2 * doubles + kinds

    def able(self, names: Sequence[Any]) -> bool:
        """Whether columns name series of some rows each, with few rows that share a time."""
        most = self.n * self.step / _LEAST_ROWS
        return 1 < self.count(names) <= most and few(self.merged(names), self.n)

    def longer(self, base: Sequence[Any], candidates: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the shortest keys that begin with ``base``, one of those that name the same series.

        Of two keys of which one splits the series of the other, only the other is returned.
        """
        usable = [c for c in candidates if self.codes(c) is not None and 1 < self.count([c]) < self.n]
        usable = usable[:_MOST_TRIED]
        for size in range(1, _LARGEST + 1 - bool(base)):
            keys = [(*base, *more) for more in combinations(usable, size)]
            keys = [key for key in keys if self.able(key)]
            if keys:
                keys.sort(key=self.count)
                kept: list[tuple[Any, ...]] = []
                for key in keys:
                    if not any(self.count([*key, *other]) == self.count(key) for other in kept):
                        kept.append(key)
                return kept
        return []
