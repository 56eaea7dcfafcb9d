"""The growth report: every axis has its base point, the table and the figure show all of it."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", reason="needs the workstation extra")
pytest.importorskip("skimage", reason="needs scikit-image (the benchmark extra)")

from tools import growth


def report():
    spread = {"median": 2.0, "min": 1.0, "max": 4.0}
    return {
        "machine": "this one",
        "rounds": 3,
        "milliseconds": {axis: dict.fromkeys(points, spread) for axis, points in growth.axes().items()},
        "memory_mib": {str(side): side / 64 for side in growth.SIDES},
    }


def test_every_axis_passes_through_its_base_point():
    axes = growth.axes()
    assert str(growth.SIDE) in axes["side, pixels"]
    assert str(growth.EDGE.blocks) in axes["blocks K"]
    assert str(growth.EDGE.iterations) in axes["iterations"]
    assert " ".join(map(str, growth.EDGE.scales)) in axes["scales"]


def test_the_table_gives_time_and_memory_a_pixel():
    text = growth.markdown(report())
    assert "| 64 | 2.00 | 488 | 1.0 | 256 |" in text
    assert "| threads | 1 | 2 | 4 |" in text


def test_the_figure_is_drawn(tmp_path):
    growth.draw(report(), tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_memory_grows_with_the_image():
    assert growth.memory(512) > growth.memory(64) + 7
