"""Steps that look back: earlier values, windows of them, their decay and their differences.

None of them looks at the row's own value unless ``shift: 0`` says so: a feature of the row that holds the target to be
forecast must not know it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from pydantic import Field, field_validator

from zoo.errors import ConfigError
from zoo.features.batch import Array, Batch
from zoo.features.kernels.decay import decayed_mean, memory, newest_decayed_mean
from zoo.features.steps.base import ColumnStep, Scales, Scope
from zoo.series.lags import difference, lag
from zoo.series.windows import WindowStatistic, rolling

__all__ = ["Difference", "Ewm", "Lags", "Rolling"]


class _History(ColumnStep):
    """What these steps share: the columns that they look at."""

    looks_back: ClassVar[bool] = True
    columns: list[str] | None = None

    def reads(self, scope: Scope) -> tuple[str, ...]:
        """Return the columns looked at."""
        return scope.numeric(self.columns, self.kind)


def _distinct(values: list[int]) -> list[int]:
    if not values or min(values) < 1 or len(set(values)) < len(values):
        raise ConfigError(f"must be different whole numbers from 1, but got {values}", "for example [1, 24, 168]")
    return values


class Lags(_History):
    """Add values of earlier rows.

    Args:
        rows: How many rows back.
        columns: The target by default.
    """

    kind: ClassVar[str] = "lags"
    short: ClassVar[str | None] = "rows"
    rows: list[int]

    @field_validator("rows")
    @classmethod
    def _past(cls, rows: list[int]) -> list[int]:
        return _distinct(rows)

    @property
    def lookback(self) -> int:
        """The longest lag."""
        return max(self.rows)

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return NAME_lag_ROWS."""
        return tuple(f"{name}_lag_{k}" for name in self.reads(scope) for k in self.rows)

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the lags."""
        return {f"{name}_lag_{k}": lag(batch.columns[name], batch.offsets, k) for name in reads for k in self.rows}

    def newest(self, batch: Batch, reads: tuple[str, ...]) -> dict[str, Array]:
        """Return the lags of the last row."""
        end = len(batch)
        return {f"{name}_lag_{k}": batch.columns[name][end - k - 1 : end - k] for name in reads for k in self.rows}


class Rolling(_History):
    """Add statistics of moving windows.

    Args:
        windows: Lengths of the windows in rows.
        how: Of mean, std, min, max, sum, quantile:LEVEL.
        shift: 1: windows end with the row before; 0: with the row itself.
        least: Known values that a window needs; all of them by default.
        columns: The target by default.
    """

    kind: ClassVar[str] = "rolling"
    windows: list[int]
    how: list[str] = Field(default_factory=lambda: ["mean"])
    shift: int = Field(default=1, ge=0)
    least: int | None = Field(default=None, ge=1)

    @field_validator("windows")
    @classmethod
    def _positive(cls, windows: list[int]) -> list[int]:
        return _distinct(windows)

    @field_validator("how")
    @classmethod
    def _known(cls, how: list[str]) -> list[str]:
        for one in how:
            _window(one, 1)
        if not how or len(set(how)) < len(how):
            raise ConfigError(f"statistics must differ, but got {how}", "name each once")
        return how

    @property
    def lookback(self) -> int:
        """The longest window, and its distance."""
        return max(self.windows) - 1 + self.shift

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return NAME_HOW_WINDOW."""
        return tuple(
            f"{name}_{one.replace(':', '_')}_{size}"
            for name in self.reads(scope)
            for size in self.windows
            for one in self.how
        )

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the statistics."""
        return self._statistics(batch, reads, newest=False)

    def newest(self, batch: Batch, reads: tuple[str, ...]) -> dict[str, Array]:
        """Return the statistics of the last row."""
        return self._statistics(batch, reads, newest=True)

    def _statistics(self, batch: Batch, reads: tuple[str, ...], *, newest: bool) -> dict[str, Array]:
        wanted = {(size, one): _window(one, size) for size in self.windows for one in self.how}
        out: dict[str, Array] = {}
        for name in reads:
            found = rolling(
                batch.columns[name],
                batch.offsets,
                list(wanted.values()),
                shift=self.shift,
                min_known=self.least,
                newest=newest,
            )
            out |= {f"{name}_{one.replace(':', '_')}_{size}": found[w] for (size, one), w in wanted.items()}
        return out


@lru_cache(maxsize=1024)
def _window(how: str, size: int) -> WindowStatistic:
    if how in ("mean", "std", "min", "max", "sum"):
        return WindowStatistic(how, size)
    name, _, level = how.partition(":")
    try:
        q = float(level)
    except ValueError:
        q = -1.0
    if name == "quantile" and 0 <= q <= 1:
        return WindowStatistic("quantile", size, q)
    raise ConfigError(
        f"a statistic must be one of mean, std, min, max, sum, quantile:LEVEL, but got {how!r}", "e.g. quantile:0.9"
    )


class Ewm(_History):
    """Add exponentially weighted means.

    Args:
        halflife: Rows after which a value weighs half as much.
        shift: 1: the row before is the newest; 0: the row itself.
        columns: The target by default.
    """

    kind: ClassVar[str] = "ewm"
    short: ClassVar[str | None] = "halflife"
    halflife: list[float | int]
    shift: int = Field(default=1, ge=0)

    @field_validator("halflife")
    @classmethod
    def _positive(cls, halflife: list[float | int]) -> list[float | int]:
        if not halflife or not all(0 < h <= 100_000 for h in halflife) or len(set(halflife)) < len(halflife):
            raise ConfigError(f"half-lives must be different positive numbers, but got {halflife}", "for example [12]")
        return halflife

    @property
    def lookback(self) -> int:
        """The rows that still weigh something."""
        return max(memory(h) for h in self.halflife) - 1 + self.shift

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return NAME_ewm_HALFLIFE."""
        return tuple(f"{name}_ewm_{h:g}" for name in self.reads(scope) for h in self.halflife)

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the means."""
        return {
            f"{name}_ewm_{h:g}": decayed_mean(batch.columns[name], batch.offsets, h, shift=self.shift)
            for name in reads
            for h in self.halflife
        }

    def newest(self, batch: Batch, reads: tuple[str, ...]) -> dict[str, Array]:
        """Return the means of the last row."""
        return {
            f"{name}_ewm_{h:g}": newest_decayed_mean(batch.columns[name], h, shift=self.shift)
            for name in reads
            for h in self.halflife
        }


class Difference(_History):
    """Add how much a value differs from an earlier one.

    Args:
        lag: Rows between the two.
        shift: 1: the later one is the row before; 0: the row itself.
        columns: The target by default.
    """

    kind: ClassVar[str] = "difference"
    short: ClassVar[str | None] = "lag"
    lag: int = Field(default=1, ge=1)
    shift: int = Field(default=1, ge=0)

    @property
    def lookback(self) -> int:
        """Both distances."""
        return self.lag + self.shift

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return NAME_diff_LAG."""
        return tuple(f"{name}_diff_{self.lag}" for name in self.reads(scope))

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the differences."""
        return {
            f"{name}_diff_{self.lag}": difference(batch.columns[name], batch.offsets, self.lag, shift=self.shift)
            for name in reads
        }

    def newest(self, batch: Batch, reads: tuple[str, ...]) -> dict[str, Array]:
        """Return the difference of the last row."""
        late = len(batch) - self.shift
        early = late - self.lag
        columns = batch.columns
        return {f"{n}_diff_{self.lag}": columns[n][late - 1 : late] - columns[n][early - 1 : early] for n in reads}
