"""Laws of reading: a table written in any supported way gives the same panel, or a refusal."""

import gzip
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as dataset
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from autots.reading import read_panel
from autots.reading.columns import read_numbers
from autots.reading.ids import joined, parted
from zoo.errors import DataError

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

MARKS = [(".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", " "), (".", "'"), (",", "\u202f")]
ODD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=6)


def number(value, decimals, decimal, thousands):
    text = f"{value:,.{decimals}f}"
    return text.replace(",", "\0").replace(".", decimal).replace("\0", thousands)


@st.composite
def columns(draw):
    """Numbers, and the same as text in one writing."""
    decimals = draw(st.integers(0, 4))
    scale = 10.0 ** draw(st.integers(0, 7))
    values = draw(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
    numbers = np.round(np.array(values) * scale, decimals) + 0.0
    decimal, thousands = draw(st.sampled_from(MARKS))
    unit = draw(st.sampled_from(["", "", " %", " €"]))
    texts = [number(v, decimals, decimal, thousands) + unit for v in numbers]
    for at in draw(st.lists(st.integers(0, len(texts) - 1), max_size=3)):
        texts[at], numbers[at] = draw(st.sampled_from(["", "NA", "?", "n/a", "#N/A"])), np.nan
    return numbers, texts


@quick
@given(columns(), st.randoms(use_true_random=False))
def test_numbers_in_any_writing_are_read_back_or_refused_in_any_order(made, random):
    numbers, texts = made
    order = list(range(len(texts)))
    random.shuffle(order)
    try:
        got = read_numbers(pd.Series(texts, dtype=object), "y")
    except DataError as error:
        assert "two" in str(error) or "one reading" in str(error)
        return
    np.testing.assert_allclose(got.values, numbers, rtol=1e-12, equal_nan=True)
    shuffled = read_numbers(pd.Series([texts[i] for i in order], dtype=object), "y")
    assert shuffled.style == got.style
    # Kept, the style reads each cell by itself as it read it among the others.
    for text, value in zip(texts, got.values, strict=True):
        alone = read_numbers(pd.Series([text], dtype=object), "y", style=got.style).values[0]
        np.testing.assert_array_equal(alone, value)


@quick
@given(st.lists(st.lists(ODD | st.just(""), min_size=2, max_size=3), min_size=2, max_size=2))
def test_labels_of_keys_can_be_taken_apart(keys):
    labels = [joined(key) for key in keys]
    assert [parted(label) for label in labels] == keys
    assert (labels[0] == labels[1]) == (keys[0] == keys[1])


@quick
@given(st.lists(st.tuples(ODD, ODD | st.integers(0, 3).map(str)), min_size=1, max_size=4, unique=True), st.booleans())
def test_a_key_comes_back_as_it_was_written(keys, shuffled):
    days = pd.date_range("2024", periods=3)
    rows = [(a, b, day, i + 1.0) for i, (a, b) in enumerate(keys) for day in days]
    table = pd.DataFrame(rows, columns=["city", "shop", "day", "sold"])
    if shuffled:
        table = table.sample(frac=1, random_state=1)
    got = read_panel(table, id_col=["city", "shop"])
    assert got.panel.n_series == len(keys)
    last = got.panel.last_times[:, None]
    mean = np.array([[got.panel.series(i)[0]] for i in range(len(keys))])
    out = got.schema.write(got.panel.ids, last, mean, mean[:, :, None], (0.5,))
    assert {(a, b): v for a, b, v in zip(out["city"], out["shop"], out["mean"], strict=True)} == {
        key: i + 1.0 for i, key in enumerate(keys)
    }


WORDS = ["Köln", "São Paulo", "Łódź", "naïve", "Zürich", "a", "b,c", 'd"e', "x;y", "plain"]


@quick
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_csv_file_in_any_dialect_is_the_table_that_was_written(words, encoding, sep, end, index, packed, above):
    if encoding == "cp1252":
        words = [word for word in words if word != "Łódź"]
        assume(words)
    days = pd.date_range("2024", periods=8)
    table = pd.concat([pd.DataFrame({"Öl": w, "day": days, "y": np.arange(8) + i / 4}) for i, w in enumerate(words)])
    text = table.to_csv(sep=sep, index=index, lineterminator=end)
    text = f"Prices{end}{end}{text}" if above else text
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ("t.csv.gz" if packed else "t.csv")
        content = text.encode(encoding)
        file.write_bytes(gzip.compress(content) if packed else content)
        got = read_panel(file, id_col="Öl")
    want = read_panel(table, id_col="Öl")
    assert list(got.panel.ids) == list(want.panel.ids)
    np.testing.assert_array_equal(got.panel.y, want.panel.y)
    np.testing.assert_array_equal(got.panel.times, want.panel.times)
    assert not got.panel.past


@quick
@given(
    st.lists(st.sampled_from([*WORDS, "a/b", "x=y", "50 %", "%41", "007", "é"]), min_size=1, max_size=4, unique=True),
    st.booleans(),
    st.sampled_from(["parquet", "csv"]),
)
def test_a_lake_is_the_table_that_was_written(words, by_month, kind):
    days = pd.date_range("2023-12-20", periods=25)
    table = pd.concat([pd.DataFrame({"shop": w, "ts": days, "y": np.arange(25) + i / 4}) for i, w in enumerate(words)])
    by = ["shop", "year", "month"] if by_month else ["shop"]
    lake = table.assign(year=table["ts"].dt.year, month=table["ts"].dt.month)[["shop", "ts", "y", *by[1:]]]
    with tempfile.TemporaryDirectory() as folder:
        arrow = pa.Table.from_pandas(lake, preserve_index=False)
        dataset.write_dataset(arrow, folder, format=kind, partitioning=by, partitioning_flavor="hive")
        got = read_panel(folder, id_col="shop")
    want = read_panel(table, id_col="shop")
    assert list(got.panel.ids) == list(want.panel.ids)
    np.testing.assert_array_equal(got.panel.y, want.panel.y)
    np.testing.assert_array_equal(got.panel.times, want.panel.times)
    assert not got.panel.past


@quick
@given(st.permutations(["shop", "day", "y", "x"]), st.sampled_from([str, int, float, tuple]))
def test_columns_may_be_called_anything(order, kind):
    days = pd.date_range("2024", periods=6)
    table = pd.concat(
        [pd.DataFrame({"shop": s, "day": days, "y": np.arange(6.0), "x": np.arange(6) % 2}) for s in "ab"]
    )
    made = {name: (name, i) if kind is tuple else kind(i + 2) for i, name in enumerate(order)}
    renamed = table[order].copy()
    renamed.columns = pd.Index([made[name] for name in order], dtype=object, tupleize_cols=False)
    names = {"time_col": made["day"], "target_col": made["y"], "known": [made["x"]]}
    got = read_panel(renamed, id_col=[made["shop"]], **names)
    want = read_panel(table, known=["x"], id_col="shop", target_col="y")
    np.testing.assert_array_equal(got.panel.y, want.panel.y)
    np.testing.assert_array_equal(next(iter(got.panel.known.values())), want.panel.known["x"])
    out = got.schema.write(got.panel.ids, got.panel.future_times(1), np.zeros((2, 1)), np.zeros((2, 1, 0)), ())
    assert list(out.columns) == [made["shop"], made["day"], "mean"]
    assert pd.read_csv(io.StringIO(out.to_csv(index=False))).shape == (2, 3)
