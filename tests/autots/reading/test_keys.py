import json

import numpy as np
import pandas as pd
import pytest

from autots.reading import Schema, read_panel
from autots.reading.ids import joined, parted
from zoo.errors import ConfigError, DataError

DAYS = pd.date_range("2024-01-01", periods=60)


def shops(a="store", b="item", **columns):
    parts = [
        pd.DataFrame({"date": DAYS, a: s, b: i, "sales": 100 * s + i + 5 * (DAYS.dayofweek >= 5)})
        for s in range(1, 6)
        for i in range(1, 4)
    ]
    return pd.concat(parts, ignore_index=True).assign(**columns)


def written(got, schema=None, horizon=2):
    times = got.panel.future_times(horizon)
    zeros = np.zeros(times.shape)
    return (schema or got.schema).write(got.panel.ids, times, zeros, zeros[:, :, None], (0.5,))


@pytest.mark.parametrize("names", [("store", "item"), ("city", "id"), ("shop", "series")])
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_usual_name_that_does_not_tell_rows_apart_becomes_part_of_a_key(names, shuffled):
    table = shops(*names)
    got = read_panel(table.sample(frac=1, random_state=0) if shuffled else table)
    assert got.schema.layout.columns.key == names
    assert got.panel.n_series == 15
    assert got.report.find("duplicates") is None
    assert "720 of 900 rows share series and time" in got.report.find("note").message
    out = written(got)
    assert list(out.columns) == [*names, "date", "mean", "0.5"]
    assert out[names[0]].dtype == table[names[0]].dtype
    assert out.iloc[0].tolist()[:2] == [1, 1]
    assert ("series", f"{names[0]} + {names[1]}, 15 series") in got.report.reading


def test_columns_that_name_the_same_series_again_are_no_part_of_the_key():
    got = read_panel(shops().assign(shop_name=lambda t: t["store"].map("n{}".format), price=1.5), target_col="sales")
    assert got.schema.layout.columns.key == ("store", "item")
    assert set(got.schema.layout.columns.past) == {"shop_name", "price"}


def test_a_name_that_merges_many_rows_is_refused_where_nothing_tells_them_apart():
    twice = pd.concat([shops().query("store == 1"), shops().query("store == 2")]).drop(columns="store")
    with pytest.raises(DataError, match=r"'item' alone names 3 series, and 180 of 360 rows share") as caught:
        read_panel(twice)
    assert "id_col='item' to merge" in caught.value.hint
    assert read_panel(twice, id_col="item").report.find("duplicates").count == 180


def test_two_readings_of_a_key_are_shown_side_by_side():
    split = shops().assign(shift=lambda t: np.where(t["date"] < DAYS[30], t["store"], 6 - t["store"]))
    with pytest.raises(
        DataError, match=r"'store' and 'item' name 15 series|'item' and 'store' name 15 series"
    ) as caught:
        read_panel(split)
    assert "id_col=[" in caught.value.hint


def test_integers_without_a_usual_name_are_asked_for():
    with pytest.raises(DataError, match="times repeat") as caught:
        read_panel(shops("shop", "sku"))
    assert "id_col=['shop', 'sku']" in caught.value.hint
    texts = (
        shops("shop", "sku")
        .astype({"shop": str, "sku": str})
        .assign(shop=lambda t: "s" + t["shop"], sku=lambda t: "i" + t["sku"])
    )
    assert read_panel(texts).schema.layout.columns.key == ("shop", "sku")


def test_a_few_repeated_times_of_one_series_are_repaired():
    table = pd.DataFrame({"date": DAYS, "MW": np.arange(60), "sky": ["clear", "rain"] * 30})
    got = read_panel(pd.concat([table, table.tail(1).assign(MW=7, sky="fog")]), target_col="MW")
    assert got.panel.n_series == 1
    assert got.report.find("duplicates").count == 1
    assert (
        read_panel(pd.concat([table[["date", "MW"]], table.tail(2)[["date", "MW"]].assign(MW=7)])).panel.n_series == 1
    )


def test_a_key_goes_through_all_later_tables(tmp_path):
    table = shops().assign(promo=lambda t: t["store"] % 2 + t["item"], store=lambda t: t["store"].astype("int16"))
    static = pd.DataFrame(
        [(s, i, 10.0 * s + i) for s in range(1, 6) for i in range(1, 4)], columns=["store", "item", "size"]
    )
    got = read_panel(table, id_col=["store", "item"], known=["promo"], static=static)
    assert got.panel.static["size"].tolist() == sorted(static["size"])
    schema = Schema.from_dict(json.loads(json.dumps(got.schema.to_dict())))
    assert schema == got.schema
    later = table.assign(date=table["date"] + pd.Timedelta(days=60))
    later.to_csv(tmp_path / "later.csv", index=False)
    for more in (later, later.set_index(["store", "item", "date"]), tmp_path / "later.csv"):
        assert got.panel.append(schema.read_more(more, panel=got.panel, static=static).panel).n_rows == 1800
    future = schema.read_future(later, got.panel, 3).known["promo"]
    np.testing.assert_array_equal(future[:, 0], [s % 2 + i for s in range(1, 6) for i in range(1, 4)])
    with pytest.raises(DataError, match="must name its series by the key"):
        schema.read_future(later.drop(columns="store"), got.panel, 3)
    out = written(got, schema)
    assert out["store"].dtype == "int16"
    both = out.assign(sales=1.0, promo=1.0)[["store", "item", "date", "sales", "promo"]]
    assert schema.read_more(both, panel=got.panel).panel.n_rows == 30


