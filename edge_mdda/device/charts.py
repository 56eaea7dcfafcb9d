"""The drawings of a profile: where the time of an image goes, how times are spread, and the long run."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np

from edge_mdda import svg

WIDTH = 860
LEFT, RIGHT = 60, 840
#: Greys before the network, warm colours for the purification, so that the two inferences stand out.
COLOUR = {
    "decode": "#7f7f7f",
    "resize": "#b5b5b5",
    "quality": "#d9d9d9",
    "raw_inference": "#0072b2",
    "load": "#f5d999",
    "pyramid": "#e69f00",
    "noise": "#d55e00",
    "tv": "#a63c00",
    "aggregation": "#cc79a7",
    "fuse": "#ebc9dc",
    "store": "#f3e3ee",
    "purified_inference": "#00835f",
    "judge": "#56b4e9",
    "report": "#bbe1f6",
}


def stages(configurations: list[dict[str, Any]]) -> str:
    """A bar for each number of threads, cut into the median times of its stages."""
    used = [stage for stage in COLOUR if stage in configurations[0]["stages"]]
    medians = [[of["stages"][stage]["median"] for stage in used] for of in configurations]
    scale = svg.around([sum(row) for row in medians], LEFT + 40, RIGHT, zero=True)
    parts = []
    for row, (of, values) in enumerate(zip(configurations, medians, strict=True)):
        y, at = 20 + row * 34, 0.0
        parts.append(svg.text(LEFT + 34, y + 16, _threads(of), anchor="end"))
        for stage, value in zip(used, values, strict=True):
            x, end = scale(at), scale(at + value)
            title = svg.element("title", f"{_words(stage)}: {value:.2f} ms")
            width = max(end - x, 0.0)
            parts.append(svg.element("rect", title, x=x, y=y, width=width, height=24, fill=COLOUR[stage]))
            if end - x > 90:
                ink = "#fff" if stage.endswith("inference") else "#000"
                parts.append(svg.text((x + end) / 2, y + 16, _words(stage), anchor="middle", fill=ink))
            at += value
    bottom = 24 + len(configurations) * 34
    parts.append(svg.x_axis(scale, bottom, "median of each stage, ms"))
    columns = 5
    for number, stage in enumerate(used):
        x, y = LEFT + 40 + number % columns * 150, bottom + 56 + number // columns * 20
        parts.append(svg.element("rect", x=x, y=y - 10, width=12, height=12, fill=COLOUR[stage]))
        parts.append(svg.text(x + 18, y, _words(stage)))
    height = bottom + 62 + (len(used) - 1) // columns * 20
    return svg.drawing(WIDTH, height, "Time of an image by stage", *parts)


def histograms(configurations: list[dict[str, Any]]) -> str:
    """How often an image took how long, one panel for each number of threads, all on the same scale.

    It ends at the highest of the panels' 95th percentiles: a single late image would squeeze the rest into one bar.
    """
    low = min(min(of["total_ms"]) for of in configurations)
    high = max(of["stages"]["total"]["p95"] for of in configurations)
    edges = np.linspace(low, high if high > low else low + 1, 41)
    x = svg.Scale(float(edges[0]), float(edges[-1]), LEFT, RIGHT)
    parts = []
    for panel, of in enumerate(configurations):
        top, bottom = 26 + panel * 120, 116 + panel * 120
        counts, _ = np.histogram(of["total_ms"], edges)
        y = svg.Scale(0, float(max(counts.max(), 1)), bottom, top)
        colour = svg.COLOURS[panel % len(svg.COLOURS)]
        parts.append(svg.y_axis(y, LEFT, RIGHT, f"images, {_threads(of)}"))
        for count, start, end in zip(counts.tolist(), edges, edges[1:], strict=False):
            if count:
                left, right = x(float(start)), x(float(end))
                parts.append(
                    svg.element(
                        "rect", x=left, y=y(count), width=right - left - 1, height=bottom - y(count), fill=colour
                    )
                )
        median = of["stages"]["total"]["median"]
        if low <= median <= high:
            parts.append(svg.element("line", x1=x(median), x2=x(median), y1=top, y2=bottom, class_="mark"))
        parts.append(svg.text(RIGHT, top - 8, f"median {median:.1f} ms", anchor="end"))
    bottom = 116 + (len(configurations) - 1) * 120
    parts.append(svg.x_axis(x, bottom, "time of an image, ms, up to the 95th percentile"))
    return svg.drawing(WIDTH, bottom + 44, "Histogram of the time of an image", *parts)


def long_run(run: dict[str, Any]) -> str:
    """Latency, clock, temperature and power over time; spells of throttling are shaded."""
    points = run["points"]
    minutes = [point["at_s"] / 60 for point in points]
    x = svg.Scale(0, max(run["minutes"], minutes[-1]), LEFT, RIGHT)
    panels: tuple[tuple[str, str, str], ...] = (
        ("median_ms", "median latency, ms", svg.COLOURS[0]),
        ("clock_mhz", "clock, MHz", svg.COLOURS[2]),
        ("temperature_c", "temperature, °C", svg.COLOURS[1]),
        ("watts", "power, W", svg.COLOURS[4]),
    )
    height = 26 + 110 * len(panels)
    parts = []
    for spell in run["throttled"] or ():
        left, right = x(spell["start_s"] / 60), x(min(spell["end_s"] / 60, x.high))
        title = svg.element("title", escape(", ".join(spell["reasons"])))
        parts.append(
            svg.element("rect", title, x=left, y=18, width=max(right - left, 1.0), height=height - 36, class_="spell")
        )
    for panel, (key, title, colour) in enumerate(panels):
        top, bottom = 30 + panel * 110, 106 + panel * 110
        known = [(minute, point[key]) for minute, point in zip(minutes, points, strict=True) if point[key] is not None]
        if not known:
            parts.append(svg.text(LEFT - 40, top - 8, f"{title}: unknown on this board"))
            continue
        y = svg.around([value for _, value in known], bottom, top)
        parts.append(svg.y_axis(y, LEFT, RIGHT, title))
        parts.append(svg.line([(x(minute), y(value)) for minute, value in known], colour))
    parts.append(svg.x_axis(x, height - 16, "minutes"))
    return svg.drawing(WIDTH, height + 24, "Long run", *parts)


def comparison(rows: list[tuple[str, list[dict[str, float] | None], list[str]]], names: list[str]) -> str:
    """Median and 5th to 95th percentile of each figure, a bar for each profile, each figure on its own scale.

    Args:
        rows: name of a figure, its spread in each profile, None where it has none, and its mark, "slower", "faster" or
            "".
        names: of the profiles.
    """
    parts, y = [], 20
    for number, name in enumerate(names):
        parts.append(svg.element("rect", x=LEFT, y=y - 10, width=12, height=12, fill=_colour(number)))
        parts.append(svg.text(LEFT + 18, y, name))
        y += 18
    for title, spreads, marks in rows:
        known = [spread for spread in spreads if spread is not None]
        if not known:
            continue
        x = svg.Scale(0, max(spread["p95"] for spread in known) * 1.02 or 1, LEFT + 130, RIGHT - 110)
        y += 10
        parts.append(svg.text(LEFT + 122, y + 7 * len(spreads) + 2, title, anchor="end"))
        for number, (spread, mark) in enumerate(zip(spreads, marks, strict=True)):
            if spread is not None:
                parts.append(_whisker(x, y + 14 * number, spread, _colour(number), mark))
        y += 14 * len(spreads)
    return svg.drawing(WIDTH, y + 16, "Comparison of profiles", *parts)


def _whisker(x: Callable[[float], float], y: float, spread: dict[str, float], colour: str, mark: str) -> str:
    low, median, high = (x(spread[name]) for name in ("p5", "median", "p95"))
    words = f"{spread['median']:.2f} ms{' ' + mark if mark else ''}"
    return "".join(
        [
            svg.element("rect", x=x(0), y=y, width=max(median - x(0), 0.5), height=11, fill=colour),
            svg.element("line", x1=low, x2=high, y1=y + 5.5, y2=y + 5.5, class_="mark"),
            svg.text(high + 6, y + 10, words, class_=mark or "plain"),
        ]
    )


def _colour(number: int) -> str:
    return svg.COLOURS[number % len(svg.COLOURS)]


def _threads(of: dict[str, Any]) -> str:
    return f"{of['threads']} thread{'s'[: of['threads'] > 1]}"


def _words(stage: str) -> str:
    return stage.replace("_", " ")
