"""What the firmware of a Raspberry Pi says, in the formats of its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mdda.device import raspberry_pi
from edge_mdda.device.raspberry_pi import Throttling
from tests import boards

ASK = ("vcgencmd", "get_throttled")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("throttled=0x0\n", Throttling((), ())),
        ("throttled=0x50000\n", Throttling((), ("under-voltage", "throttled"))),
        ("throttled=0x50005\n", Throttling(("under-voltage", "throttled"), ("under-voltage", "throttled"))),
        ("throttled=0x60002\n", Throttling(("frequency capped",), ("frequency capped", "throttled"))),
        ("throttled=0x80008\n", Throttling(("soft temperature limit",), ("soft temperature limit",))),
        ('error=1 error_msg="Command not registered"\n', None),
        ("VCHI initialization failed\n", None),
        ("throttled=\n", None),
    ],
)
def test_throttle_bits_of_the_command(tmp_path: Path, answer: str, expected: Throttling | None) -> None:
    assert raspberry_pi.throttling(boards.build(tmp_path, {}, {ASK: answer})) == expected


@pytest.mark.parametrize("folder", ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"])
def test_the_kernels_file_comes_first_hexadecimal_without_a_prefix(tmp_path: Path, folder: str) -> None:
    files = {f"sys/devices/platform/{folder}/get_throttled": "80008\n"}
    found = raspberry_pi.throttling(boards.build(tmp_path, files, {ASK: "throttled=0x0\n"}))
    assert found == Throttling(("soft temperature limit",), ("soft temperature limit",))


@pytest.mark.parametrize(("alarm", "now"), [("0", ()), ("1", ("under-voltage",))])
def test_the_voltage_alarm_where_nothing_else_is_told(tmp_path: Path, alarm: str, now: tuple[str, ...]) -> None:
    files = {
        "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
        "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
        "sys/class/hwmon/hwmon1/in0_lcrit_alarm": f"{alarm}\n",
    }
    assert raspberry_pi.throttling(boards.build(tmp_path, files)) == Throttling(now, ())


def test_other_boards_have_no_throttle_bits(tmp_path: Path) -> None:
    assert raspberry_pi.throttling(boards.jetson_orin_nano(tmp_path)) is None


def test_the_clock_is_the_measured_one_not_the_one_asked_for(tmp_path: Path) -> None:
    files = {"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n"}
    commands = {("vcgencmd", "measure_clock", "arm"): "frequency(48)=1141118000\n"}
    assert raspberry_pi.clock_mhz(boards.build(tmp_path, files, commands)) == pytest.approx(1141.118)


def test_the_rails_of_the_power_chip_are_those_with_current_and_voltage(tmp_path: Path) -> None:
    rails = raspberry_pi.rails(boards.raspberry_pi_5(tmp_path))
    assert rails["VDD_CORE"] == pytest.approx(1.42880000 * 0.90659250)
    assert len(rails) == 12
    assert not {"EXT5V", "BATT"} & set(rails)
