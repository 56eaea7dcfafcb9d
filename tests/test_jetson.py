"""What a Jetson says of itself, in the formats it was recorded in."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mdda.device import jetson
from tests import boards

LOCKED = boards.JETSON_CLOCKS.replace("MinFreq=729600", "MinFreq=1344000")
VERBOSE = """\
NVPM VERB: Config file: /etc/nvpmodel.conf
NVPM VERB: parsing done for /etc/nvpmodel.conf
NV Fan Mode:quiet
NVPM VERB: Current mode: NV Power Mode: MODE_15W_6CORE
2
"""


def test_release_power_mode_and_clocks(tmp_path: Path) -> None:
    assert jetson.read(boards.jetson_orin_nano(tmp_path)) == jetson.Jetson("36.4.7", "25W", False)


def test_clocks_are_locked_where_lowest_and_highest_are_the_same(tmp_path: Path) -> None:
    system = boards.build(tmp_path, boards.JETSON_ORIN_NANO, {("jetson_clocks", "--show"): LOCKED})
    found = jetson.read(system)
    assert found is not None
    assert (found.clocks_locked, found.power_mode) == (True, None)


def test_a_core_that_is_off_does_not_count(tmp_path: Path) -> None:
    off = LOCKED + "cpu5:  Online=0 Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=729600 IdleStates:\n"
    found = jetson.read(boards.build(tmp_path, boards.JETSON_ORIN_NANO, {("jetson_clocks", "--show"): off}))
    assert found is not None
    assert found.clocks_locked is True


@pytest.mark.parametrize(("lowest", "locked"), [("729600", False), ("1344000", True)])
def test_without_root_the_limits_of_cpufreq_tell_whether_clocks_are_locked(
    tmp_path: Path, lowest: str, locked: bool
) -> None:
    files = {**boards.JETSON_ORIN_NANO, "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": lowest}
    found = jetson.read(boards.build(tmp_path, files))
    assert found is not None
    assert found.clocks_locked is locked


def test_the_verbose_answer_of_nvpmodel_is_understood_too(tmp_path: Path) -> None:
    found = jetson.read(boards.build(tmp_path, boards.JETSON_ORIN_NANO, {("nvpmodel", "-q"): VERBOSE}))
    assert found is not None
    assert found.power_mode == "MODE_15W_6CORE"


def test_other_boards_are_no_jetson(tmp_path: Path) -> None:
    assert jetson.read(boards.raspberry_pi_5(tmp_path)) is None


def test_over_current_events_are_summed(tmp_path: Path) -> None:
    assert jetson.over_current_events(boards.jetson_orin_nano(tmp_path / "jetson")) == 52
    assert jetson.over_current_events(boards.raspberry_pi_5(tmp_path / "pi")) is None
