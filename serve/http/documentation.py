"""``/docs``: the description of the API as plain HTML, without any script: it is whole on a closed network, too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from serve.http.openapi import STATUS
from serve.http.routes import Route

__all__ = ["page"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: the API</title>
<link rel="stylesheet" href="page/palette.css">
<link rel="stylesheet" href="page/page.css">
<link rel="stylesheet" href="page/docs.css">
</head>
<body>
<header>
  <h1>{title}: the API</h1>
  <p class="quiet"><a href="./">Forecasts</a> · <a href="openapi.json">openapi.json</a></p>
</header>
<main>
<p>{summary} The examples want the address of this endpoint, <code>URL=http://127.0.0.1:8000</code>, and, where it wants
a token, <code>-H "Authorization: Bearer $TOKEN"</code>.</p>
<section><h2>Paths</h2>{paths}</section>
<section><h2>Bodies</h2>{schemas}</section>
<section><h2>Errors</h2><p>Each error is <code>{{"error", "hint", "where", "request_id"}}</code>, below <code>/v2</code>
<code>{{"error"}}</code>.</p>{errors}</section>
</main>
</body>
</html>
"""
#: Key of JSON Schema -> how a bound is written.
_BOUNDS = {
    "minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<",
    "minLength": "length ≥", "maxLength": "length ≤", "minItems": "items ≥", "maxItems": "items ≤",
}  # fmt: skip


def page(description: Mapping[str, Any], routes: Sequence[Route]) -> bytes:
    """Return the page.

    Args:
        description: What ``serve.http.openapi.document`` made of the routes.
        routes: The same routes, in the order of the page.
    """
    schemas = description["components"]["schemas"]
    text = _PAGE.format(
        title=escape(description["info"]["title"]),
        summary=escape(description["info"]["summary"]),
        paths="".join(_route(route, description["paths"][route.path][route.method.lower()]) for route in routes),
        schemas="".join(_model(name, schemas[name]) for name in sorted(schemas)),
        errors=_table(("status", "what it says"), (("", status, about) for status, about in STATUS.items())),
    )
    return text.encode()


def _route(route: Route, operation: Mapping[str, Any]) -> str:
    parts = [
        _table(
            ("parameter", "in", "type", ""),
            (
                (p["name"], p["in"], _type(p["schema"]), p.get("description", "required"))
                for p in operation["parameters"]
            ),
        ),
        _contents("body", operation.get("requestBody", {}).get("content", {})),
        _contents("answer", operation["responses"]["200"]["content"]),
        f"<pre>{escape(_curl(route))}</pre>",
    ]
    head = f'<span class="method">{route.method}</span><code>{escape(route.path)}</code>'
    summary = f'<summary>{head} <span class="quiet">{escape(route.about)}</span></summary>'
    return f"<details>{summary}<div>{''.join(parts)}</div></details>"


def _curl(route: Route) -> str:
    path = route.path.replace("{model}", "default").replace("{version}", "1")
    if not route.request:
        return f"curl -s $URL{path}"
    return f"curl -s $URL{path} -d '{json.dumps(json.loads(route.example))}'"


def _contents(name: str, content: Mapping[str, Any]) -> str:
    rows = (("", media, _link(_type(told["schema"]))) for media, told in content.items())
    return _table((name, "type"), rows, plain=False)


def _model(name: str, schema: Mapping[str, Any]) -> str:
    needed = set(schema.get("required", ()))
    rows = (
        (field, _link(_type(told)), "required" if field in needed else "", escape(told.get("description", "")))
        for field, told in schema.get("properties", {}).items()
    )
    about = escape(schema.get("description", "").replace("``", ""))
    inside = f"<p>{about}</p>{_table(('field', 'type', '', ''), rows, plain=False)}"
    # Inside of what is folded: a browser unfolds it where a link leads to it.
    return f'<details><summary><code>{escape(name)}</code></summary><div id="{escape(name)}">{inside}</div></details>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, plain: bool = True) -> str:
    """Return a table, or nothing where there are no rows.

    Args:
        heads: What stands over the columns.
        rows: The first cell of each is a name; an empty one is left out.
        plain: Whether the other cells are text, which is escaped; else they are HTML.
    """
    lines = []
    for first, *rest in rows:
        cells = [f"<code>{escape(first)}</code>"] if first else []
        cells += [escape(cell) if plain else cell for cell in rest]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>" if lines else ""


def _type(schema: Mapping[str, Any]) -> str:
    """Return what a schema says in one line.

    >>> _type({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}})
    'array of number or null'
    """
    if not schema:
        return "anything"
    if "$ref" in schema:
        return "#" + str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    bounds = [f"{sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if key in schema]
    return str(schema.get("type", "anything")) + (f" ({', '.join(bounds)})" if bounds else "")


def _link(text: str) -> str:
    """Return a type as HTML: names of bodies, which begin with ``#``, lead to where they are written out."""
    words = (
        f'<a href="{escape(word)}">{escape(word[1:])}</a>' if word.startswith("#") else escape(word)
        for word in text.split(" ")
    )
    return " ".join(words)
