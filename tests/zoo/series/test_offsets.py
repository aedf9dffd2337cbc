"""Offsets against three slow lines: any lengths, empty series among them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.series.lags import difference, lag
from zoo.series.offsets import Offsets, spans

quick = settings(max_examples=150, deadline=None)
any_lengths = st.lists(st.integers(0, 12), min_size=0, max_size=8)
some_lengths = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def lists_of(lengths):
    """The rows of each series, as a list of lists."""
    rows = iter(range(sum(lengths)))
    return [[next(rows) for _ in range(length)] for length in lengths]


def flat(lists):
    return [row for rows in lists for row in rows]


@quick
@given(any_lengths, st.integers(-1, 15))
@example([], 3)
@example([0, 0], 0)
def test_each_row_knows_its_series_its_place_and_the_first_rows_are_found(lengths, count):
    offsets, lists = Offsets.of_lengths(lengths), lists_of(lengths)
    assert (len(offsets), offsets.rows, offsets.lengths.tolist()) == (len(lengths), sum(lengths), lengths)
    assert offsets.codes.tolist() == [i for i, rows in enumerate(lists) for _ in rows]
    assert offsets.positions.tolist() == [k for rows in lists for k, _ in enumerate(rows)]
    assert offsets.heads(count).tolist() == flat([rows[: max(count, 0)] for rows in lists])
    assert offsets.heads(count).tolist() == offsets.heads(count).tolist(), "remembered as it was found"
    values = np.arange(len(lengths)) * 10
    assert offsets.repeat(values).tolist() == [10 * i for i, rows in enumerate(lists) for _ in rows]


@quick
@given(any_lengths, st.integers(0, 5))
def test_rows_are_laid_behind_empty_ones(lengths, count):
    offsets = Offsets.of_lengths(lengths)
    laid = flat([[None] * count + rows for rows in lists_of(lengths)])
    at, rows = offsets.padded(count)
    assert rows == len(laid)
    assert at.tolist() == [place for place, row in enumerate(laid) if row is not None]


@quick
@given(any_lengths, st.integers(0, 15))
def test_the_last_rows_are_found(lengths, count):
    offsets, lists = Offsets.of_lengths(lengths), lists_of(lengths)
    parts, at = offsets.tails(count)
    rows = np.arange(offsets.rows)
    assert (rows if at is None else rows[at]).tolist() == flat([r[len(r) - min(count, len(r)) :] for r in lists])
    assert parts.lengths.tolist() == [min(count, n) for n in lengths]


@quick
@given(any_lengths, st.data())
def test_consecutive_series_are_a_view(lengths, data):
    offsets, lists = Offsets.of_lengths(lengths), lists_of(lengths)
    first = data.draw(st.integers(0, len(lengths)))
    last = data.draw(st.integers(first, len(lengths)))
    part, at = offsets.series(first, last)
    assert np.arange(offsets.rows)[at].tolist() == flat(lists[first:last])
    assert part.lengths.tolist() == lengths[first:last]


@quick
@given(any_lengths, st.integers(1, 20), st.sampled_from([None, 1, 2, 5]))
def test_chunks_hold_every_series_once_and_no_more_rows_than_they_may(lengths, rows, max_series):
    offsets = Offsets.of_lengths(lengths)
    chunks = list(offsets.chunks(rows, max_series=max_series))
    assert flat([range(c.start, c.stop) for c in chunks]) == list(range(len(lengths)))
    for chunk in chunks:
        held = lengths[chunk]
        assert len(held) == 1 or sum(held) <= rows
        assert max_series is None or len(held) <= max_series
        following = chunk.stop < len(lengths) and len(held) + 1 <= (max_series or len(lengths))
        assert not following or sum(held) + lengths[chunk.stop] > rows, "as large as it may be"


@quick
@given(any_lengths, st.data())
def test_series_that_lose_all_rows_are_left_out(lengths, data):
    offsets, lists = Offsets.of_lengths(lengths), lists_of(lengths)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=offsets.rows, max_size=offsets.rows)), dtype=bool)
    left = [[row for row in rows if mask[row]] for rows in lists]
    for rows in (mask, np.flatnonzero(mask)):
        kept, some = offsets.kept(rows)
        assert some.tolist() == [bool(rows) for rows in left]
        assert kept.lengths.tolist() == [len(rows) for rows in left if rows]


@quick
@given(some_lengths, st.integers(0, 40), st.data())
def test_parts_are_gathered_in_any_order(lengths, more, data):
    """One, in order or not, with repeats, overlapping, few of many: a slice, a mask or positions must not matter."""
    lengths = lengths + [3] * more
    offsets, lists = Offsets.of_lengths(lengths), lists_of(lengths)
    series = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=0, max_size=10))
    if data.draw(st.booleans()):
        series = sorted(set(series))
    begin = [data.draw(st.integers(0, lengths[i])) for i in series]
    end = [data.draw(st.integers(b, lengths[i])) for i, b in zip(series, begin, strict=True)]
    starts = offsets.starts[series] + np.array(begin, dtype=np.int64)
    ends = offsets.starts[series] + np.array(end, dtype=np.int64)
    parts, at = offsets.gather(np.array(series, dtype=np.intp), starts, ends)
    rows = np.arange(offsets.rows)
    expected = [lists[i][b:e] for i, b, e in zip(series, begin, end, strict=True)]
    assert (rows if at is None else rows[at]).tolist() == flat(expected)
    assert parts.lengths.tolist() == [len(rows) for rows in expected]


def test_all_series_as_they_are_need_no_copy_and_one_is_a_view():
    offsets = Offsets.of_lengths([2, 3])
    assert offsets.gather(np.arange(2), offsets.starts, offsets.ends)[1] is None
    assert offsets.gather(np.array([1]), np.array([3]), np.array([5]))[1] == slice(3, 5)


@quick
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=8))
def test_spans_are_ranges_one_after_the_other(parts):
    starts, sizes = (np.array([p[k] for p in parts], dtype=np.int64) for k in (0, 1))
    assert spans(starts, sizes).tolist() == flat([range(start, start + size) for start, size in parts])


@quick
@given(any_lengths, st.integers(1, 15), st.integers(0, 4))
def test_lags_never_look_into_another_series(lengths, rows, shift):
    offsets, lists = Offsets.of_lengths(lengths), lists_of(lengths)
    values = np.arange(offsets.rows) * 1.0
    behind = [[float("nan")] * min(rows, len(r)) + [float(v) for v in r[: max(len(r) - rows, 0)]] for r in lists]
    np.testing.assert_array_equal(lag(values, offsets, rows), np.array(flat(behind)))
    gone = difference(values**2, offsets, rows, shift=shift)
    for series in lists:
        for k, row in enumerate(series):
            if k < rows + shift:
                assert np.isnan(gone[row])
            else:
                assert gone[row] == (row - shift) ** 2 - (row - shift - rows) ** 2


@quick
@given(some_lengths, st.sampled_from([np.add, np.minimum, np.maximum]))
def test_values_are_put_together_within_their_series(lengths, ufunc):
    offsets = Offsets.of_lengths(lengths)
    values = np.random.default_rng(0).integers(-9, 9, offsets.rows)
    expected = [ufunc.reduce(values[rows]) for rows in lists_of(lengths)]
    assert offsets.reduce(ufunc, values).tolist() == expected


def test_offsets_are_what_they_were_made_of_and_nobody_elses():
    lengths = np.array([1, 2])
    offsets = Offsets.of_lengths(lengths)
    lengths[0] = 9
    assert offsets.indptr.tolist() == [0, 1, 3]
    with pytest.raises(AttributeError):
        offsets.starts = offsets.ends  # type: ignore[misc]
