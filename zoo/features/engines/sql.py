"""Row steps in Spark SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError
from zoo.features.batch import FeatureRoles, TimeAxis
from zoo.features.engines.columns import quoted
from zoo.features.engines.joining import other_rows
from zoo.features.expression import Condition
from zoo.features.plan import FeaturePlan
from zoo.features.steps import Aggregate, Deduplicate, Filter, Join, Resample, RowStep
from zoo.features.steps.rows import moment

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["State", "after"]


@dataclass(frozen=True)
class State:
    """A table between two row steps.

    Args:
        frame: Id, time in microseconds, and the columns.
        names: Which columns hold id, time and target.
        axis: What the times mean.
        numbers: Names of the columns of numbers.
        texts: Names of the columns of text.
        text_ids: Whether ids are text.
    """

    frame: DataFrame
    names: FeatureRoles
    axis: TimeAxis
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    text_ids: bool

    @property
    def key(self) -> str:
        """The id column."""
        return str(self.names.id)


def after(frame: DataFrame, plan: FeaturePlan, names: FeatureRoles, axis: TimeAxis, text_ids: bool) -> State:
    """Return the table after all row steps of a plan."""
    state = State(frame, names, axis, plan.before.numbers, plan.before.texts, text_ids)
    for step in plan.rows:
        state = _STEPS[type(step)](state, step)
    return state


def _col(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.col(quoted(name))


def _filter(state: State, step: Filter) -> State:
    condition = Condition(step.where).in_words_of(_Dialect(state))
    return replace(state, frame=state.frame.where(condition))


def _deduplicate(state: State, step: Deduplicate) -> State:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    order = step.order([*state.numbers, *state.texts], state.names.target)
    down = step.keep == "last"
    keys = [_col(n).desc_nulls_last() if down else _col(n).asc_nulls_last() for n in order]
    window = Window.partitionBy(_col(state.key), _col(state.names.time)).orderBy(*keys)
    kept = state.frame.withColumn("__n", F.row_number().over(window)).where(F.col("__n") == 1).drop("__n")
    return replace(state, frame=kept)


def _combined(name: str, how: str, *, order: Column | None) -> Column:
    """Return one value of many, in the order of time and value; see ``zoo.features.steps.rows.combine``."""
    from pyspark.sql import functions as F

    value = _col(name)
    if how == "count":
        return F.count(value).cast("double")
    if how in ("min", "max"):
        return F.min(value) if how == "min" else F.max(value)
    pair = F.struct(F.lit(0).alias("t") if order is None else order.alias("t"), value.alias("v"))
    known = F.when(value.isNotNull(), pair)
    if how in ("first", "last"):
        return (F.min(known) if how == "first" else F.max(known))["v"]
    total = F.aggregate(F.array_sort(F.collect_list(known)), F.lit(0.0), lambda sum_, item: sum_ + item["v"])
    number = F.count(value)
    return F.when(number > 0, total if how == "sum" else total / number)


def _resample(state: State, step: Resample) -> State:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if state.axis.integer:
        raise DataError("resample needs times, but the clock of this table is a whole number", "leave it out")
    every, time = step.step, _col(state.names.time)
    slot = (time - F.pmod(time - F.lit(step.origin(state.axis.zone)), F.lit(every))).alias("__slot")
    values = [_combined(n, step.columns.get(n, step.how), order=time).alias(n) for n in state.numbers]
    values += [F.max(F.when(_col(n).isNotNull(), F.struct(time, _col(n))))[n].alias(n) for n in state.texts]
    grouped = state.frame.groupBy(_col(state.key), slot).agg(F.count(F.lit(1)).alias("__rows"), *values)
    later = F.lead("__slot").over(Window.partitionBy(_col(state.key)).orderBy("__slot"))
    # Each row brings the steps without rows that follow it: texts are carried over them, numbers are missing.
    wide = grouped.withColumn("__steps", F.coalesce(later - every, F.col("__slot")))
    wide = wide.withColumn("__at", F.explode(F.sequence(F.col("__slot"), F.col("__steps"), F.lit(every))))
    own = F.col("__at") == F.col("__slot")
    empty = {n: F.lit(0.0) if step.columns.get(n, step.how) == "count" else F.lit(None) for n in state.numbers}
    columns = [F.when(own, _col(n)).otherwise(empty[n]).cast("double").alias(n) for n in state.numbers]
    frame = wide.select(
        _col(state.key), F.col("__at").alias(state.names.time), *columns, *[_col(n) for n in state.texts]
    )
    return replace(state, frame=frame, axis=replace(state.axis, every=every))


def _aggregate(state: State, step: Aggregate) -> State:

    by, text = _col(step.by), step.by in state.texts
    odd = by.isNull() if text else by.isNull() | (by % 1 != 0)
    found = state.frame.where(odd).limit(1).count()
    if found:
        raise DataError(
            f"every row must belong to a group named by text or a whole number, but rows have another {step.by!r}",
            f"filter them first: {step.by} is not None",
        )
    numbers = tuple(n for n in state.numbers if n != step.by)
    values = [_combined(n, step.columns.get(n, step.how), order=None).alias(n) for n in numbers]
    key = by.cast("string" if text else "bigint").alias(step.by)
    frame = state.frame.groupBy(key, _col(state.names.time)).agg(*values)
    names = replace(state.names, id=step.by)
    return replace(state, frame=frame, names=names, numbers=numbers, texts=(), text_ids=text)


def _join(state: State, step: Join) -> State:
    """Put both tables in one line per key, ordered by time, and carry the other table's rows forward."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    side, brings = step.side, step.brings()
    names = [f"__b{i}" for i in range(len(brings))]
    other = other_rows(state.frame.sparkSession, step).select(
        F.col("__key"), F.col("__time"), F.lit(0).alias("__side"),
        F.struct(F.col("__time").alias("t"), *[F.col(name) for name in names]).alias("__known"),
    )  # fmt: skip
    # A column that is missing throughout is a number to the plan, but agrees with any key.
    lost = side.text_key and step.on in state.numbers and state.frame.where(_col(step.on).isNotNull()).isEmpty()
    text = step.on in state.texts or (step.on == state.key and state.text_ids)
    step.check(state.axis, text=text or lost or step.on is None)
    if lost:
        key = F.lit(None).cast("string")
    elif step.on is None or side.text_key:
        key = F.lit("all") if step.on is None else _col(step.on)
    else:
        key = F.when(_col(step.on) % 1 == 0, _col(step.on).cast("bigint"))  # 1.5 is not 1
    mine = state.frame.withColumns({"__key": key, "__time": _col(state.names.time), "__side": F.lit(1)})
    line = Window.partitionBy("__key").orderBy("__time", "__side").rowsBetween(Window.unboundedPreceding, 0)
    both = mine.unionByName(other, allowMissingColumns=True)
    both = both.withColumn("__last", F.last("__known", ignorenulls=True).over(line)).where(F.col("__side") == 1)
    fresh = F.col("__key").isNotNull()
    if step.reach is not None:
        fresh &= (F.col("__time") - F.col("__last")["t"]) <= step.reach
    columns = [F.when(fresh, F.col("__last")[f"__b{i}"]).alias(new) for i, new in enumerate(brings.values())]
    frame = both.select(*[_col(n) for n in state.frame.columns], *columns)
    numbers, texts = step.kinds()
    return replace(state, frame=frame, numbers=state.numbers + numbers, texts=state.texts + texts)