def test_an_index_of_three_levels_names_series_by_two():
    got = read_panel(shops().set_index(["store", "item", "date"]))
    assert got.schema.layout.columns.key == ("store", "item")
    assert list(written(got).columns[:3]) == ["store", "item", "date"]


def test_different_keys_never_share_a_label():
    parts = ["a", "a | b", "b", "", "\\", "|", " | ", "a\x00", "a\x00b", "x\\ | y", " ", "ä"]
    labels = {joined([p, q]): (p, q) for p in parts for q in parts}
    assert len(labels) == len(parts) ** 2
    assert all(parted(label) == list(key) for label, key in labels.items())


@pytest.mark.parametrize("role", ["id", "time"])
@pytest.mark.parametrize("name", ["mean", "0.5", 0.5])
def test_a_name_that_a_forecast_needs_is_refused_before_a_search(role, name):
    names = {"id": "id", "time": "ds", role: name}
    table = pd.DataFrame(
        {names["id"]: np.repeat(["a", "b"], 60), names["time"]: np.tile(DAYS, 2), "y": np.arange(120.0)}
    )
    got = read_panel(table, id_col=names["id"], time_col=names["time"], target_col="y")
    with pytest.raises(ConfigError, match="one meaning each") as caught:
        got.schema.refuse_names((0.1, 0.5))
    assert "rename" in caught.value.hint
    with pytest.raises(ConfigError, match="one meaning each"):
        written(got)


def test_future_rows_that_contradict_each_other_are_refused():
    table = shops().assign(promo=1.0)
    got = read_panel(table, id_col=["store", "item"], known=["promo"])
    later = table.assign(date=table["date"] + pd.Timedelta(days=60))
    same = pd.concat([later, later.head(1)], ignore_index=True)
    assert (got.schema.read_future(same, got.panel, 2).known["promo"] == 1).all()
    with pytest.raises(DataError, match="rows 0 and 900 are of one and differ in 'promo'"):
        got.schema.read_future(same.assign(promo=np.r_[np.ones(900), 2.0]), got.panel, 2)


def test_an_index_that_repeats_many_entries_is_refused():
    twice = shops().query("store < 3").drop(columns="store").set_index(["item", "date"])
    with pytest.raises(DataError, match="180 of 360 rows repeat an entry of the index"):
        read_panel(twice)
    assert read_panel(twice, id_col="item").panel.n_series == 3
    same = pd.concat([shops().query("store == 1").drop(columns="store")] * 2).set_index(["item", "date"])
    assert read_panel(same).panel.n_series == 3


def test_a_text_that_differs_in_most_rows_names_no_series():
    days = pd.date_range("2024-01-01", periods=12)
    table = pd.DataFrame({"when": np.repeat(days, 3), "sensor": [1, 2, 3] * 12, "note": [f"n{i}" for i in range(36)]})
    with pytest.raises(DataError, match="could be any of"):
        read_panel(table.assign(kwh=np.arange(36.0)))


@pytest.mark.parametrize("given", [{"id_col": "unique_id"}, {}])
def test_ids_that_differ_behind_a_nul_or_in_their_form_are_series_of_their_own(given):
    days, ids = pd.date_range("2024-01-01", periods=8), ["a\0b", "a\0c", "a", "a\0", "a ", "\u00e9", "e\u0301"]
    parts = [pd.DataFrame({"unique_id": id_, "ds": days, "y": np.arange(8.0) + i}) for i, id_ in enumerate(ids)]
    got = read_panel(pd.concat(parts), **given)
    assert sorted(got.panel.ids) == sorted(ids)
    assert sorted(got.panel.y[got.panel.indptr[:-1]]) == list(range(7))
    more = [pd.DataFrame({"unique_id": id_, "ds": ["2024-01-09"], "y": 50.0 + i}) for i, id_ in enumerate(ids)]
    later = got.schema.read_more(pd.concat(more), panel=got.panel).panel
    assert later.n_series == 7 and sorted(later.y) == [50.0 + i for i in range(7)]


@pytest.mark.parametrize("value", [1, "1", 4711])
def test_a_number_that_is_the_same_in_all_rows_names_the_one_series(value):
    days = pd.date_range("2024-01-01", periods=20)
    table = pd.DataFrame({"sensor": value, "kwh": np.arange(20.0) % 7, "when": days})
    got = read_panel(table)
    assert got.panel.n_series == 1 and list(got.panel.ids) == [str(value)]
    np.testing.assert_array_equal(got.panel.y, np.arange(20.0) % 7)
    out = got.schema.write(got.panel.ids, got.panel.future_times(2), np.zeros((1, 2)), np.zeros((1, 2, 1)), (0.5,))
    assert list(out.columns) == ["sensor", "when", "mean", "0.5"] and out["sensor"].tolist() == [value] * 2


def test_a_dead_sensor_beside_others_is_a_series():
    days = pd.date_range("2024-01-01", periods=20)
    wide = pd.DataFrame({"when": days, "north": np.arange(20.0), "south": 0, "west": np.arange(20) % 3})
    assert list(read_panel(wide).panel.ids) == ["north", "south", "west"]
    assert list(read_panel(wide[["when", "north", "south"]]).panel.ids) == ["north", "south"]
