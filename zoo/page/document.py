"""A page as one HTML file: no script, nothing to load, so it can be mailed and opened anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files

from zoo.page.markup import escape

__all__ = ["charts", "document", "figure", "header", "key_figures", "legend", "note", "section", "stroke", "wide"]

# No script can run and nothing can be loaded, whatever a user's names, cells and messages hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(title: str, sections: Iterable[str], *, style: str, author: str) -> str:
    """Return a whole page in the common look.

    Args:
        title: What the browser's tab says.
        sections: Markup of the page from top to bottom; "" where a part has nothing to show.
        style: Style sheet of what this page has alone, after the common one.
        author: What wrote it, for the foot of the page.
    """
    common = "".join(files("zoo.page").joinpath(name).read_text("utf-8") for name in ("palette.css", "page.css"))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{common}{style}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(sections)}<footer>Written by {escape(author)}.</footer>\n"
        "</main>\n</body>\n</html>\n"
    )


def header(kicker: str, title: str, result: str) -> str:
    """Return the head of a page: what kind of page, of what, and the result in a sentence."""
    return (
        f'<header>\n<p class="kicker">{escape(kicker)}</p>\n<h1>{escape(title)}</h1>\n'
        f'<p class="result">{escape(result, 900)}</p>\n</header>\n'
    )


def section(title: str, lead: str, body: str) -> str:
    """Return a section with an introduction; ``lead`` is text, ``body`` markup, both may be empty."""
    intro = f'<p class="lead">{escape(lead, 800)}</p>\n' if lead else ""
    return f"<section>\n<h2>{escape(title)}</h2>\n{intro}{body}</section>\n"


def key_figures(items: Iterable[tuple[str, str, str]]) -> str:
    """Return the handful of numbers that a reader takes away: name, value, and a remark on each; nothing for none."""
    cells = "".join(
        f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class="more">{escape(more)}</dd></div>\n'
        for name, value, more in items
    )
    return f'<dl class="figures">\n{cells}</dl>\n' if cells else ""


def figure(title: str, more: str, chart: str) -> str:
    """Return a chart with its caption: a title at the left, a remark at the right."""
    caption = f"<b>{escape(title, 80)}</b><span>{escape(more, 80)}</span>"
    return f"<figure>\n<figcaption>{caption}</figcaption>\n{chart}\n</figure>\n"


def charts(figures: Sequence[str], kind: str = "") -> str:
    """Return figures side by side as far as the page is wide; a single one keeps to its size."""
    style = kind or ("single" if len(figures) == 1 else "")
    return f'<div class="charts{" " + style if style else ""}">\n{"".join(figures)}</div>\n'


def legend(items: Iterable[tuple[str, str]]) -> str:
    """Return a legend of (shapes as markup in a box of 26 x 12 pixels, words)."""
    shown = "".join(
        f'<li><svg viewBox="0 0 26 12" aria-hidden="true">{shape}</svg>{escape(words)}</li>' for shape, words in items
    )
    return f'<ul class="legend">{shown}</ul>\n'


def stroke(kind: str) -> str:
    """Return a line of a class of the style sheet, for a legend."""
    return f'<path class="{kind}" d="M1,6 25,6"/>'


def wide(label: str, chart: str) -> str:
    """Return a chart that scrolls by itself on a narrow screen."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}">\n{chart}\n</div>\n'


def note(text: str) -> str:
    """Return a remark below something."""
    return f'<p class="note">{escape(text, 400)}</p>\n'
