"""Files as people have them, "as they are": each is read as what it is, or refused with a way out.

Each file tells the truth beside itself: how many series, which clock, first and last time, the sum of the target (so
that no row is lost, doubled or averaged), and whether a refusal is right, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autots.reading import read_panel
from zoo.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=90)
Y = np.round(1000 + 50 * np.sin(2 * np.pi * np.arange(90) / 7) + np.arange(90) * 1.37, 2)
TOTAL = float(Y.sum())


@dataclass(frozen=True)
class Truth:
    """What a file holds; ``refused`` if a refusal is right, too; ``noted``: what the report must speak of."""

    series: int = 1
    freq: str = "D"
    start: str = "2024-01-01"
    end: str = "2024-03-30"
    total: float = TOTAL
    refused: bool = False
    noted: str = ""


def german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


FILES: dict[str, Callable[[Path], tuple[Path, Truth]]] = {}


def file(make: Callable[[Path], tuple[Path, Truth]]) -> Callable[[Path], tuple[Path, Truth]]:
    FILES[make.__name__] = make
    return make


def text(folder: Path, content: str, *, encoding: str = "utf-8", name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


def lines(header: str, cells: list[str]) -> str:
    return "\n".join([header, *cells]) + "\n"


@file
def german_till_export(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%d.%m.%Y};{german(y)}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("Datum;Umsatz", rows), encoding="latin-1"), Truth()


@file
def german_till_with_names_in_latin_1(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%d.%m.%Y};{s};{german(y)}" for s in ("Köln", "Düren") for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("Datum;Straße;Umsätze", rows), encoding="cp1252"), Truth(series=2, total=2 * TOTAL)


@file
def excel_csv_in_utf_16(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%m/%d/%Y}\t{y}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("Date\tRevenue", rows), encoding="utf-16"), Truth()


@file
def american_dollars(folder: Path) -> tuple[Path, Truth]:
    rows = [f'{d:%m/%d/%Y},"${y:,.2f}"' for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("Date,Sales", rows)), Truth()


@file
def first_twelve_days(folder: Path) -> tuple[Path, Truth]:
    # 01/01/2024 .. 12/01/2024 are twelve days or twelve firsts of a month: nobody can know.
    rows = [f"{d:%d/%m/%Y},{y}" for d, y in zip(DAYS[:12], Y, strict=False)]
    return text(folder, lines("date,sales", rows)), Truth(end="2024-01-12", total=float(Y[:12].sum()), refused=True)


@file
def months_day_first(folder: Path) -> tuple[Path, Truth]:
    months = pd.date_range("2019-01-01", periods=60, freq="MS")
    rows = [f"{d:%d/%m/%Y},{y}" for d, y in zip(months, Y, strict=False)]
    return text(folder, lines("month,visitors", rows)), Truth(
        freq="MS", start="2019-01-01", end="2023-12-01", total=float(Y[:60].sum())
    )


@file
def two_header_rows(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%Y-%m-%d},{y}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("Date,Power\n,kW", rows)), Truth(refused=True)


@file
def title_above_the_header(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%Y-%m-%d},{y}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("Report of 2 April 2024\n\ndate,sales", rows)), Truth(refused=True)


@file
def footer_with_total(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%Y-%m-%d},{y}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("date,sales", [*rows, f"Total,{TOTAL:.2f}", "Source: till 3,"])), Truth(refused=True)


@file
def empty_rows_between_and_behind(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%Y-%m-%d},{y}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("date,sales", [*rows[:30], ",", ",", *rows[30:], ",", ",", ","])), Truth()


@file
def trailing_separators(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%Y-%m-%d},{y},," for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("date,sales,,", rows)), Truth()


@file
def no_header(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%Y-%m-%d},{y}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, "\n".join(rows) + "\n"), Truth(refused=True)


@file
def index_column_of_pandas(folder: Path) -> tuple[Path, Truth]:
    pd.DataFrame({"date": DAYS, "sales": Y}).to_csv(folder / "data.csv")
    return folder / "data.csv", Truth()


@file
def index_column_that_starts_anew(folder: Path) -> tuple[Path, Truth]:
    parts = [pd.DataFrame({"date": DAYS, "shop": s, "sales": Y}) for s in ("a", "b")]
    pd.concat(parts).to_csv(folder / "data.csv")
    return folder / "data.csv", Truth(series=2, total=2 * TOTAL)


@file
def local_hours_over_both_clock_changes(folder: Path) -> tuple[Path, Truth]:
    hours = pd.date_range("2023-10-20", "2024-04-10", freq="h", tz="Europe/Berlin")
    y = np.round(500 + 100 * np.sin(2 * np.pi * hours.hour.to_numpy() / 24))
    rows = [f"{t:%Y-%m-%d %H:%M},{v:.0f}" for t, v in zip(hours, y, strict=True)]
    twice = y[(hours.tz_localize(None).duplicated(keep="first"))].sum()
    truth = Truth(freq="h", start="2023-10-20T00", end="2024-04-10T00", total=float(y.sum() - twice))
    return text(folder, lines("time,MW", rows)), truth


@file
def hours_with_offsets(folder: Path) -> tuple[Path, Truth]:
    hours = pd.date_range("2024-03-20", "2024-04-10", freq="h", tz="Europe/Berlin")
    y = np.arange(len(hours)) % 24
    rows = [f"{t.isoformat()},{v}" for t, v in zip(hours, y, strict=True)]
    return text(folder, lines("time,MW", rows)), Truth(freq="h", start="", end="", total=float(y.sum()))


@file
def store_and_item(folder: Path) -> tuple[Path, Truth]:
    parts = [pd.DataFrame({"date": DAYS, "store": s, "item": i, "sales": Y * s + i}) for s in (1, 2, 3) for i in (1, 2)]
    frame = pd.concat(parts)
    frame.to_csv(folder / "data.csv", index=False)
    return folder / "data.csv", Truth(series=6, total=float(frame["sales"].sum()), refused=True)


@file
def transactions(folder: Path) -> tuple[Path, Truth]:
    rng = np.random.default_rng(0)
    at = DAYS[0] + pd.to_timedelta(np.sort(rng.integers(0, 90 * 86400, 3000)), unit="s")
    cells = zip(at, rng.integers(100, 999, 3000), rng.integers(1, 99, 3000), strict=True)
    rows = [f"{t:%Y-%m-%d %H:%M:%S},{c},{v}" for t, c, v in cells]
    return text(folder, lines("timestamp,customer,amount", rows)), Truth(series=-1, refused=True)


@file
def wide_months(folder: Path) -> tuple[Path, Truth]:
    months = pd.date_range("2020-01-01", periods=48, freq="MS")
    frame = pd.DataFrame({"Month": months.strftime("%b-%Y"), "North": Y[:48], "South": 2 * Y[:48]})
    frame.to_csv(folder / "data.csv", index=False)
    return folder / "data.csv", Truth(2, "MS", "2020-01-01", "2023-12-01", 3 * float(Y[:48].sum()))


@file
def dates_across(folder: Path) -> tuple[Path, Truth]:
    frame = pd.DataFrame([Y, 2 * Y], columns=[f"{d:%Y-%m-%d}" for d in DAYS])
    frame.insert(0, "product", ["p1", "p2"])
    frame.to_csv(folder / "data.csv", index=False)
    return folder / "data.csv", Truth(series=2, total=3 * TOTAL, refused=True)


@file
def excel_serial_dates(folder: Path) -> tuple[Path, Truth]:
    serial = (DAYS - pd.Timestamp("1899-12-30")).days
    rows = [f"{d},{y}" for d, y in zip(serial, Y, strict=True)]
    # Counted in days as they are, and answered so: 45382 comes after 45381; a note says how to make them dates.
    return text(folder, lines("date,sales", rows)), Truth(freq="", start="45292", end="45381", noted="dates")


@file
def epoch_milliseconds(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{t // 10**6},{y}" for t, y in zip(DAYS.astype("int64"), Y, strict=True)]
    return text(folder, lines("timestamp,sales", rows)), Truth(freq="", start="", noted="dates")


@file
def month_keys(folder: Path) -> tuple[Path, Truth]:
    months = pd.date_range("2019-01-01", periods=60, freq="MS")
    rows = [f"{d:%Y%m},{y}" for d, y in zip(months, Y, strict=False)]
    return text(folder, lines("period,sales", rows)), Truth(
        freq="MS", start="2019-01", end="2023-12", total=float(Y[:60].sum())
    )


@file
def quarters_in_words(folder: Path) -> tuple[Path, Truth]:
    rows = [f"Q{q} {year},{Y[4 * (year - 2010) + q - 1]}" for year in range(2010, 2024) for q in (1, 2, 3, 4)]
    return text(folder, lines("quarter,gdp", rows)), Truth(
        freq="QS-JAN", start="2010-01", end="2023-10", total=float(Y[:56].sum()), refused=True
    )


@file
def two_digit_years_descending(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%d/%m/%y},{y}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("date,sales", rows[::-1])), Truth()


@file
def one_row_sent_twice(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%Y-%m-%d},{int(v)}" for d, v in zip(DAYS, Y, strict=True)]
    total = float(sum(int(v) for v in Y))
    return text(folder, lines("date,visits", [*rows, rows[40]])), Truth(total=total)


@file
def thousands_with_blanks_and_dashes_for_missing(folder: Path) -> tuple[Path, Truth]:
    cells = [f"{y:,.2f}".replace(",", " ") for y in Y]
    cells[20] = "-"
    rows = [f"{d:%Y-%m-%d},{c}" for d, c in zip(DAYS, cells, strict=True)]
    return text(folder, lines("date,sales", rows)), Truth(total=TOTAL - float(Y[20]))


@file
def no_header_and_months_in_words(folder: Path) -> tuple[Path, Truth]:
    months = pd.date_range("2020-01-01", periods=48, freq="MS")
    rows = [f"{m:%b %Y},{y}" for m, y in zip(months, Y[:48], strict=True)]
    return text(folder, lines(rows[0], rows[1:])), Truth(
        freq="MS", start="2020-01-01", end="2023-12-01", total=float(Y[:48].sum()), noted="header: none"
    )


@file
def no_header_and_quarters(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{2010 + i // 4}-Q{i % 4 + 1},{y}" for i, y in enumerate(Y[:40])]
    return text(folder, lines(rows[0], rows[1:])), Truth(
        freq="QS-JAN", start="2010-01-01", end="2019-10-01", total=float(Y[:40].sum()), noted="header: none"
    )


@file
def no_header_and_hours_with_am_and_pm(folder: Path) -> tuple[Path, Truth]:
    hours = pd.date_range("2024-03-20", periods=90, freq="h")
    rows = [f"{h:%m/%d/%Y %I:%M:%S %p},{y}" for h, y in zip(hours, Y, strict=True)]
    return text(folder, lines(rows[0], rows[1:])), Truth(
        freq="h", start="2024-03-20", end="2024-03-23", noted="header: none"
    )


@file
def a_line_that_tells_spreadsheets_the_separator(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%d.%m.%Y};{german(y)}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("sep=;", ["Datum;Umsatz", *rows])), Truth(noted="'Umsatz' were written")


@file
def dates_as_fractions(folder: Path) -> tuple[Path, Truth]:
    rows = [f"{d:%Y%m%d}.0,{y}" for d, y in zip(DAYS, Y, strict=True)]
    return text(folder, lines("date,sales", rows)), Truth(refused=True)


@pytest.mark.parametrize("name", FILES)
def test_a_messy_file_is_read_as_it_is_or_refused_with_a_way_out(name: str, tmp_path: Path) -> None:
    path, truth = FILES[name](tmp_path)
    try:
        got = read_panel(path, horizon=3)
    except DataError as refusal:
        assert truth.refused, f"must be read, but was refused: {refusal}"
        assert refusal.hint
        assert len(str(refusal)) < 900
        return
    panel = got.panel
    assert truth.series == panel.n_series, "read as other series"
    assert panel.freq.alias == truth.freq
    assert any(truth.noted in finding.message for finding in got.report.findings) or not truth.noted
    assert np.nansum(panel.y) == pytest.approx(truth.total, abs=1e-6)
    if truth.start:
        assert str(panel.times.min()).startswith(truth.start)
        assert str(panel.times.max()).startswith(truth.end)
