"""Pages of one file: no script, no network, everything that is not ours escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 2rem auto; max-width: 900px;
  padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; margin: .7rem 0; font-size: .9rem; display: block; overflow-x: auto }
th, td { text-align: left; padding: .18rem .7rem .18rem 0; border-bottom: 1px solid #e5e5e5; vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.grave, .slower { color: #b00020; fill: #b00020; font-weight: 600 } .faster { color: #00734f; fill: #00734f }
.note { color: #555; font-size: .9rem }
svg { max-width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif }
svg .axis { stroke: #333 } svg .grid { stroke: #ddd } svg .mark { stroke: #111; stroke-width: 1.5 }
svg .spell { fill: #d55e00; opacity: .18 }
"""


class Html(str):
    """Text that is HTML already; a class so that a table can tell it from text that must be escaped."""


def page(title: str, *parts: str) -> str:
    """A whole page."""
    # Nothing may be loaded or run, whatever should slip into the page.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def heading(words: str) -> str:
    """The heading of a section."""
    return f"<h2>{escape(words)}</h2>"


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph; kind is a class of the style."""
    return f'<p class="{escape(kind)}">{escape(words)}</p>' if kind else f"<p>{escape(words)}</p>"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; what is not `Html` is escaped, numbers are right-aligned, None is "unknown"."""
    numeric = [any(isinstance(row[column], int | float) for row in rows) for column in range(len(header))]
    head = "".join(f"<th{_class(number)}>{escape(name)}</th>" for name, number in zip(header, numeric, strict=True))
    lines = []
    for row in rows:
        cells = (f"<td{_class(number)}>{_cell(value)}</td>" for value, number in zip(row, numeric, strict=True))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    return f"<table>{top}<tbody>{''.join(lines)}</tbody></table>"


def _class(number: bool) -> str:
    return ' class="number"' if number else ""


def _cell(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, Html):
        return value
    return escape(f"{value:.2f}" if isinstance(value, float) else str(value))
