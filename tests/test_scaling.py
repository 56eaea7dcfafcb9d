"""What is said of a batch's scaling is what was measured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.workstation
for library in ("foolbox", "matplotlib", "skimage"):
    pytest.importorskip(library, reason="needs the workstation extra")

from edge_mdda import image  # noqa: E402
from tools import scaling  # noqa: E402


def spread(median: float) -> dict[str, float]:
    return {"min": median - 1, "median": median, "max": median + 1}


REPORT = {
    "machine": "a machine",
    "cores": 2,
    "load": 0.5,
    "images": 300,
    "rounds": 3,
    "workers": {
        str(count): {"images a second": spread(rate), "start, s": spread(2.0), "total, s": spread(9.0)}
        for count, rate in ((1, 20.0), (2, 36.0), (4, 37.0))
    },
}


def test_the_table_holds_rates_and_gains() -> None:
    lines = scaling.markdown(REPORT).splitlines()
    assert lines[0].startswith("a machine, of which 2 could be used, with a load of 0.5 before; 300 images")
    assert lines[-2:] == ["| 2 | 36.0 (35.0–37.0) | 1.80 | 2.0 | 9.0 |", "| 4 | 37.0 (36.0–38.0) | 1.85 | 2.0 | 9.0 |"]


def test_the_figure_is_drawn_the_same_each_time() -> None:
    drawn = scaling.draw(REPORT)
    assert image.decode(drawn).shape == (400, 600, 3)
    assert drawn == scaling.draw(REPORT)


def test_a_run_is_measured_by_the_times_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> None:
        assert command[-2:] == ["--workers", "2"]
        out = Path(command[command.index("batch") + 2])
        out.mkdir()
        for number in range(11):
            path = out / f"{number}.png"
            path.touch()
            os.utime(path, (1000 + number / 4, 1000 + number / 4))

    monkeypatch.setattr(scaling.subprocess, "run", run)
    monkeypatch.setattr(scaling.time, "time", lambda: 998.5)
    found = scaling.measure(tmp_path, 2)
    assert found["images a second"] == pytest.approx(4)
    assert found["start, s"] == pytest.approx(1.5)


def test_as_many_images_are_drawn_as_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "DRAWN", 2)
    monkeypatch.setattr(scaling, "SIDE", 48)
    scaling.draw_images(tmp_path, 5)
    contents = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert len(contents) == 5
    assert len(set(contents)) == 2
