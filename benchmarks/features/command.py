"""``zoo bench features``: the figures of the feature pipelines on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome, strict
from zoo.errors import ConfigError

__all__ = ["bench_features"]

_PARTS = ("agreement", "memory", "spark", "even", "handover", "request")


def bench_features(
    data: Annotated[Path | None, typer.Option(help="Folder of the public sets (agreement).")] = None,
    only: Annotated[
        str, typer.Option(help="Of agreement,memory,spark,even,handover,request; separated by commas.")
    ] = "",
    rows: Annotated[int, typer.Option(help="Rows for the engine in memory.")] = 10_000_000,
    spark_rows: Annotated[int, typer.Option(help="Rows for Spark.")] = 50_000_000,
) -> Outcome:
    """Print one JSON line per figure as it is measured."""
    chosen = tuple(word.strip() for word in only.split(",") if word.strip()) or _PARTS
    unknown = sorted(set(chosen) - set(_PARTS))
    if unknown:
        raise ConfigError(f"a part must be one of {', '.join(_PARTS)}, but got {unknown}", "see --only")
    if "agreement" in chosen and data is None:
        if only:
            raise ConfigError("agreement needs the public sets, but --data is not given", "give their folder")
        chosen = tuple(part for part in chosen if part != "agreement")
    records = []
    for record in _records(chosen, data, rows, spark_rows):
        records.append(strict(record))
        print(json.dumps(records[-1]), flush=True)
    return Outcome({"records": records})


def _records(chosen: tuple[str, ...], data: Path | None, rows: int, spark_rows: int) -> Iterator[dict[str, Any]]:
    from benchmarks.features import memory

    if "request" in chosen:
        yield memory.request()
    if "memory" in chosen:
        yield from memory.throughput(rows)
    if {"agreement", "spark", "even"} & set(chosen):
        yield from _on_spark(chosen, data, spark_rows)
    if "handover" in chosen:
        from benchmarks.handover import handover
        from zoo.cluster import connect, spark

        with connect(workers=2), spark(executors=1, cores=1, memory="2g") as session:
            yield from handover(session)


def _on_spark(chosen: tuple[str, ...], data: Path | None, rows: int) -> Iterator[dict[str, Any]]:
    from benchmarks.features import spark

    with spark.session() as (session, starting):
        if "agreement" in chosen and data is not None:
            yield from spark.agreement(data, session)
        if "even" in chosen:
            yield spark.break_even((200_000, 2_000_000, 5_000_000), session, starting)
        if "spark" in chosen:
            yield spark.large(rows, session)
