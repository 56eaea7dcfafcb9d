"""A summary for people: as a page of one file, and as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_mdda import html
from edge_mdda.batch import figures
from edge_mdda.report import DISCLAIMER

if TYPE_CHECKING:
    from rich.table import Table

_HEADER = ("of", "answered by", "images", "accuracy", "95 %", "balanced")


def to_html(summary: dict[str, Any]) -> str:
    """The whole summary as one self-contained page."""
    run = summary["run"]
    parts = [
        html.paragraph(f"{sentence(summary)} {DISCLAIMER}"),
        html.heading("Answers"),
        figures.answers(summary),
    ]
    if summary["scored"]:
        parts += [html.heading("Against the labels"), html.table(_HEADER, rows(summary))]
        for scored in summary["scored"]:
            parts += [
                html.heading(f"Confusion, {scored['of']}"),
                figures.confusions(scored, run["model"]["labels"]),
            ]
            known = scored["prediction_set"]
            if known is not None:
                parts.append(
                    html.paragraph(
                        f"The prediction sets hold the true class of {known['coverage']:.1%} of these images, and "
                        f"{known['mean_size']:.2f} classes on average.",
                        "note",
                    )
                )
    if summary["failures"]:
        failures = [(of["name"], of["kind"], of["message"]) for of in summary["failures"]]
        parts += [html.heading("Images that failed"), html.table(("image", "kind", "why"), failures)]
    parts += [html.heading("Run"), html.table(("", ""), [(name, str(value)) for name, value in _flat(run)])]
    return html.page("edge-mdda batch", *parts)


def sentence(summary: dict[str, Any]) -> str:
    """The counts, in a sentence."""
    told = [f"{summary['images']} images", f"{summary['failed']} failed"]
    names = {
        "abstained": "without an answer",
        "alarms": "with an attack alarm",
        "disagreements": "of another class once purified",
        "quality_warnings": "with a warning about their quality",
    }
    told += [f"{summary[key]} {words}" for key, words in names.items() if summary[key] is not None]
    return f"{', '.join(told)}."


def rows(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the table of what was right, under `_HEADER`."""
    return [
        (
            scored["of"],
            of["way"],
            str(of["images"]),
            f"{of['accuracy']:.1%}",
            f"{of['accuracy_95'][0]:.1%}–{of['accuracy_95'][1]:.1%}",
            f"{of['balanced_accuracy']:.1%}",
        )
        for scored in summary["scored"]
        for of in scored["ways"]
    ]


def to_table(summary: dict[str, Any]) -> Table:
    """The same table, to be printed by rich."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(*_HEADER, box=SIMPLE_HEAD)
    for cells in rows(summary):
        table.add_row(*cells)
    return table


def _flat(of: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """Nested values as lines, as "settings parameters sigma"."""
    found: list[tuple[str, object]] = []
    for name, value in of.items():
        path = f"{prefix} {name}".strip()
        found += _flat(value, path) if isinstance(value, dict) else [(path, value)]
    return found
