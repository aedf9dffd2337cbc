"""Whatever a user's text holds, it is shown and never read as markup; drawings stay well-formed."""

from __future__ import annotations

import doctest
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zoo.page import document as pages
from zoo.page import markup
from zoo.page.axes import Axis
from zoo.page.markup import escape, tag
from zoo.page.svg import ChartFrame, area, drawing, line, lone, polyline
from zoo.page.tables import Cell, Row, bar, definitions, number_cell, table, text_cell

law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

HOSTILE = "<script>alert(1)</script>\"'&\x00\ud800"
any_text = st.text(st.characters(exclude_categories=()), max_size=40)


class Names(HTMLParser):
    """Gathers the names and attributes of all elements, and their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_examples_in_docstrings_hold() -> None:
    result = doctest.testmod(markup)
    assert result.attempted == 2 and result.failed == 0


@law
@given(any_text)
@example("\ud800\x00")
def test_any_text_is_one_text_in_html_and_in_xml(text: str) -> None:
    shown = escape(text, 100)
    shown.encode("utf-8")
    assert Names(f"<p title='{shown}'>{shown}</p>").names == ["p"]
    assert Names(f'<p title="{shown}">{shown}</p>').attributes == ["title"]
    ElementTree.fromstring(f'<t a="{shown}">{shown}</t>')


@law
@given(any_text, any_text)
def test_attributes_of_any_text_stay_attributes(value: str, title: str) -> None:
    found = Names(tag("text", escape(title), class_=value, data_name=value, left=None))
    assert found.names == ["text"] and found.attributes == ["class", "data-name"]


@pytest.mark.parametrize(
    "shown",
    [
        table((HOSTILE,), [Row((text_cell(HOSTILE),))], caption=HOSTILE),
        table(("a",), [Row((number_cell(HOSTILE),))], label=HOSTILE),
        definitions([(HOSTILE, HOSTILE)], "settings"),
        drawing("d", (10, 10), HOSTILE, HOSTILE, [polyline([(0, 0)], "line", HOSTILE)]),
        ChartFrame().grid(Axis(0, 1, 60, 466), Axis(0, 1, 226, 12), names=(HOSTILE, HOSTILE), below=[(0.5, HOSTILE)]),
        pages.header(HOSTILE, HOSTILE, HOSTILE),
        pages.section(HOSTILE, HOSTILE, ""),
        pages.key_figures([(HOSTILE, HOSTILE, HOSTILE)]),
        pages.figure(HOSTILE, HOSTILE, ""),
        pages.legend([("", HOSTILE)]),
        pages.wide(HOSTILE, ""),
        pages.note(HOSTILE),
    ],
)
def test_no_part_of_a_page_lets_a_script_in(shown: str) -> None:
    assert "script" not in Names(shown).names
    assert "&lt;script&gt;" in shown and "\x00" not in shown


def test_a_document_loads_nothing_and_says_so_to_the_browser() -> None:
    text = pages.document(HOSTILE, [pages.header("a", HOSTILE, "b")], style=".own { color: red; }", author=HOSTILE)
    found = Names(text)
    assert {"script", "link", "img", "iframe"}.isdisjoint(found.names)
    assert "default-src &#x27;none&#x27;" in text and not re.search(r"https?://|@import|url\(", text)
    assert text.index("--paper") < text.index(".own")  # what a page has alone wins over the common style


def test_tables_name_their_rows_columns_and_regions() -> None:
    text = table(("name", "size"), [Row((text_cell("a"), number_cell(1.5)), "main")], caption="Sizes", kind="board")
    assert '<th scope="row">a</th>' in text and '<th scope="col" class="n">size</th>' in text
    assert 'aria-label="Sizes"' in text and 'tabindex="0"' in text and '<tr class="main">' in text
    assert definitions([], "settings") == "" and pages.key_figures([]) == ""
    with pytest.raises(IndexError):
        table(("one",), [Row((Cell("a"), Cell("b")))])


@law
@given(st.floats())
def test_a_bar_is_never_wider_than_its_place(share: float) -> None:
    width = float(re.findall(r"width:([\d.]+)%", bar(share))[0])
    assert 0 <= width <= 100 and ('class="bad"' in bar(share)) == (share < 0)


@law
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12))
def test_each_value_is_drawn_once_as_line_or_dot_and_gaps_stay_gaps(seen: list[tuple[bool, bool]]) -> None:
    x = np.array([float(i) if a else np.nan for i, (a, _) in enumerate(seen)])
    y = np.array([1.0 if b else np.inf for _, b in seen])
    drawn = re.findall(r"([\d.]+),1\.0", line(x, y)), re.findall(r"([\d.]+),1\.0", lone(x, y))
    assert sorted(float(v) for part in drawn for v in part) == [i for i, (a, b) in enumerate(seen) if a and b]
    stretches = "".join("x" if a and b else " " for a, b in seen).split()
    assert (line(x, y) + lone(x, y)).count("M") == len(stretches)
    assert "nan" not in line(x, y) + lone(x, y) + area(x, y, y) and "inf" not in area(x, y, y)


def test_labels_find_room_beside_the_axis_and_inside_the_drawing() -> None:
    plain, long = Axis(0, 1, 226, 12), Axis(1e9, 1e9 + 2, 226, 12)
    frame = ChartFrame()
    assert frame.beside(plain) == frame
    assert frame.beside(long, named=True).left > frame.beside(long).left > frame.left + 20
    grid = frame.grid(frame.x(0, 1), plain, below=[(0.0, "a long label"), (0.5, "b"), (1.0, "a long label")])
    assert re.findall(r'text-anchor="(start|middle|end)"', grid)[-3:] == ["start", "middle", "end"]
    assert 'text-anchor="middle">0<' in frame.grid(frame.x(0, 1), long, below=[(0.0, "0")])


def test_a_drawing_has_a_title_and_a_description() -> None:
    found = ElementTree.fromstring(drawing("d", (480.0, 270.0), "Title", "What is seen.", [tag("g")]))
    ids = {child.get("id"): child.text for child in found}
    assert [ids[name] for name in (found.get("aria-labelledby") or "").split()] == ["Title", "What is seen."]
    assert found.get("role") == "img" and found.get("viewBox") == "0 0 480 270"
