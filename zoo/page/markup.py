"""Text and elements as HTML and SVG markup: everything that comes from a user is escaped here."""

from __future__ import annotations

import html
import re
from typing import Any

from zoo.page.wording import cut

__all__ = ["escape", "tag"]

# What XML 1.0 does not allow, even escaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
# An attribute of ours, such as a path through thousands of points, is long but has an end.
_LONGEST_ATTRIBUTE = 1_000_000  # characters


def escape(value: Any, longest: int = 160) -> str:
    """Return any text as harmless HTML: escaped, without control characters or lone surrogates, cut if very long.

    >>> escape('<b>"1" & 2')
    '&lt;b&gt;&quot;1&quot; &amp; 2'
    """
    text = _FORBIDDEN.sub("\ufffd", str(value)).encode("utf-8", "replace").decode("utf-8")
    # A number never parts from its percent sign at the end of a line.
    return html.escape(cut(text, longest)).replace(" %", "\u00a0%")


def tag(name: str, *children: str, **attributes: Any) -> str:
    """Return an element; ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``, None is left out.

    Children are markup already; attribute values are escaped here, floats (pixels) rounded to a tenth.

    >>> tag("rect", x=1.25, class_="bar")
    '<rect x="1.2" class="bar"/>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(value, _LONGEST_ATTRIBUTE)
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{text}"')
    inside = "".join(children)
    return f"<{' '.join(parts)}>{inside}</{name}>" if inside else f"<{' '.join(parts)}/>"
