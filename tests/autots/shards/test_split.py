"""Rows of a series meet in one shard, whatever writes their names and in whichever piece they come."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.shards.source import Piece, head_of, pieces_of
from autots.shards.split import hashes, key_hashes, read_shard, shard_of, split_piece
from zoo.errors import DataError

_NAMES = st.lists(st.one_of(st.text(max_size=4), st.none()), min_size=1, max_size=30)


def _split(table, key, shards, folder, *, at_once):
    """Return the shards of a table that comes in pieces."""
    folder.mkdir()
    for i, first in enumerate(range(0, table.num_rows, at_once)):
        file = folder / f"{i}.parquet"
        pq.write_table(table.slice(first, at_once), file)
        piece = Piece(str(file), (0,), min(at_once, table.num_rows - first))
        split_piece(piece, table.column_names, key, shards, folder, f"{i:05d}")
    return [read_shard(folder, shard) for shard in range(shards)]


@settings(max_examples=25, deadline=None)
@given(names=_NAMES, shards=st.integers(1, 5), at_once=st.integers(1, 10))
def test_no_row_is_lost_and_no_series_is_torn(names, shards, at_once, tmp_path_factory):
    table = pa.table({"id": pa.array(names, pa.string()), "row": np.arange(len(names))})
    parts = _split(table, ["id"], shards, tmp_path_factory.mktemp("split") / "parts", at_once=at_once)
    assert sorted(row for part in parts for row in part["row"].to_pylist()) == list(range(len(names)))
    homes = [set(part["id"].to_pylist()) for part in parts]
    assert sum(map(len, homes)) == len(set(names))


def test_rows_keep_their_order_inside_a_shard(tmp_path):
    table = pa.table({"id": ["b", "a", "b", "a", "b"], "row": [0, 1, 2, 3, 4]})
    (only,) = _split(table, ["id"], 1, tmp_path / "parts", at_once=2)
    assert only["row"].to_pylist() == [0, 1, 2, 3, 4]


def test_a_name_has_one_home_however_it_is_written():
    ways = [
        pa.array([7, 12], pa.int32()),
        pa.array([7, 12], pa.int64()),
        pa.array([7.0, 12.0]),
        pa.array(["7", "12"]),
        pa.array(["7", "12"]).dictionary_encode(),
    ]
    found = [hashes(pa.table({"id": way}), ["id"]).tolist() for way in ways]
    assert all(one == found[0] for one in found)
    assert key_hashes([[7], [12]]).tolist() == found[0]


def test_a_key_of_two_columns_is_not_their_text_joined():
    table = pa.table({"a": ["x", "xy"], "b": ["yz", "z"]})
    one, other = hashes(table, ["a", "b"])
    assert one != other
    assert key_hashes([["x", "yz"]])[0] == one


def test_hashes_are_the_same_in_every_version():
    # Shards on disk are found by them for years.
    assert key_hashes([["item_000013"]]).tolist() == [15029769406318550628]
    assert shard_of(key_hashes([["a"], ["b"], ["c"]]), 7).tolist() == [3, 0, 1]


def test_series_spread_evenly():
    counts = np.bincount(shard_of(key_hashes([[f"item {i}"] for i in range(10_000)]), 10))
    assert counts.min() > 900
    assert counts.max() < 1100


def test_columns_in_names_of_folders_are_read_where_they_are_asked_for(tmp_path):
    for store in (1, 2):
        folder = tmp_path / f"store={store}"
        folder.mkdir()
        pq.write_table(pa.table({"item": ["a", "b"], "y": [1.0, 2.0]}), folder / "part.parquet")
    pieces = pieces_of(tmp_path, tmp_path / "none")
    assert [piece.keys for piece in pieces] == [(("store", "1"),), (("store", "2"),)]
    (table,) = pieces[1].batches(["item", "store"])
    assert table.to_pydict() == {"item": ["a", "b"], "store": ["2", "2"]}


def test_small_row_groups_make_one_piece_and_empty_ones_none(tmp_path):
    table = pa.table({"id": ["a"] * 10, "y": np.arange(10.0)})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=3)
    pq.write_table(table.slice(0, 0), tmp_path / "none.parquet")
    (piece,) = pieces_of(tmp_path, tmp_path / "source")
    assert piece.rows == 10
    assert piece.groups == (0, 1, 2, 3)
    assert head_of([piece], 4).num_rows == 4


@pytest.mark.parametrize("kind", ["csv", "frame", "arrow"])
def test_other_tables_become_parquet_first(tmp_path, kind):
    frame = pd.DataFrame({"id": ["a", "b"], "y": [1.5, 2.5]})
    if kind == "csv":
        frame.to_csv(tmp_path / "rows.csv", index=False)
    data = {"csv": tmp_path / "rows.csv", "frame": frame, "arrow": pa.Table.from_pandas(frame)}[kind]
    pieces = pieces_of(data, tmp_path / "source")
    assert [file.name for file in (tmp_path / "source").iterdir()] == ["rows.parquet"]
    assert head_of(pieces, 10).to_pydict() == frame.to_dict("list")


def test_what_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(DataError, match=r"torn\.parquet must be a whole Parquet file"):
        pieces_of(tmp_path, tmp_path / "source")
    with pytest.raises(DataError, match="none was found"):
        pieces_of(tmp_path / "nothing", tmp_path / "source")
    pq.write_table(pa.table({"id": ["a"], "y": [1.0]}), tmp_path / "one.parquet")
    (piece,) = pieces_of(tmp_path / "one.parquet", tmp_path / "source")
    with pytest.raises(DataError, match=r"lacks \['price'\]"):
        list(piece.batches(["id", "price"]))
    monkeypatch.setattr("autots.shards.source._CSV_BYTES", 1000)
    (tmp_path / "mixed.csv").write_text("id,y\n" + "a,1\n" * 3_000 + "a,many\n")
    with pytest.raises(DataError, match="columns of one type each"):
        pieces_of(tmp_path / "mixed.csv", tmp_path / "source")
    pq.write_table(pa.table({"id": [], "y": []}), tmp_path / "empty.parquet")
    with pytest.raises(DataError, match="must have rows"):
        pieces_of(tmp_path / "empty.parquet", tmp_path / "source")


def test_a_copy_of_a_shard_is_read_whatever_the_types_of_its_pieces(tmp_path):
    """Whole numbers in one file and decimals in another are one column, as files read together are."""
    for i, values in enumerate(([1, 2], [1.5, 2.5])):
        file = tmp_path / f"{i}.parquet"
        pq.write_table(pa.table({"id": ["a", "b"], "y": values}), file)
        split_piece(Piece(str(file), (0,), 2), ["id", "y"], ["id"], 1, tmp_path, f"{i:05d}")
    assert read_shard(tmp_path, 0)["y"].to_pylist() == [1.0, 2.0, 1.5, 2.5]


def test_types_that_do_not_fit_together_are_told(tmp_path):
    for i, values in enumerate(([1.0, 2.0], ["many", "few"])):
        file = tmp_path / f"{i}.parquet"
        pq.write_table(pa.table({"id": ["a", "b"], "y": values}), file)
        split_piece(Piece(str(file), (0,), 2), ["id", "y"], ["id"], 1, tmp_path, f"{i:05d}")
    with pytest.raises(DataError, match="must have the same types"):
        read_shard(tmp_path, 0)


def test_categories_of_pieces_may_differ(tmp_path):
    for i, names in enumerate((["a", "b"], ["c", "a"])):
        file = tmp_path / f"{i}.parquet"
        pd.DataFrame({"id": pd.Categorical(names), "y": [1.0, 2.0]}).to_parquet(file)
        split_piece(Piece(str(file), (0,), 2), ["id", "y"], ["id"], 1, tmp_path, f"{i:05d}")
    assert read_shard(tmp_path, 0)["id"].to_pylist() == ["a", "b", "c", "a"]
