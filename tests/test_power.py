"""Power is read from what a board has, and it says what that is the power of."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mdda.device import power
from tests import boards


def test_the_input_of_a_jetson_module(tmp_path: Path) -> None:
    found = power.read(boards.jetson_orin_nano(tmp_path))
    assert found is not None
    assert found.watts == pytest.approx(4.984 * 1.120)
    assert found.scope == "module input, VDD_IN"
    assert set(found.rails) == {"VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"}  # not the shunts, nor their sum


def test_the_rails_of_a_raspberry_pi_5(tmp_path: Path) -> None:
    found = power.read(boards.raspberry_pi_5(tmp_path))
    assert found is not None
    assert found.watts == pytest.approx(sum(found.rails.values()))
    assert 2.5 < found.watts < 3.5
    assert "without its losses" in found.scope


def test_a_meter_on_a_hat(tmp_path: Path) -> None:
    files = {"sys/class/hwmon/hwmon2/name": "ina219\n", "sys/class/hwmon/hwmon2/power1_input": "3820000\n"}
    found = power.read(boards.build(tmp_path, files))
    assert found == power.Power(pytest.approx(3.82), "sum of ina219", {"ina219": pytest.approx(3.82)})


def test_an_input_that_is_not_connected_or_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    files = {
        **boards.JETSON_ORIN_NANO,
        "sys/class/hwmon/hwmon1/in2_label": "NC",
        "sys/class/hwmon/hwmon1/curr3_input": "",
    }
    found = power.read(boards.build(tmp_path, files))
    assert found is not None
    assert set(found.rails) == {"VDD_IN"}


def test_a_board_without_a_meter(tmp_path: Path) -> None:
    assert power.read(boards.raspberry_pi_zero_2_w(tmp_path)) is None
