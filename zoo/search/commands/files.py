"""``zoo study report`` and ``zoo study export``: a study as a page and as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome, strict
from zoo.errors import ConfigError
from zoo.search.insight.frame import frame, record_data
from zoo.search.insight.page import write_page
from zoo.search.insight.view import View

__all__ = ["export_study", "report_study"]

_FORMATS = ("csv", "json", "parquet")


def report_study(
    study: Annotated[Path, typer.Argument(help="The journal.")],
    out: Annotated[Path | None, typer.Option(help="The page; STUDY.html by default.")] = None,
) -> Outcome:
    """Write the page."""
    view = View.read(study)
    path = out or study.with_suffix(".html")
    try:
        write_page(view, path)
    except OSError as error:
        raise ConfigError(f"a report must be writable, but {path}: {error}", "choose another --out") from error
    return Outcome({"study": str(study), "report": str(path), "trials": len(view.records)}, str(path))


def export_study(
    study: Annotated[Path, typer.Argument(help="The journal.")],
    out: Annotated[Path | None, typer.Option(help="A file; without one CSV or JSON is printed.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="csv, json or parquet; by the file's name.")] = None,
) -> Outcome:
    """Write the trials."""
    view = View.read(study)
    chosen = form or ("csv" if out is None else out.suffix.removeprefix(".").lower())
    if chosen not in _FORMATS:
        raise ConfigError(f"a format must be csv, json or parquet, but got {chosen!r}", "give --format")
    if chosen == "parquet" and out is None:
        raise ConfigError("parquet must go to a file, but there is no --out", "add --out trials.parquet")
    data: dict[str, Any] = {"study": str(study), "trials": len(view.records)}
    if out is None:
        text = _text(view, chosen)
        return Outcome({**data, "rows": [record_data(view, record) for record in view.records]}, text.rstrip("\n"))
    view.spare(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if chosen == "parquet":
            _plain(view).to_parquet(out, index=False)
        else:
            out.write_text(_text(view, chosen), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"an export must be writable, but {out}: {error}", "choose another --out") from error
    return Outcome({**data, "export": str(out), "format": chosen}, str(out))


def _text(view: View, form: str) -> str:
    if form == "csv":
        return str(frame(view).to_csv(index=False, lineterminator="\n"))
    rows = [strict(record_data(view, record)) for record in view.records]
    return json.dumps(rows, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _plain(view: View) -> Any:
    """Return the table with one type per column: choices of several types become texts."""
    table = frame(view)
    for name in table.columns:
        column = table[name]
        if column.dtype == object and len({type(value) for value in column if value is not None}) > 1:
            table[name] = [None if value is None else str(value) for value in column]
    return table
