"""The page is one file that a browser shows whole, whatever names a board or a model has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edge_mdda import html, svg
from edge_mdda.device import charts, page
from edge_mdda.device.endurance import judge
from tests import chromium, profiles
from tests.test_endurance import hot_after_100, line

HOSTILE = "<script>document.title = 'attacked'</script>\"'&</table>"


def hot() -> dict[str, Any]:
    """A profile with a long run on a board that gets hot, and with hostile names."""
    found = profiles.measured()
    points = line(200, hot_after_100)
    found["long_run"] = {
        "minutes": 200 / 60,
        "threads": 1,
        "images": len(points),
        "points": [point.to_dict() for point in points],
        **judge(points),
    }
    found["long_run"]["throttled"][0]["reasons"] = [HOSTILE]
    found["board"].update(model=f"Board {HOSTILE}", system=None)
    found["model"]["name"] = HOSTILE
    found["conditions"] = [{"about": "power", "grave": True, "found": HOSTILE, "mend": HOSTILE}]
    return found


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    text = page.to_html(hot())
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|https?://|//[a-z]", text, re.IGNORECASE)
    assert not re.search(r"<[^>]*\son\w+=", text)
    assert "default-src 'none'" in text


@chromium.needed
def test_a_browser_shows_every_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "profile.html"
    file.write_text(page.to_html(hot()))
    document, pixels = chromium.shown(file)
    assert "<title>edge-mdda profile: Board &lt;script&gt;" in document  # the script did not run
    for words in (
        "Where the time of an image goes",
        "Steady state",
        "Long run",
        "Model",
        "throttled for 100 s",
        "unknown",
    ):
        assert words in document
    assert document.count("<svg") == 3
    assert document.count("<table") == document.count("</table>")
    # The drawings are in the picture: their colours, among them the shade over the throttled stretch.
    seen = {tuple(colour) for colour in pixels.reshape(-1, 3)[::7].tolist()}
    for colour in (charts.COLOUR["raw_inference"], charts.COLOUR["purified_inference"], svg.COLOURS[0]):
        assert tuple(bytes.fromhex(colour[1:])) in seen
    shade = [round(255 + 0.18 * (channel - 255)) for channel in bytes.fromhex("d55e00")]
    assert any(max(abs(a - b) for a, b in zip(colour, shade, strict=True)) <= 2 for colour in seen)


def test_what_is_not_known_is_called_unknown() -> None:
    found = profiles.measured()
    found["board"].update(model=None, soc=None, processor=None)
    found["model"]["operators"] = found["litert_benchmark"] = None
    text = page.to_html(found)
    assert text.count("<td>unknown</td>") >= 3
    assert "Operators unknown" in text
    assert "board: unknown" in page.to_lines(found)


def test_a_chart_says_what_the_board_does_not_tell() -> None:
    points = [point.to_dict() for point in line(5, hot_after_100)]
    drawn = charts.long_run({"minutes": 0.1, "points": [{**of, "clock_mhz": None} for of in points], "throttled": None})
    assert "clock, MHz: unknown on this board" in drawn
    assert "temperature, °C: unknown" not in drawn


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.2, 0.21), (58, 81), (0, 123456), (-5, 5), (3, 3)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = svg.Scale(low, high, 0, 100).ticks()
    assert 1 <= len(ticks) <= 11
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)


def test_tables_escape_text_and_align_numbers() -> None:
    made = html.table(("a", "b"), [("<b>", 1.5), (None, 2)])
    assert "<td>&lt;b&gt;</td>" in made
    assert '<td class="number">1.50</td>' in made
    assert "<td>unknown</td>" in made
