"""The drawings of a summary: how often each answer was given, and who was taken for what."""

from __future__ import annotations

from typing import Any

from edge_mdda import svg

GIVEN, ABSTAINED = svg.COLOURS[0], svg.COLOURS[4]
#: Of a drawing that is a file of its own.
STYLE = "text { font: 12px sans-serif } .axis { stroke: #333 } .grid { stroke: #ddd }"
_CELL, _LEFT, _WIDTH, _PANELS = 44, 60, 860, 2


def answers(summary: dict[str, Any]) -> str:
    """A bar a class: the images with that answer, and those where none should be given."""
    return svg.drawing(_WIDTH, _answers_height(summary), "Answers by class", *_answers(summary, 0))


def confusions(scored: dict[str, Any], labels: list[str]) -> str:
    """A panel for each way to answer: true classes in rows, the darker a cell the larger its part of its row."""
    return svg.drawing(_WIDTH, _confusions_height(scored, labels), "Confusion", *_confusions(scored, labels, 0))


def file(summary: dict[str, Any]) -> str:
    """Both in a file of their own; without labels only the answers."""
    height, parts = _answers_height(summary), _answers(summary, 0)
    for scored in summary["scored"][:1]:
        labels = summary["run"]["model"]["labels"]
        parts += _confusions(scored, labels, height)
        height += _confusions_height(scored, labels)
    return svg.file(svg.drawing(_WIDTH, height, "Summary of a batch", *parts), STYLE)


def _answers_height(summary: dict[str, Any]) -> int:
    return 90 + 24 * len(summary["answers"])


def _answers(summary: dict[str, Any], top: int) -> list[str]:
    counts = summary["answers"]
    most = max((of["given"] + of["abstained"] for of in counts.values()), default=0)
    scale = svg.Scale(0, max(most, 1) * 1.06, _LEFT, _WIDTH - 60)
    parts = [
        svg.element("rect", x=_LEFT, y=top + 8, width=12, height=12, fill=GIVEN),
        svg.text(_LEFT + 18, top + 18, "answer given"),
        svg.element("rect", x=_LEFT + 130, y=top + 8, width=12, height=12, fill=ABSTAINED),
        svg.text(_LEFT + 148, top + 18, "no answer: unsure, or not dermoscopic"),
    ]
    for number, (code, of) in enumerate(counts.items()):
        y, middle, end = top + 32 + 24 * number, scale(of["given"]), scale(of["given"] + of["abstained"])
        parts += [
            svg.text(_LEFT - 8, y + 13, code, anchor="end"),
            svg.element("rect", x=scale(0), y=y, width=middle - scale(0), height=18, fill=GIVEN),
            svg.element("rect", x=middle, y=y, width=end - middle, height=18, fill=ABSTAINED),
            svg.text(end + 6, y + 13, str(of["given"] + of["abstained"])),
        ]
    return [*parts, svg.x_axis(scale, top + 36 + 24 * len(counts), "images")]


def _confusions_height(scored: dict[str, Any], labels: list[str]) -> int:
    return -(-len(scored["ways"]) // _PANELS) * _panel_height(labels)


def _panel_height(labels: list[str]) -> int:
    return _cell(labels) * len(labels) + 84


def _cell(labels: list[str]) -> int:
    """The side of a cell: panels side by side fill the width, however many classes there are."""
    return min(_CELL, (_WIDTH // _PANELS - _LEFT - 10) // len(labels))


def _confusions(scored: dict[str, Any], labels: list[str], top: int) -> list[str]:
    parts = []
    for number, of in enumerate(scored["ways"]):
        x = _LEFT + number % _PANELS * (_WIDTH // _PANELS)
        y = top + 40 + number // _PANELS * _panel_height(labels)
        parts += _confusion(of, labels, x, y)
    return parts


def _confusion(of: dict[str, Any], labels: list[str], left: int, top: int) -> list[str]:
    cell, side = _cell(labels), _cell(labels) * len(labels)
    title = f"{of['way']}: {of['accuracy']:.1%}, balanced {of['balanced_accuracy']:.1%}, {of['images']} images"
    parts = [svg.text(left, top - 12, title)]
    for row, (code, counts) in enumerate(zip(labels, of["confusion"], strict=True)):
        y, total = top + row * cell, sum(counts)
        parts.append(svg.text(left - 6, y + cell / 2 + 4, code, anchor="end"))
        for column, count in enumerate(counts):
            x, part = left + column * cell, count / total if total else 0.0
            place = {"x": x, "y": y, "width": cell, "height": cell, "class_": "grid"}
            parts.append(svg.element("rect", fill=GIVEN, fill_opacity=part, **place))
            if count:
                ink = "#fff" if part > 0.5 else "#000"
                parts.append(svg.text(x + cell / 2, y + cell / 2 + 4, str(count), anchor="middle", fill=ink))
    for column, code in enumerate(labels):
        parts.append(svg.text(left + (column + 0.5) * cell, top + side + 14, code, anchor="middle"))
    return [*parts, svg.text(left + side / 2, top + side + 30, "answered (true class in rows)", anchor="middle")]
