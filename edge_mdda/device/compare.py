"""Several profiles side by side: boards, or versions on one board; what got slower than it was measured to vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from edge_mdda import html, svg
from edge_mdda.device import charts, page
from edge_mdda.html import Html

#: Stages that are compared; the parts of a purification are in one profile's page.
STAGES = ("decode", "resize", "quality", "raw_inference", "purify", "purified_inference", "judge", "report", "total")
_CALLS = ("", "kernel cache", "wall, ms", "peak, MiB")
SLOWER, FASTER = "slower", "faster"
Spread = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One figure in each profile, the first being what the others are held against.

    Attributes:
        name: of the stage, and the number of threads.
        spreads: in each profile, None where it has none.
        marks: `SLOWER`, `FASTER` or "" for each profile.
    """

    name: str
    spreads: tuple[Spread | None, ...]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Profiles side by side.

    Attributes:
        names: of the profiles.
        rows: what is compared.
        differences: for each profile what it measured other than the first one did; its figures get no marks.
    """

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    differences: tuple[tuple[str, ...], ...]

    @property
    def slower(self) -> list[tuple[str, str]]:
        """Name of the profile and of the figure, of all that got slower."""
        return [
            (name, row.name)
            for row in self.rows
            for name, mark in zip(self.names, row.marks, strict=True)
            if mark == SLOWER
        ]


def compare(profiles: Sequence[dict[str, Any]], names: Sequence[str]) -> Comparison:
    """Hold each profile against the first one.

    A figure is slower when its median is above the first profile's 95th percentile and its 5th percentile is above the
    first one's median: beyond what either was measured to vary. Faster is the reverse.
    """
    differences = tuple(_differences(profiles[0], profile) for profile in profiles)
    rows = []
    threads = sorted({of["threads"] for profile in profiles for of in profile["configurations"]})
    for count in threads:
        for stage in STAGES:
            spreads = tuple(_spread(profile, count, stage) for profile in profiles)
            if all(spread is None for spread in spreads):
                continue
            marks = tuple(
                "" if different else mark(spreads[0], spread)
                for spread, different in zip(spreads, differences, strict=True)
            )
            rows.append(Row(f"{stage.replace('_', ' ')}, {count} thread{'s'[: count > 1]}", spreads, marks))
    return Comparison(tuple(names), tuple(rows), differences)


def mark(before: Spread | None, after: Spread | None) -> str:
    """`SLOWER` or `FASTER` where a figure moved beyond its measured spread, otherwise ""."""
    if before is None or after is None:
        return ""
    if after["median"] > before["p95"] and after["p5"] > before["median"]:
        return SLOWER
    if after["median"] < before["p5"] and after["p95"] < before["median"]:
        return FASTER
    return ""


def cell(row: Row, number: int) -> str:
    """What a table says of a figure in one profile: median, 5th to 95th percentile, change against the first, mark."""
    spread, first = row.spreads[number], row.spreads[0]
    if spread is None:
        return "unknown"
    told = f"{spread['median']:.2f} ({spread['p5']:.2f}–{spread['p95']:.2f})"
    if number and first is not None and first["median"]:
        told += f" {spread['median'] / first['median'] - 1:+.0%}"
    return f"{told} {row.marks[number]}".rstrip()


def notes(comparison: Comparison) -> list[str]:
    """What a reader must know of it, in sentences."""
    told = [
        f"{name} is not held against {comparison.names[0]}: it measured another {' and another '.join(different)}."
        for name, different in zip(comparison.names, comparison.differences, strict=True)
        if different
    ]
    slower = comparison.slower
    told += [
        f"{name} is slower: {'; '.join(figure for of, figure in slower if of == name)}."
        for name in dict.fromkeys(name for name, _ in slower)
    ]
    return told if slower else [*told, "Nothing is slower beyond the measured spread."]


def figure(comparison: Comparison) -> str:
    """The comparison as a drawing."""
    rows = [(row.name, list(row.spreads), list(row.marks)) for row in comparison.rows]
    return charts.comparison(rows, list(comparison.names))


def svg_file(comparison: Comparison) -> str:
    """The same as a file of its own."""
    style = "text { font: 12px sans-serif } .mark { stroke: #111 } .slower { fill: #b00020 } .faster { fill: #00734f }"
    return svg.file(figure(comparison), style)


def to_html(comparison: Comparison, profiles: Sequence[dict[str, Any]]) -> str:
    """The comparison as a self-contained page: boards, figures, drawing."""
    rows = [(row.name, *(_marked(row, number) for number in range(len(profiles)))) for row in comparison.rows]
    boards = [dict(page.board_rows(profile["board"])) for profile in profiles]
    labels = dict.fromkeys(label for board in boards for label in board)
    calls = [
        (name, of["cache"], of["wall_ms"], of["peak_mib"])
        for name, profile in zip(comparison.names, profiles, strict=True)
        for of in profile["first_calls"]
    ]
    parts = [
        *(html.paragraph(note) for note in notes(comparison)),
        html.heading("Figures: median (5th–95th percentile), ms"),
        html.table(("", *comparison.names), rows),
        figure(comparison),
        *([html.heading("First call of a new process"), html.table(_CALLS, calls)] if calls else []),
        html.heading("Boards"),
        html.table(("", *comparison.names), [(label, *(board.get(label) for board in boards)) for label in labels]),
    ]
    return html.page("edge-mdda compare", *parts)


def _marked(row: Row, number: int) -> Html:
    kind = row.marks[number]
    return Html(f'<span class="{kind}">{escape(cell(row, number))}</span>')


def _differences(first: dict[str, Any], other: dict[str, Any]) -> tuple[str, ...]:
    """What of the work was another: model, purification, image."""
    work = {
        "model": (first["model"]["sha256"], other["model"]["sha256"]),
        "purification": (first["purification"], other["purification"]),
        "image": (first["image"]["sha256"], other["image"]["sha256"]),
    }
    return tuple(name for name, (a, b) in work.items() if a != b)


def _spread(profile: dict[str, Any], threads: int, stage: str) -> Spread | None:
    for of in profile["configurations"]:
        if of["threads"] == threads:
            found: Spread | None = of["stages"].get(stage)
            return found
    return None
