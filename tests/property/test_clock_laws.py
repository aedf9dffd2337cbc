"""Laws of the clock: what is written in a supported way is read back, or refused; names of clocks come back."""

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from autots.panel import Frequency
from autots.reading import Schema, date_formats, read_panel
from autots.reading.time_style import TimeStyle
from zoo.errors import DataError

DATES = [
    *"%d/%m/%Y %m/%d/%Y %Y/%m/%d %d.%m.%Y %d-%m-%Y %m-%d-%Y %Y.%m.%d %-d/%-m/%Y %-m/%-d/%Y %d/%m/%y %m/%d/%y".split(),
    *"%d.%m.%y %y-%m-%d %d-%b-%y %-d-%b-%y %d-%^b-%Y %d%b%Y %Y-%m-%d %Y%m%d %d%m%Y".split(),
    *("%b %d, %Y", "%d %B %Y", "%B %-d, %Y", "%a, %d %b %Y", "%-d. %-m. %Y"),
]
TIMES = " %H:%M", " %H:%M:%S", " %-I:%M %p", " %I:%M:%S%P", "T%H:%M:%S", " %H:%M:%S.%3f"
PERIODS = {
    "MS": ("%Y%m", "%Y-%m", "%m/%Y", "%b %Y", "%b-%y", "%YM%m", "%B %Y"),
    "QS-JAN": ("%Y%q", "%YQ%q", "%Y-Q%q", "Q%q %Y", "Q%q-%y"),
    "W-MON": ("%G%V", "%G-W%V", "%GW%V"),
    "YS-JAN": ("%Y", "%Y/%~y"),
    "6MS": ("%YH%h", "H%h %Y"),
}
CALENDARS = (
    "D B W-MON W-SUN MS ME QS-JAN QE-DEC YS-JAN MD-15 MD-14-28 3MD-FEB-15 12MD-JUN-15 SMS-15 WOM-3FRI LWOM-FRI "
    "D[MON-SAT] D[TUE+THU] 445-2000-01-30"
).split()
HOURS = "h", "30min", "15min", "6h", "bh", "h[MON-SAT 10:00-20:00]", "30min[MON-FRI 09:30-17:30, SAT 09:30-13:30]"
FAST = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))


def steps(alias, start, n):
    """Some times of a clock, from the first at or after a start."""
    freq = Frequency.parse(alias)
    if freq.rule is None:
        return pd.date_range(start, periods=n, freq=freq.offset)
    first = freq.rule.floor(np.array([pd.Timestamp(start).value])) + 1
    return pd.DatetimeIndex(freq.rule.moment(first + np.arange(n)))


@st.composite
def columns(draw):
    """A column of texts, the moments that it means, its format and clock."""
    alias = draw(st.sampled_from([*CALENDARS, *HOURS, *PERIODS]))
    start = pd.Timestamp(2001, 1, 1) + timedelta(days=draw(st.integers(0, 8000)))
    index = steps(alias, start, draw(st.integers(30, 90)))
    forms = [f"{date}{draw(st.sampled_from(TIMES))}" for date in DATES]
    forms = forms if alias in HOURS else list(DATES)
    forms = [*forms, *PERIODS[alias] * 4] if alias in PERIODS else forms
    form = draw(st.sampled_from(forms))
    if "%d%m%Y " in form or "%Y%m%d" in form or "%d%b%Y" in form:
        form = form.replace("T", " ")
    # Years of two digits mean 1969 to 2068.
    assume(not ("%y" in form or "%~y" in form) or index[-1].year < 2060)
    return index, form, alias


def check_reading(made, random):
    index, form, _ = made
    texts = date_formats.write(index, form)
    rows = list(range(len(index)))
    random.shuffle(rows)
    frame = pd.DataFrame({"date": texts[rows], "value": np.arange(float(len(rows)))[rows]})
    try:
        got = read_panel(frame)
    except DataError as error:
        if "regular clock" in error.message:  # too short to show its pattern: refused as datetimes, too
            with pytest.raises(DataError, match="regular clock"):
                read_panel(frame.assign(date=index[rows]))
            return
        # Two readings were open, and both are told; anything else is a way of writing that is not read.
        assert "one reading" in error.message, str(error)
        assert "date_format=" in error.hint
        assert len(str(error)) < 600
        read_panel(frame, date_format=form.replace("%-", "%").replace("^", ""))
        return
    # Times may mean what the format drops: seconds, the day of a month.
    meant = date_formats.read(pd.Index(texts, dtype=object), form)
    panel = got.panel
    np.testing.assert_array_equal(panel.times[~np.isnan(panel.y)], meant.to_numpy("datetime64[ns]"))
    assert got.report.missing == read_panel(frame.assign(date=meant[rows])).report.missing


