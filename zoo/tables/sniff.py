"""What a CSV file is, seen from its first bytes: encoding, delimiter, where its header is, and whether it has one."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from zoo.errors import DataError

__all__ = ["Sniffed", "decode", "encoding_of", "sniff", "without_foot"]

_SIGNS = "\t;|,"  # where two fit equally, the comma is in the numbers
_LOOK = 2000  # rows that are looked at
_FOOT = 12  # lines under a table at most
_PREAMBLE = 30  # lines above a header at most
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUMBER = re.compile(r"[-+(]?[$€£]?\s*(\d[\d.,' \u00a0\u202f]*|[.,]\d+)([eE][-+]?\d+)?\)?\s*[%€$£]?")
_DATE = re.compile(
    r"\d{4}-\d{1,2}(-\d{1,2})?([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?|"
    r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([ T]\d{1,2}:\d{2}(:\d{2})?)?"
)
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
# Dates with letters, of which a single one may be a name: they count above others of their kind alone.
_WORDED = re.compile(
    rf"(\d{{1,2}}[ -])?{_MONTH}[ -]?\d{{2,4}}|\d{{1,2}}[ -]{_MONTH}[ ,-]+\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}|"
    r"\d{4}[ -]?[qwm]\d{1,2}|[qwm]\d{1,2}[ /-]\d{2,4}|"
    r"([a-z]{3},? )?\d{1,4}[./-]\d{1,2}[./-]\d{1,4},?[ t]+\d{1,2}(:\d{2}){1,2}([.,]\d+)?( ?[ap]\.?m\.?)?",
    re.IGNORECASE,
)
_COMMA = re.compile(r"[-+]?\d{1,3}(\.\d{3})*,\d+|[-+]?\d+,\d+")
_SIGN = re.compile(r'"?sep=([\t;|,])"?\s*', re.IGNORECASE)
_GROUP = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")


@dataclass(frozen=True)
class Sniffed:
    """How a CSV file is written.

    Args:
        delimiter: The character that stands between fields.
        header: The names of its columns, made where it has none.
        skip: Lines before the first row of values; None where the header is the first line and names are as written.
        texts: Columns that a guess of types would spoil: numbers with leading zeros, times with an offset from UTC.
        comma: Whether some column has decimal commas.
        decisions: What was decided, and how.
    """

    delimiter: str
    header: list[str]
    skip: int | None = None
    texts: set[str] = field(default_factory=set)
    comma: bool = False
    decisions: tuple[tuple[str, str], ...] = ()


#: Numbers with leading zeros; times with an offset, which Arrow would turn to UTC and forget.
_SPOILT = re.compile(r"[+-]?0\d+|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?[+-]\d\d(:?\d\d)?")


def encoding_of(head: bytes) -> str:
    """Return the encoding of a file that begins with some bytes: utf-8, utf-16, utf-32, or "bytes" for none of these.

    >>> encoding_of("Köln".encode("utf-16")), encoding_of("Köln".encode()), encoding_of("Köln".encode("latin-1"))
    ('utf-16', 'utf-8', 'bytes')
    """
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    pairs = head[: len(head) // 2 * 2]
    if len(pairs) >= 4 and b"\0" in pairs:
        # Text of ASCII in two bytes a sign: every other one is 0.
        odd, even = pairs[1::2].count(0) / (len(pairs) / 2), pairs[::2].count(0) / (len(pairs) / 2)
        if max(odd, even) > 0.6 and min(odd, even) < 0.1:
            return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "bytes"
    return "utf-8"


def decode(data: bytes, file: object) -> tuple[str, str]:
    """Return the text of a file and the encoding that it is read as.

    What is no Unicode is taken for Western European (cp1252, latin-1) if it looks so.

    Raises:
        DataError: It does not.

    >>> decode("Köln".encode("latin-1"), "a.csv")
    ('Köln', 'cp1252')
    """
    name = encoding_of(data)
    if name != "bytes":
        try:
            return data.decode(name).removeprefix("\ufeff"), name
        except UnicodeDecodeError as error:
            raise _unreadable(file, f"byte {error.start} is no {name.upper()}") from error
    whole = len(re.findall(rb"[\xc3-\xf4][\x80-\xbf]+", data))
    high = len(re.findall(rb"[\x80-\xff]", data))
    if 2 * whole > 0.8 * high:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _unreadable(file, f"byte {error.start} is no UTF-8, while most of it is") from error
    # Other alphabets fill whole words with bytes that Western ones use here and there.
    runs = sum(len(run) for run in re.findall(rb"[\xc0-\xff]{3,}", data))
    if runs > 0.4 * high:
        raise _unreadable(file, "it is neither UTF-8 nor Western European")
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError as error:
        raise _unreadable(file, f"byte {error.start} is neither UTF-8 nor Western European (cp1252)") from error


def _unreadable(file: object, why: str) -> DataError:
    return DataError(
        f"{file} must be text in UTF-8, UTF-16 or cp1252, but {why}",
        "save it as UTF-8, for example iconv -f ENCODING -t UTF-8, or pass pandas.read_csv(path, encoding=...)",
    )


def sniff(head: str, *, whole: bool, delimiter: str | None = None) -> Sniffed:
    r"""Look at the beginning of a CSV file.

    Args:
        head: The beginning of the file's text.
        whole: Whether that is all of it.
        delimiter: Between fields, if it is known.

    >>> sniff("2024-01-01,5\n2024-01-02,6\n", whole=True).header
    ['column_1', 'column_2']
    """
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", head)
    if not whole and len(lines) > 1:
        lines = lines[:-1]
    above = _SIGN.fullmatch(lines[0]) if lines else None
    sign = delimiter or (above[1] if above else _delimiter(lines))
    rows = _rows(lines[:_LOOK], sign)
    if above and len(rows) > 1:  # spreadsheets are told the sign so; it is no row of names
        rows = rows[1:]
    usual = _usual(rows)
    at = _first(rows, usual)
    decisions: list[tuple[str, str]] = []
    if at:
        decisions.append(("lines above the header", f"{at} left out: {sign.join(rows[0][1])[:60]!r}"))
    header, data = list(rows[at][1]), [row for _, row in rows[at + 1 :]]
    skip = rows[at][0]
    changed = bool(at) or above is not None
    if header[0].startswith("#") and len(header) == usual:
        header[0], changed = header[0].lstrip("# "), True
    if len(header) == usual - 1 and data:
        header = [*header, ""] if all(not row[-1].strip() for row in data if len(row) == usual) else ["", *header]
        changed = True
    if _is_data(header, data):
        skip, data = (rows[at - 1][0] if at else 0), [header, *data]
        header, changed = [f"column_{i + 1}" for i in range(len(header))], True
        decisions.append(("header", f"none: the first row holds values; columns are named {header[0]} to {header[-1]}"))
    elif data and _second_header(header, data):
        decisions.append(("header", "two rows, joined"))
        header, skip, changed = _joined(header, data[0]), rows[at + 1][0], True
        data = data[1:]
    named = [name if name.strip() else f"Unnamed: {i}" for i, name in enumerate(header)]
    changed = changed or named != header
    texts = {
        name for i, name in enumerate(named) if any(len(row) > i and _SPOILT.fullmatch(row[i].strip()) for row in data)
    }
    return Sniffed(sign, named, skip if changed else None, texts, _has_comma(data), tuple(decisions))


def without_foot(text: str, sign: str, width: int) -> tuple[str, list[str]]:
    """Return a file's text without the lines under its table, and these.

    Lines at the end are none of its rows if they have another number of fields and hold neither date nor number.
    """
    ends = [found.end() for found in re.finditer(r"\r\n|\r|\n", text)]
    starts = [0, *ends]
    foot: list[str] = []
    cut = len(text)
    for start in reversed(starts[-_FOOT:]):
        line = text[start:cut].strip("\r\n")
        cells = next(iter(csv.reader([line], delimiter=sign)), [])
        if cells and (len(cells) == width or any(map(_is_value, cells))):
            break
        if line.strip():
            foot.insert(0, line)
        cut = start
    return text[:cut], foot


def _rows(lines: Sequence[str], sign: str) -> list[tuple[int, list[str]]]:
    """Return (lines read so far, fields) of each row that holds something."""
    reader = csv.reader(lines, delimiter=sign)
    out = []
    try:
        for row in reader:
            if row and any(cell.strip() for cell in row):
                out.append((reader.line_num, row))
    except csv.Error:  # a field longer than the module takes: Arrow reads it
        pass
    return out or [(1, [""])]


def _delimiter(lines: Sequence[str]) -> str:
    best, most = ",", 0.0
    for sign in _SIGNS:
        counts = Counter(len(row) for _, row in _rows(lines[:50], sign))
        counts.pop(1, None)
        agree = max(counts.values(), default=0)
        if agree > most:
            best, most = sign, agree
    return best


def _usual(rows: Sequence[tuple[int, list[str]]]) -> int:
    return Counter(len(row) for _, row in rows).most_common(1)[0][0]


def _first(rows: Sequence[tuple[int, list[str]]], usual: int) -> int:
    """Return the place of the header: titles and comments above it have fewer fields."""
    if usual < 2:
        return 0
    at = 0
    while at < min(len(rows) - 1, _PREAMBLE) and len(rows[at][1]) < usual:
        next_ = rows[at + 1][1]
        short = len(rows[at][1]) == usual - 1 and len(next_) == usual and any(map(_is_value, next_))
        if short and all(cell.strip() for cell in rows[at][1]) and usual > 2:
            break  # a header with a field less than its rows
        at += 1
    # A comment, unless values follow: then it is a header that begins like one.
    while at < len(rows) - 1 and rows[at][1][0].startswith("#") and not any(map(_is_value, rows[at + 1][1])):
        at += 1
    if len(rows[at][1]) != usual and not (len(rows[at][1]) == usual - 1):
        return 0
    return at


def _is_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()) or _DATE.fullmatch(cell.strip()))


def _kind(cells: Sequence[str]) -> str:
    there = [cell.strip() for cell in cells if cell.strip()]
    if there and all(_DATE.fullmatch(cell) or _WORDED.fullmatch(cell) for cell in there):
        return "date"
    if there and all(_NUMBER.fullmatch(cell) for cell in there):
        return "number"
    return "text" if there else ""


def _is_data(header: Sequence[str], data: Sequence[Sequence[str]]) -> bool:
    """Whether what stands where names do is the first row: a date above dates, and no name above numbers."""
    if not data or not any(cell.strip() for cell in header):
        return False
    kinds = [_kind([row[i] for row in data if len(row) > i]) for i in range(len(header))]
    own = [_kind([cell]) for cell in header]
    if any(mine != kind for mine, kind in zip(own, kinds, strict=True) if kind in ("date", "number") and mine):
        return False
    if any(not mine for mine, kind in zip(own, kinds, strict=True) if kind == "date"):
        return False
    if any(kind == "date" for kind in kinds):
        return True
    if any(kind != "number" for kind in own):
        return False
    # Numbers alone: pandas names columns 0, 1, 2 when there are no names; 1960, 1961 and 10, 20 may be names, too.
    texts = [cell.strip() for cell in header]
    steps = texts[0] in ("0", "1") and texts == [str(int(texts[0]) + i) for i in range(len(texts))]
    return not steps and any("." in cell for cell in texts)


def _second_header(header: Sequence[str], data: Sequence[Sequence[str]]) -> bool:
    """Whether names go on in the second row: those of the first are empty or repeat, and no value stands in it."""
    names = [name.strip() for name in header]
    lacking = "" in names[1:] or len(set(names)) < len(names)
    below = [row for row in data[1:] if len(row) == len(header)]
    return bool(
        lacking
        and len(data) > 2
        and not any(map(_is_value, data[0]))
        and any(cell.strip() for cell in data[0])
        and below
        and all(any(map(_is_value, row)) for row in below[:20])
    )


def _joined(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the names of two header rows; an empty one above repeats the last, as in merged cells."""
    names, above = [], ""
    for i, under in enumerate(second):
        above = (first[i].strip() if i < len(first) else "") or above
        names.append(" ".join(part for part in (above, under.strip()) if part))
    return [name if names.count(name) == 1 else f"{name} {names[:i].count(name) + 1}" for i, name in enumerate(names)]


def _has_comma(data: Sequence[Sequence[str]]) -> bool:
    """Whether some column is of numbers with decimal commas."""
    width = max((len(row) for row in data), default=0)
    for i in range(width):
        cells = [row[i].strip() for row in data if len(row) > i and row[i].strip()]
        like = [cell for cell in cells if _COMMA.fullmatch(cell)]
        if len(like) > 0.5 * len(cells) and any(not _GROUP.fullmatch(cell) for cell in like):
            return True
    return False
