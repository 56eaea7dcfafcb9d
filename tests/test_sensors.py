"""What changes while a board works, read on recorded boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mdda.device import sensors
from edge_mdda.device.sensors import Reading, Sensors
from edge_mdda.device.system import System
from edge_mdda.device.watch import Watch
from tests import boards


def test_a_raspberry_pi_5_that_is_well(tmp_path: Path) -> None:
    found = Sensors(boards.raspberry_pi_5(tmp_path)).read()
    assert found == Reading(pytest.approx(2400.033792), 58.4, pytest.approx(2.92, abs=0.4), ())


def test_a_raspberry_pi_with_too_low_a_voltage(tmp_path: Path) -> None:
    found = Sensors(boards.raspberry_pi_zero_2_w(tmp_path)).read()
    assert found == Reading(1000, 81.121, None, ("under-voltage", "throttled"))


def test_the_hottest_spot_of_a_jetson_and_no_fan_among_what_slows_it(tmp_path: Path) -> None:
    found = Sensors(boards.jetson_orin_nano(tmp_path)).read()
    assert (found.clock_mhz, found.temperature_c, found.flags) == (1344, 51.312, ())


def test_an_alert_and_new_over_current_events_of_a_jetson_are_flags(tmp_path: Path) -> None:
    system = boards.jetson_orin_nano(tmp_path)
    watched = Sensors(system)
    (tmp_path / "sys/class/thermal/cooling_device8/cur_state").write_text("1\n")
    (tmp_path / "sys/class/hwmon/hwmon3/oc3_event_cnt").write_text("38\n")
    assert watched.read().flags == ("cooling: cpu-throttle-alert", "over-current")
    assert watched.read().flags == ("cooling: cpu-throttle-alert",)  # events count once


def test_a_board_that_tells_nothing(tmp_path: Path) -> None:
    assert Sensors(System(tmp_path, lambda command: None)).read() == Reading(None, None, None, None)


def test_zones_without_a_known_name_or_asleep(tmp_path: Path) -> None:
    files = {
        "sys/class/thermal/thermal_zone0/type": "acpitz\n",
        "sys/class/thermal/thermal_zone0/temp": "27800\n",
        "sys/class/thermal/thermal_zone1/type": "other\n",
        "sys/class/thermal/thermal_zone1/temp": "45000\n",
        "sys/class/thermal/thermal_zone2/type": "cv0-thermal\n",  # its file cannot be read while it sleeps
    }
    assert sensors.temperature_c(boards.build(tmp_path, files)) == 45


def test_a_watch_reads_while_the_work_goes_on(tmp_path: Path) -> None:
    with Watch(Sensors(boards.jetson_orin_nano(tmp_path)), interval=0.001) as watch:
        while len(watch.readings) < 3:
            pass
    times = [at for at, _ in watch.readings]
    assert times == sorted(times)
    assert watch.mean_watts() == pytest.approx(4.984 * 1.120)
    with Watch(Sensors(System(tmp_path / "nothing", lambda command: None))) as watch:
        pass
    assert watch.mean_watts() is None
