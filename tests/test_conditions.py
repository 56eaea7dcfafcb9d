"""What makes a board slower than it could be is found, each with its mend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_mdda.device import board, conditions
from edge_mdda.device.system import System
from tests import boards


def found(system: System, **changes: object) -> list[tuple[str, bool, str]]:
    known = replace(board.read(system), **changes)  # type: ignore[arg-type]
    return [(condition.about, condition.grave, condition.found) for condition in conditions.find(system, known)]


def test_a_raspberry_pi_5_with_a_governor_that_saves(tmp_path: Path) -> None:
    assert found(boards.raspberry_pi_5(tmp_path)) == [("clock", False, "the governor is ondemand, not performance")]


def test_a_raspberry_pi_with_too_low_a_voltage_hot_and_swapping(tmp_path: Path) -> None:
    assert found(boards.raspberry_pi_zero_2_w(tmp_path)) == [
        ("power", True, "under-voltage now"),
        ("power", True, "throttled now"),
        ("temperature", True, "81 °C"),
        ("memory", False, "50 MiB of swap in use"),
    ]


def test_bits_of_the_past_are_less_grave(tmp_path: Path) -> None:
    commands = {**boards.RASPBERRY_PI_5_COMMANDS, ("vcgencmd", "get_throttled"): "throttled=0x50000\n"}
    system = boards.build(tmp_path, boards.RASPBERRY_PI_5, commands)
    assert ("power", False, "under-voltage since it started") in found(system)


def test_a_jetson_in_a_saving_power_mode_with_free_clocks(tmp_path: Path) -> None:
    assert found(boards.jetson_orin_nano(tmp_path)) == [
        ("clock", False, "the governor is schedutil, not performance"),
        ("clock", False, "the power mode is 25W"),
    ]


def test_a_jetson_with_locked_clocks_and_no_limit_is_well(tmp_path: Path) -> None:
    commands = {
        ("nvpmodel", "-q"): "NV Power Mode: MAXN_SUPER\n2\n",
        ("jetson_clocks", "--show"): boards.JETSON_CLOCKS.replace("MinFreq=729600", "MinFreq=1344000"),
    }
    assert found(boards.build(tmp_path, boards.JETSON_ORIN_NANO, commands)) == []


def test_a_jetson_that_is_slowed_by_heat(tmp_path: Path) -> None:
    files = {**boards.JETSON_ORIN_NANO, "sys/class/thermal/cooling_device0/cur_state": "4\n"}
    assert ("temperature", True, "slowed down by cooling: cpufreq-cpu0") in found(boards.build(tmp_path, files))


def test_a_jetson_bears_more_heat_than_a_raspberry_pi(tmp_path: Path) -> None:
    files = {**boards.JETSON_ORIN_NANO, "sys/class/thermal/thermal_zone8/temp": "85000\n"}
    assert "temperature" not in {about for about, _, _ in found(boards.build(tmp_path / "warm", files))}
    files["sys/class/thermal/thermal_zone8/temp"] = "97000\n"
    assert ("temperature", True, "97 °C") in found(boards.build(tmp_path / "hot", files))


def test_a_board_that_tells_nothing_is_not_blamed(tmp_path: Path) -> None:
    assert found(System(tmp_path, lambda command: None)) == []


@pytest.mark.parametrize(("busy", "expected"), [(None, 0), (0.02, 0), (0.5, 1)])
def test_other_load(busy: float | None, expected: int) -> None:
    assert len(conditions.load(busy)) == expected


def test_the_busy_part_of_all_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = boards.build(tmp_path, {"proc/stat": "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 100 0 50 800 50 0 0 0 0 0\n"})
    later = "cpu  130 0 70 840 60 0 0 0 0 0\n"
    monkeypatch.setattr(conditions.time, "sleep", lambda seconds: (tmp_path / "proc/stat").write_text(later))
    assert conditions.busy_part(system) == pytest.approx(0.5)  # 50 of 100 jiffies
    assert conditions.busy_part(System(tmp_path / "nothing")) is None
