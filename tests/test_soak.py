"""The short soak: the real service under every fault loses and repeats nothing; and a worse result would be told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tools import soak, soak_house

GOOD: dict[str, Any] = {
    "machine": "a machine",
    "minutes": 1.0,
    "dropped": 3,
    "bad": 1,
    "outcomes": {"reported": 2, "failed": 1},
    "lost": [],
    "repeated": [],
    "kept": 3,
    "faults": {"power cut": 1},
    "recovery_seconds": {"power cut": [1.0, 3.0]},
    "memory": {"early": 200.0, "late": 204.0, "change": 0.02},
}


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, for a clock that can be set")
def test_two_minutes_under_every_fault_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Memory is measured too, but two minutes are too short to tell drift from warming up."""
    result = soak.soak(120, tmp_path, pause=6)
    assert result["lost"] == []
    assert result["repeated"] == []
    faults = {"child killed", "child crashed", "child stopped", "disk full", "disk no longer full", "power cut"}
    assert set(result["faults"]) == faults | {"clock back a day", "clock on a day"}
    assert result["outcomes"]["reported"] >= 10
    assert result["outcomes"]["failed"] > 0  # a half picture with an end is reported, with a warning
    assert sum(result["outcomes"].values()) == result["dropped"]
    assert result["memory"]["late"] > 50
    assert "| lost, repeated | 0, 0 |" in soak.markdown(json.loads(json.dumps(result)))


def test_a_good_result_passes() -> None:
    assert soak.verdict(GOOD) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lost": ["000001.jpg"]}, "expected no image lost, got 1: 000001.jpg"),
        ({"repeated": ["000001.jpg"]}, "expected no image repeated, got 1"),
        ({"kept": 1000}, "expected at most 200 images kept, got 1000"),
        ({"memory": {**GOOD["memory"], "change": 0.06}}, "expected memory flat within 5%, got +6.0%"),
    ],
)
def test_a_bad_result_is_told(change: dict[str, Any], message: str) -> None:
    (wrong,) = soak.verdict({**GOOD, **change})
    assert message in wrong


def test_memory_is_compared_after_the_warm_up() -> None:
    assert soak._drift([50] * 8 + [90, 90, 100, 100, 110, 110, 100, 100])["change"] == pytest.approx(0.1)
    assert soak._drift([50] * 8 + [90, 90, 100, 100, 99, 99, 95, 95])["change"] == pytest.approx(-0.05)


def test_a_report_written_twice_is_found(tmp_path: Path) -> None:
    reports = soak_house.Reports(tmp_path)
    path = tmp_path / "000000.jpg.report.json"
    path.write_text('{"schema": "edge-mdda/report/1"}')
    assert reports.look() == 1
    assert reports.repeated == []
    path.rename(tmp_path / "old")
    path.write_text('{"schema": "edge-mdda/report/1"}')
    reports.look()
    assert reports.repeated == ["000000.jpg"]
    assert reports.lost(2) == ["000001.jpg"]
