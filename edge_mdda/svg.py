"""Drawings as inline SVG: elements, scales and axes. Everything that is not a number is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

#: Of series, told apart by colour-blind readers too (Okabe and Ito, "Color Universal Design", 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")


def element(name: str, *content: str, **attributes: object) -> str:
    """One element; content is SVG already, attribute values are escaped, `_` in their names stands for `-`."""
    names = {key: key.rstrip("_").replace("_", "-") for key in attributes}
    told = "".join(f' {names[key]}="{escape(_value(value))}"' for key, value in attributes.items())
    return f"<{name}{told}>{''.join(content)}</{name}>" if content else f"<{name}{told}/>"


def text(x: float, y: float, words: str, *, anchor: str = "start", **attributes: object) -> str:
    """Words at a place, escaped; anchor is "start", "middle" or "end"."""
    return element("text", escape(words), x=x, y=y, text_anchor=anchor, **attributes)


def drawing(width: int, height: int, label: str, *content: str) -> str:
    """A whole drawing that shrinks with its page; the label is what a screen reader says."""
    return element("svg", *content, viewBox=f"0 0 {width} {height}", role="img", aria_label=label, width=width)


def file(drawn: str, style: str) -> str:
    """A drawing as a file of its own, with the style that a page would give it."""
    styled = drawn.replace(">", f">{element('style', style)}", 1)
    return styled.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


@dataclass(frozen=True)
class Scale:
    """Numbers from low to high, on pixels from start to end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1
        return self.start + (value - self.low) / span * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round numbers in the range, about so many of them."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        rough = span / count
        power = 10 ** math.floor(math.log10(rough))
        step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
        return [number * step for number in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]


def around(values: Sequence[float], start: float, end: float, *, zero: bool = False) -> Scale:
    """A scale with room around the values; from zero on if asked."""
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.06 or 1
    return Scale(0 if zero else low - room, high + room, start, end)


def x_axis(scale: Scale, y: float, title: str) -> str:
    """A line with ticks below it, and what they are."""
    parts = [element("line", x1=scale.start, x2=scale.end, y1=y, y2=y, class_="axis")]
    for tick in scale.ticks():
        parts.append(element("line", x1=scale(tick), x2=scale(tick), y1=y, y2=y + 4, class_="axis"))
        parts.append(text(scale(tick), y + 17, f"{tick:g}", anchor="middle"))
    return "".join([*parts, text((scale.start + scale.end) / 2, y + 34, title, anchor="middle")])


def y_axis(scale: Scale, x: float, right: float, title: str) -> str:
    """Faint lines at the ticks, their numbers left of x, and what they are above."""
    parts = [text(x - 40, min(scale.start, scale.end) - 8, title)]
    for tick in scale.ticks(4):
        parts.append(element("line", x1=x, x2=right, y1=scale(tick), y2=scale(tick), class_="grid"))
        parts.append(text(x - 6, scale(tick) + 4, f"{tick:g}", anchor="end"))
    return "".join(parts)


def line(points: Sequence[tuple[float, float]], colour: str) -> str:
    """A line through points in pixels."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=path, fill="none", stroke=colour, stroke_width=1.6)


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
