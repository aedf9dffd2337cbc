import json

import numpy as np
import pandas as pd
import pytest

from autots.reading import Schema, read_panel
from autots.reading.columns import read_covariate, read_numbers
from autots.reading.numerals import NumberStyle
from zoo.errors import DataError

DAYS = pd.date_range("2023-01-01", periods=60)
PRICE = np.round(10 + 3 * np.random.default_rng(3).random(67), 2)


def german(value):
    return f"{value:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")


@pytest.mark.parametrize(
    ("cells", "values", "style"),
    [
        (["11.25", "3"], [11.25, 3], NumberStyle()),
        (["11,25", "3,5", "7"], [11.25, 3.5, 7], NumberStyle(",")),
        (["1.234,5", "3,25", "1.000.000,0"], [1234.5, 3.25, 1e6], NumberStyle(",", ".")),
        (["950", "1.234", "12.500", "3"], [950, 1234, 12500, 3], NumberStyle(",", ".")),
        (["1,234.5", "950"], [1234.5, 950], NumberStyle(".", ",")),
        (["950", "1,234", "7", "12,000"], [950, 1234, 7, 12000], NumberStyle(".", ",")),
        (["1 234,5", "1\u202f000,25", "3"], [1234.5, 1000.25, 3], NumberStyle(",", " ")),
        (["1'234.5", "1’000", "2"], [1234.5, 1000, 2], NumberStyle(".", "'")),
        (["0.123", "1.234"], [0.123, 1.234], NumberStyle()),
        (["1234", "1.234", "950"], [1234, 1.234, 950], NumberStyle()),
        (["1.234.567", "950"], [1234567, 950], NumberStyle(",", ".")),
        (["12,34,567.5", "1,000"], [1234567.5, 1000], NumberStyle(".", ",")),
        (["5 %", "3,5%"], [5, 3.5], NumberStyle(",", "", "%")),
        (["$3", "-$1,234.50", "($7)"], [3, -1234.5, -7], NumberStyle(".", ",", "$")),
        (["3 €", "EUR", "2,5 €"], None, None),
        (["−5", "5-", "3"], [-5, -5, 3], NumberStyle()),
        (["1e5", "2.5E-3"], [1e5, 2.5e-3], NumberStyle()),
        (["007", "008"], None, None),
        (["1.2.3", "1.2.4"], None, None),
        (["01.02.2024", "02.02.2024"], None, None),
        (["a", "b", "12"], None, None),
    ],
    ids=str,
)
def test_a_column_of_text_is_numbers_in_one_writing_or_categories(cells, values, style):
    for order in (cells, cells[::-1]):
        got = read_covariate(pd.Series(order, dtype=object), "x")
        assert got.style == style
        if values is None:
            assert got.categories == tuple(sorted(cells))
        else:
            assert got.categories is None
            np.testing.assert_array_equal(got.values, values if order is cells else values[::-1])


@pytest.mark.parametrize("cells", [["1,234", "5,678"], ["1.234", "5.678"]])
def test_a_column_with_two_readings_is_refused_with_both(cells):
    with pytest.raises(DataError, match=r"which is 1234 if .* and 1\.234 if it is the decimal mark") as caught:
        read_numbers(pd.Series(cells), "y")
    assert "astype(float)" in caught.value.hint


def test_another_column_tells_which_of_two_readings_holds():
    table = pd.DataFrame(
        {"ds": DAYS, "y": [f"{i % 9 + 1}.250" for i in range(60)], "price": [german(v) for v in PRICE[:60]]}
    )
    assert read_panel(table).panel.y[0] == 1250
    assert read_panel(table.assign(price=PRICE[:60])).panel.y[0] == 1.25


def test_few_cells_without_a_number_are_missing_and_listed():
    cells = [f"{v:.2f}" for v in PRICE[:60]]
    cells[50], cells[7] = "?", "broken"
    got = read_panel(pd.DataFrame({"ds": DAYS, "y": np.arange(60.0), "price": cells}), known=["price"])
    assert got.panel.categorical == frozenset()
    found = got.report.find("unreadable")
    assert found.count == 2
    assert "'broken' in row 7" in found.message
    assert got.report.find("covariate_missing").count == 2


def test_a_target_keeps_its_writing_for_all_later_tables():
    def table(begin, n):
        days = pd.date_range(begin, periods=n)
        values = 1000 + np.arange(n)
        return pd.DataFrame({"ds": days, "y": [german(v) for v in values], "p": [german(v) for v in PRICE[:n]]})

    got = read_panel(table("2023-01-01", 60), known=["p"])
    schema = Schema.from_dict(json.loads(json.dumps(got.schema.to_dict())))
    # By itself "1.234" has two readings; the first table has told which one holds.
    late = table("2023-03-02", 3).assign(y=["1.234", "2.345", "3.456"], p="11,5")
    assert schema.read_more(late, panel=got.panel).panel.y.tolist() == [1234, 2345, 3456]
    future = table("2023-03-02", 3).assign(p=["11,25", "9", "1.000"])
    assert schema.read_future(future, got.panel, 3).known["p"].tolist() == [[11.25, 9, 1000]]
    with pytest.raises(DataError, match=r"'11\.25' in row 0 .* after decimal comma"):
        schema.read_future(future.assign(p="11.25"), got.panel, 3)
    assert ("target", "y: decimal comma, '.' between thousands") in schema.describe()


def test_later_files_with_decimal_commas_are_read_as_the_first(tmp_path):
    lines = [f"{day:%Y-%m-%d};{german(900 + 10 * i)}" for i, day in enumerate(DAYS)]
    (tmp_path / "a.csv").write_text("Tag;Umsatz\n" + "\n".join(lines))
    got = read_panel(tmp_path / "a.csv")
    assert got.panel.y[-1] == 1490
    (tmp_path / "b.csv").write_text("Tag;Umsatz\n2023-03-02;1.234\n2023-03-03;2.345\n")
    assert got.schema.read_more(tmp_path / "b.csv", panel=got.panel).panel.y.tolist() == [1234, 2345]


def test_beside_decimal_commas_a_dot_stands_between_thousands(tmp_path):
    rows = [f"{day:%d.%m.%Y};{1 + i % 9}.{i:03d};{german(PRICE[i])}" for i, day in enumerate(DAYS)]
    (tmp_path / "a.csv").write_text("Tag;Umsatz;Preis\n" + "\n".join(rows))
    got = read_panel(tmp_path / "a.csv", target_col="Umsatz")
    assert got.panel.y[:3].tolist() == [1000, 2001, 3002]


def test_a_target_that_is_mostly_no_number_is_refused_by_cell():
    with pytest.raises(DataError, match=r"holds 'closed' in row 4 \(20 such rows\)"):
        read_panel(pd.DataFrame({"ds": DAYS, "y": ["1.5", "2"] * 2 + ["closed"] * 20 + ["3"] * 36}), target_col="y")