def check_later_rows(made):
    index, form, alias = made
    texts = date_formats.write(index, form)
    frame = pd.DataFrame({"date": texts, "value": np.arange(float(len(texts)))})
    try:
        got = read_panel(frame[:-5])
    except DataError:
        assume(False)
    schema = Schema.from_dict(json.loads(json.dumps(got.schema.to_dict())))
    assert schema == got.schema
    for n in (1, 5):
        more = schema.read_more(frame[-5:][:n], panel=got.panel)
        joined = got.panel.append(more.panel).y
        np.testing.assert_array_equal(joined[~np.isnan(joined)][-n:], frame["value"].to_numpy()[-5:][:n])
    ahead = got.panel.future_times(1)
    written = schema.write(got.panel.ids, ahead, np.zeros((1, 1)), np.zeros((1, 1, 0)), ())["date"][0]
    again = schema.read_more(frame[-5:-4].assign(date=written), panel=got.panel)
    assert again.panel.times[0] == ahead[0, 0]
    short_or_long = "%b" in form.replace("B", "b") and set(index[:-5].month) == {5}  # May is both
    if got.panel.freq == Frequency.parse(alias) and not short_or_long:
        assert written == texts[-5]


@FAST
@given(columns(), st.randoms(use_true_random=False))
def test_what_is_written_in_one_way_is_read_back_or_open(made, random):
    check_reading(made, random)


@pytest.mark.slow
@MANY
@given(columns(), st.randoms(use_true_random=False))
def test_what_is_written_in_one_way_is_read_back_or_open_many_times(made, random):
    check_reading(made, random)


@FAST
@given(columns())
def test_later_rows_are_read_as_the_first_and_answers_are_written_so(made):
    check_later_rows(made)


@pytest.mark.slow
@MANY
@given(columns())
def test_later_rows_are_read_as_the_first_and_answers_are_written_so_many_times(made):
    check_later_rows(made)


ALIASES = [*CALENDARS, *HOURS, "2h[06:00-22:00]", *"2h 3D 2W-MON 2MS BME SME-15 QE-OCT YE-JUN MD-31".split()]


@FAST
@given(st.sampled_from(ALIASES), st.integers(0, 15000), st.integers(-60, 60), st.integers(1, 40))
def test_every_clock_goes_forth_and_back_and_keeps_its_name(alias, day, k, n):
    freq = Frequency.parse(alias)
    assert Frequency.parse(freq.alias) == freq
    assert Frequency.parse(json.loads(json.dumps(freq.alias))).seasons == freq.seasons
    grid = steps(alias, pd.Timestamp(1980, 1, 1) + timedelta(days=day), n + 1).to_numpy("datetime64[ns]")
    np.testing.assert_array_equal(freq.advance(freq.advance(grid, k), -k), grid)
    np.testing.assert_array_equal(freq.advance(grid[:1], n), grid[-1:])
    np.testing.assert_array_equal(freq.walk(grid[0], n + 1), grid)
    assert freq.count(grid[0], grid[-1]) == n == -freq.count(grid[-1], grid[0])
    assert freq.spacing > 0


DAYS = st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True)
SPANS = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda span: span[0] < span[1])


@FAST
@given(st.sampled_from([1, 2]), st.lists(st.tuples(DAYS, SPANS), min_size=1, max_size=3))
def test_any_opening_hours_have_a_name_that_means_them(every, rules):
    from zoo.series.rules import parse, week_of

    hour = 3600 * 10**9
    slots = {24 * d + h for days, (a, b) in rules for d in days for h in range(a, b, every)}
    rule = week_of(np.array(sorted(slots)) * hour, every * hour)
    if every > 1:  # steps of two hours may begin at even and odd ones: then the name cannot say so
        assume(all((b - a) % every == 0 for a, b in zip(sorted(slots), sorted(slots)[1:], strict=False)))
    assert parse(rule.alias) == rule


@FAST
@given(st.text(max_size=20))
def test_no_text_is_read_as_a_moment_by_the_clock_of_this_machine(text):
    try:
        read_panel(pd.DataFrame({"date": [text, "2020-01-01"], "y": [1.0, 2.0]}), time_col="date", freq="D")
    except DataError:
        return
    assert date_formats.formats_of(text) or date_formats.formats_of(text.strip())


def test_words_that_name_no_moment_are_refused():
    style = TimeStyle("datetime", "datetime64[ns]")
    from autots.reading.times import read_times

    for text in ("now", "today", "12:00", "tomorrow", "01/11/2025", "1", "", " ", "2020-13-01"):
        with pytest.raises(DataError):
            read_times(pd.Series([text]), "time", style)