_STEPS: dict[type[RowStep], Callable[[State, Any], State]] = {
    Filter: _filter,
    Deduplicate: _deduplicate,
    Resample: _resample,
    Aggregate: _aggregate,
    Join: _join,
}


class _Dialect:
    """Conditions as Spark columns; a comparison with NULL is false, as it is for arrays."""

    def __init__(self, state: State) -> None:
        self._state = state

    def column(self, name: str) -> Any:
        return _col(name)

    def constant(self, value: str | float, beside: str | None) -> Any:
        from pyspark.sql import functions as F

        return F.lit(moment(value) if beside == self._state.names.time and isinstance(value, str) else value)

    def arithmetic(self, how: str, left: Any, right: Any) -> Any:
        from pyspark.sql import functions as F

        out = {"add": left + right, "sub": left - right, "mul": left * right, "div": left / right}[how]
        return F.when(F.abs(out) < float("inf"), out)

    def compare(self, how: str, left: Any, right: Any) -> Any:
        from pyspark.sql import functions as F

        out = {
            "eq": left == right, "ne": left != right, "lt": left < right, "le": left <= right,
            "gt": left > right, "ge": left >= right,
        }[how]  # fmt: skip
        return F.coalesce(out, F.lit(False))

    def missing(self, value: Any) -> Any:
        return value.isNull()

    def both(self, left: Any, right: Any) -> Any:
        return left & right

    def negate(self, value: Any) -> Any:
        return ~value
