import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as dataset
import pyarrow.parquet as pq
import pytest

from zoo.errors import DataError
from zoo.tables.source import decisions, partitions, read


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "shop": ["007", "007", "08"],
            "day": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-01"]),
            "sold": [1.5, 2.0, 3.0],
        }
    )


def same(got, want):
    pd.testing.assert_frame_equal(got, want, check_dtype=False)


def test_pandas_tables_come_back_as_they_are(frame):
    assert read(frame) is frame
    assert read(frame["sold"]) is not None


@pytest.mark.parametrize("name", ["t.csv", "t.CSV", "t.csv.gz", "t.tsv", "t.parquet", "t.pq"])
@pytest.mark.parametrize("kind", [str, Path])
def test_files_give_the_frame_that_was_written(tmp_path, frame, name, kind):
    path = tmp_path / name
    if name.endswith(("parquet", "pq")):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if "tsv" in name else ",")
    got = read(kind(path))
    same(got, frame)
    assert got["day"].dtype.kind == "M"


def test_semicolons_and_byte_order_marks_are_understood(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfid;y\nx;1\nx;2\n")
    same(read(tmp_path / "a.csv"), pd.DataFrame({"id": ["x", "x"], "y": [1, 2]}))


def test_identifiers_are_whole_numbers_only_if_that_loses_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("ID,code,y\n1,1.10,4\n2,1.1,5\n10,3,6\n")
    got = read(tmp_path / "a.csv", text=("id", "code"))
    assert got["ID"].tolist() == [1, 2, 10]
    assert got["code"].tolist() == ["1.10", "1.1", "3"]


def test_an_identifier_called_na_is_no_missing_value(tmp_path):
    (tmp_path / "a.csv").write_text("id,y\nNA,1\nDE,2\nNA,\n")
    got = read(tmp_path / "a.csv", text=("id",))
    assert got["id"].tolist() == ["NA", "DE", "NA"]
    assert got["y"].isna().tolist() == [False, False, True]


def test_a_fraction_far_down_a_column_of_whole_numbers_is_read(tmp_path):
    rows = "\n".join(f"007,{i}" for i in range(300_000))
    (tmp_path / "a.csv").write_text(f"id,y\n{rows}\n007,0.5\n")
    got = read(tmp_path / "a.csv")
    assert got["y"].iloc[-1] == 0.5
    assert got["id"].iloc[-1] == "007"


def test_a_folder_is_read_in_the_order_of_names_with_its_partitions(tmp_path, frame):
    for year in (2021, 2020):
        (tmp_path / f"year={year}").mkdir()
        frame.to_parquet(tmp_path / f"year={year}" / "part-0.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    got = read(tmp_path)
    assert got["year"].tolist() == [2020] * 3 + [2021] * 3
    same(got[["shop", "day", "sold"]].iloc[:3], frame)


def test_a_pattern_chooses_files(tmp_path, frame):
    for i in range(3):
        frame.iloc[[i]].to_csv(tmp_path / f"part{i}.csv", index=False)
    (tmp_path / "other.csv").write_text("a\n1\n")
    same(read(str(tmp_path / "part*.csv")), frame)


def test_whole_and_fractional_numbers_in_two_files_fit_together(tmp_path):
    (tmp_path / "a.csv").write_text("id,y\n1,1\n")
    (tmp_path / "b.csv").write_text("id,y\nA7,1.5\n")
    got = read(tmp_path, text=("id",))
    assert got["id"].tolist() == ["1", "A7"]
    assert got["y"].tolist() == [1.0, 1.5]


def test_arrow_tables_and_frames_that_turn_into_pandas_are_read(frame):
    same(read(pa.Table.from_pandas(frame)), frame)
    same(read(pa.Table.from_pandas(frame).to_reader()), frame)

    class Quacks:
        def to_pandas(self):
            return frame

    assert read(Quacks()) is frame


def test_a_saved_wide_frame_keeps_its_index(tmp_path):
    wide = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.date_range("2020", periods=2, name="when"))
    wide.to_parquet(tmp_path / "w.parquet")
    got = read(tmp_path / "w.parquet")
    assert got.index.name == "when"
    np.testing.assert_array_equal(got.index, wide.index)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv' does not exist"):
        read(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_named(tmp_path, content):
    (tmp_path / "e.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"e\.csv must hold a table, but the file is empty"):
        read(tmp_path / "e.csv")


def test_a_lone_header_is_no_table(tmp_path):
    (tmp_path / "h.csv").write_text("id,ds,y\n")
    with pytest.raises(DataError, match=r"only a header: \['id', 'ds', 'y'\]"):
        read(tmp_path / "h.csv")


def test_an_empty_folder_says_what_it_looked_for(tmp_path):
    with pytest.raises(DataError, match="none was found") as caught:
        read(tmp_path)
    assert ".parquet" in caught.value.hint


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_truncated_parquet_file_is_named(tmp_path, frame, keep):
    frame.to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(DataError, match=r"t\.parquet must be a whole Parquet file"):
        read(tmp_path / "t.parquet")


def test_a_damaged_parquet_body_is_an_error_of_the_data(tmp_path):
    pq.write_table(pa.table({"y": np.random.default_rng(0).normal(size=5000)}), tmp_path / "t.parquet")
    whole = bytearray((tmp_path / "t.parquet").read_bytes())
    whole[4:400] = b"\xff" * 396
    (tmp_path / "t.parquet").write_bytes(bytes(whole))
    with pytest.raises(DataError, match=r"t\.parquet"):
        read(tmp_path / "t.parquet")


def test_a_truncated_gzip_file_is_named(tmp_path):
    packed = gzip.compress(b"id,y\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(1000)))
    (tmp_path / "g.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"g\.csv\.gz"):
        read(tmp_path / "g.csv.gz")


def test_rows_with_too_many_fields_are_an_error_of_the_data(tmp_path):
    (tmp_path / "r.csv").write_text("id,y\na,1\nb,2,3\n")
    with pytest.raises(DataError, match="Expected 2 columns, got 3"):
        read(tmp_path / "r.csv")


def test_mixed_schemas_name_two_files_and_the_columns(tmp_path):
    pd.DataFrame({"id": ["a"], "y": [1.0]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"id": ["a"], "sales": [1.0]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"a\.parquet and b\.parquet differ in \['sales', 'y'\]"):
        read(tmp_path)


def test_mixed_types_name_two_files_and_the_column(tmp_path):
    pd.DataFrame({"id": ["a"], "y": [1.0]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"id": ["a"], "y": ["one"]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"a\.parquet and b\.parquet differ in y: double and (large_)?string"):
        read(tmp_path)


def test_mixed_kinds_of_file_are_refused(tmp_path, frame):
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"one kind of file, but got a\.parquet and b\.csv"):
        read(tmp_path)


@pytest.mark.parametrize("source", [None, 3, [1, 2], {"y": [1]}, np.zeros(3)])
def test_other_things_are_refused_with_the_list_of_what_is_accepted(source):
    with pytest.raises(DataError, match=type(source).__name__) as caught:
        read(source)
    assert "Parquet" in caught.value.hint


@pytest.mark.ray
def test_a_ray_dataset_is_read(frame, session):
    ray = pytest.importorskip("ray")
    same(read(ray.data.from_pandas(frame)), frame)


def test_a_spark_frame_is_collected_through_arrow_and_its_session_left_alone(frame):
    settings = {"spark.sql.execution.arrow.pyspark.enabled": "false"}
    seen = []

    class Conf:
        def get(self, key, default):
            return settings.get(key, default)

        def set(self, key, value):
            settings[key] = value

    class DataFrame:
        class sparkSession:
            conf = Conf()

        def toPandas(self):
            seen.append(dict(settings))
            return frame

    DataFrame.__module__ = "pyspark.sql.dataframe"
    same(read(DataFrame()), frame)
    assert list(seen[0].values()) == ["true"]
    assert list(settings.values()) == ["false"]


def test_midnights_in_one_file_and_hours_in_another_are_one_clock(tmp_path):
    (tmp_path / "a.csv").write_text("ds,y\n2020-01-01,1\n")
    (tmp_path / "b.csv").write_text("ds,y\n2020-01-01 01:00:00,2\n")
    assert read(tmp_path)["ds"].tolist() == list(pd.date_range("2020-01-01", periods=2, freq="h"))


UMLAUTS = "Ort,Tag,Verkäufe\n" + "".join(f"{c},2024-01-0{i},{i}\n" for c in ("Köln", "München") for i in range(1, 6))


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("latin-1", "cp1252 (Western European)"),
        ("cp1252", "cp1252 (Western European)"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_text_in_any_usual_encoding_is_decoded_and_said(tmp_path, encoding, said, packed):
    content = UMLAUTS.encode(encoding)
    file = tmp_path / ("t.csv.gz" if packed else "t.csv")
    file.write_bytes(gzip.compress(content) if packed else content)
    got = read(file)
    assert list(got.columns) == ["Ort", "Tag", "Verkäufe"]
    assert sorted(set(got["Ort"])) == ["Köln", "München"]
    assert got["Verkäufe"].tolist() == [1, 2, 3, 4, 5] * 2
    assert dict(decisions(got)).get("encoding") == said


def test_a_byte_far_down_that_is_no_utf8_is_found(tmp_path):
    rows = "".join(f"a,{i}\n" for i in range(100_000))
    (tmp_path / "t.csv").write_bytes(f"id,y\n{rows}ü,1\n".encode("latin-1"))
    assert read(tmp_path / "t.csv", text=("id",))["id"].iloc[-1] == "ü"
    assert read(tmp_path / "t.csv")["id"].iloc[-1] == "ü"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("Москва,1\n".encode("cp1251") * 20, "neither UTF-8 nor Western European"),
        ("Köln,1\n".encode() * 20 + b"K\xf6ln,1\n", "is no UTF-8, while most of it is"),
    ],
)
def test_other_encodings_are_refused_with_the_way_to_say_them(tmp_path, content, why):
    (tmp_path / "t.csv").write_bytes(b"id,y\n" + content)
    with pytest.raises(DataError, match=why) as caught:
        read(tmp_path / "t.csv")
    assert "encoding=" in caught.value.hint


def test_bytes_in_parquet_that_are_text_become_text(tmp_path):
    pq.write_table(pa.table({"id": pa.array([b"K\xc3\xb6ln"], pa.binary()), "y": [1]}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")["id"].tolist() == ["Köln"]


BODY = "".join(f"2024-01-{i:02d},{i / 2}\n" for i in range(1, 21))


@pytest.mark.parametrize(
    ("content", "columns", "what"),
    [
        (BODY, ["column_1", "column_2"], "header"),
        ("".join(f"Köln,{line}\n" for line in BODY.split()), ["column_1", "column_2", "column_3"], "header"),
        ("day,load\n" + BODY, ["day", "load"], None),
        ("0,1\n" + BODY, ["0", "1"], None),
        ("2019,2020\n1,2\n3,4\n", ["2019", "2020"], None),
        ("Report\nmade today\n\nday,load\n" + BODY, ["day", "load"], "lines above the header"),
        ("# by x, y\n# and z\nday,load\n" + BODY, ["day", "load"], "lines above the header"),
        ("# day,load\n" + BODY, ["day", "load"], None),
        ("day,load\n" + BODY.replace("\n", ",\n"), ["day", "load", "Unnamed: 2"], None),
        (",load\n" + BODY, ["Unnamed: 0", "load"], None),
        ("day,load\r\n" + BODY.replace("\n", "\r\n"), ["day", "load"], None),
        ("day,load\r" + BODY.replace("\n", "\r"), ["day", "load"], None),
    ],
)
def test_the_header_is_found_wherever_it_is(tmp_path, content, columns, what):
    (tmp_path / "t.csv").write_text(content, encoding="utf-8", newline="")
    got = read(tmp_path / "t.csv")
    assert list(got.columns) == columns
    assert [pair[0] for pair in decisions(got)] == ([what] if what else [])
    if "2019" not in columns:
        assert len(got) == 20
        moments = got[next(c for c in got.columns if got[c].dtype.kind == "M")]
        assert moments.iloc[0] == pd.Timestamp("2024-01-01")


def test_two_header_rows_are_joined(tmp_path):
    rows = "".join(f"2024-01-{i:02d},{i},{i},{i},{i}\n" for i in range(1, 11))
    (tmp_path / "t.csv").write_text("day,North,,South,\n,sales,price,sales,price\n" + rows)
    got = read(tmp_path / "t.csv")
    assert list(got.columns) == ["day", "North sales", "North price", "South sales", "South price"]
    assert decisions(got) == (("header", "two rows, joined"),)


def test_a_semicolon_between_decimal_commas_is_the_delimiter(tmp_path):
    (tmp_path / "t.csv").write_text("day;a, in EUR;b\n2024-01-01;1,5;1.234\n2024-01-02;2,5;5.678\n")
    got = read(tmp_path / "t.csv")
    assert list(got.columns) == ["day", "a, in EUR", "b"]
    assert got["b"].tolist() == ["1.234", "5.678"]  # beside decimal commas that is no fraction


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("values", "read_as"),
    [
        (["Köln", "a/b", "x=y", "50 %"], ["Köln", "a/b", "x=y", "50 %"]),
        ([2024, 2023], [2024, 2023]),
        (["01", "10"], ["01", "10"]),
        (["only"], ["only"]),
        (["a", None], ["a", None]),
        ([7, None], [7.0, None]),
    ],
    ids=str,
)
def test_partitions_are_read_as_spark_and_pyarrow_write_them(tmp_path, kind, values, read_as):
    table = pa.table({"y": [float(i) for i in range(len(values))], "part": values})
    dataset.write_dataset(
        table, tmp_path / "run=5" / "lake", format=kind, partitioning=["part"], partitioning_flavor="hive"
    )
    got = read(tmp_path / "run=5" / "lake").sort_values("y")
    assert list(got.columns) == ["y", "part"]
    assert got["part"].astype(object).where(got["part"].notna(), None).tolist() == read_as
    assert partitions(got) == ("part",)


@pytest.mark.parametrize("foot", ["Source: x, y and z, retrieved 2024\n", "\n\nNotes, of, two\nmore, of, them"])
def test_lines_under_a_table_are_left_out_and_said(tmp_path, foot):
    (tmp_path / "t.csv").write_text("day,load\n" + BODY + foot)
    got = read(tmp_path / "t.csv")
    assert len(got) == 20
    assert decisions(got)[0][0] == "lines under the table"


@pytest.mark.parametrize("body", [BODY + "2024-02-01,1,2\n", "2024-02-01,1,2\n" + BODY, BODY + "x,1,2\n" + BODY])
def test_rows_that_are_too_long_are_not_cut(tmp_path, body):
    (tmp_path / "t.csv").write_text("day,load\n" + body)
    with pytest.raises(DataError, match="Expected 2 columns, got 3"):
        read(tmp_path / "t.csv")
