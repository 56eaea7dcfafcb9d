"""A board is identified by what its system says, and what it does not say is None."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mdda.device import board
from tests import boards


def test_a_raspberry_pi_5(tmp_path: Path) -> None:
    found = board.read(boards.raspberry_pi_5(tmp_path))
    assert (found.model, found.soc, found.processor) == ("Raspberry Pi 5 Model B Rev 1.0", "brcm,bcm2712", "Cortex-A76")
    assert (found.cores, found.kernel, found.system) == (4, "6.6.51+rpt-rpi-2712", "Debian GNU/Linux 12 (bookworm)")
    assert found.clock == board.Clock("ondemand", 1500, 2400, pytest.approx(2400.033792))
    assert found.memory == board.Memory(8062.9, 6720.0, 512.0, 0.0)
    assert found.jetson is None


def test_a_raspberry_pi_4(tmp_path: Path) -> None:
    found = board.read(boards.build(tmp_path, boards.RASPBERRY_PI_4))
    assert (found.model, found.soc, found.processor) == (
        "Raspberry Pi 4 Model B Rev 1.4",
        "brcm,bcm2711",
        "Cortex-A72",
    )
    assert found.clock == board.Clock("ondemand", 600, 1800, 600)
    assert found.system == "Debian GNU/Linux 13 (trixie)"
    assert found.memory.available_mib is None


def test_a_raspberry_pi_zero_2_w(tmp_path: Path) -> None:
    found = board.read(boards.raspberry_pi_zero_2_w(tmp_path))
    assert (found.model, found.soc, found.processor) == ("Raspberry Pi Zero 2 W Rev 1.0", "brcm,bcm2837", "Cortex-A53")
    assert found.clock == board.Clock("performance", None, None, 1000)  # of the fastest core
    assert found.memory.swap_used_mib == 50.0
    assert found.system is None


def test_a_jetson_orin_nano(tmp_path: Path) -> None:
    found = board.read(boards.jetson_orin_nano(tmp_path))
    assert found.model == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert (found.soc, found.processor, found.cores) == ("nvidia,tegra234", "Cortex-A78AE", 6)
    assert found.jetson is not None
    assert (found.jetson.release, found.jetson.power_mode) == ("36.4.7", "25W")


def test_a_pc_has_no_device_tree_but_a_maker(tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: AMD EPYC\n",
        "sys/class/dmi/id/sys_vendor": "Example\n",
        "sys/class/dmi/id/product_name": "Box 2\n",
    }
    found = board.read(boards.build(tmp_path, files))
    assert (found.model, found.soc, found.processor, found.cores) == ("Example Box 2", None, "AMD EPYC", 2)


def test_a_board_that_says_nothing_is_unknown_not_a_crash(tmp_path: Path) -> None:
    found = board.read(boards.build(tmp_path, {}))
    assert [found.model, found.soc, found.processor, found.cores, found.system, found.jetson] == [None] * 6
    assert found.clock == board.Clock(None, None, None, None)
    assert found.memory == board.Memory(None, None, None, None)


@pytest.mark.parametrize(
    "content", ["", "\0\0\0", "\x1b[31m", "processor\nCPU part : zz\nMemTotal: many kB\n", "=" * 5000]
)
def test_damaged_files_are_unknown_not_a_crash(tmp_path: Path, content: str) -> None:
    names = [*boards.RASPBERRY_PI_5, *boards.JETSON_ORIN_NANO, *boards.RASPBERRY_PI_ZERO_2_W]
    commands = dict.fromkeys([*boards.RASPBERRY_PI_5_COMMANDS, *boards.JETSON_ORIN_NANO_COMMANDS], content)
    found = board.read(boards.build(tmp_path, dict.fromkeys(names, content), commands))
    assert found.cores in (None, 1)
    assert (found.clock.now_mhz, found.memory.total_mib, found.jetson) == (None, None, None)


def test_cores_of_several_kinds_and_of_kinds_not_known(tmp_path: Path) -> None:
    mixed = boards.cpuinfo(2, "0xd03") + boards.cpuinfo(2, "0xd08") + boards.cpuinfo(1, "0xfff")
    found = board.read(boards.build(tmp_path, {"proc/cpuinfo": mixed + boards.cpuinfo(1, "0x004", "0x4e")}))
    assert found.processor == "Cortex-A53, Cortex-A72, ARM part 0xfff, 0x4e part 0x004"


def test_versions_are_those_of_what_is_installed() -> None:
    import numpy

    found = board.versions()
    assert found["numpy"] == numpy.__version__
    assert {"python", "edge-mdda", "numba"} <= set(found)
