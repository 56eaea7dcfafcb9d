"""The systemd units are valid and hardened, as far as the JIT compiler lets them be."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edge_mdda.server.limits import SIGN_OF_LIFE
from edge_mdda.service.supervisor import DEADLINE
from tools import hardening

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (apt install systemd)"),
]


UNITS = pytest.mark.parametrize("unit", [hardening.WATCH, hardening.SERVE], ids=lambda unit: unit.stem)


def setting(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


@UNITS
def test_the_units_are_valid(unit: Path) -> None:
    assert hardening.verify(unit) == ""


def test_no_unit_is_forgotten() -> None:
    assert set(hardening.UNITS.glob("*.service")) == {hardening.WATCH, hardening.SERVE}


def test_a_mistake_in_a_unit_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / hardening.WATCH.name
    wrong.write_text(hardening.WATCH.read_text().replace("Restart=always", "Restart=sometimes"))
    assert "sometimes" in hardening.verify(wrong)


@pytest.mark.parametrize(("unit", "most"), [(hardening.WATCH, 0.5), (hardening.SERVE, 1.5)])
def test_the_units_are_hardened_and_a_bare_one_would_not_pass(tmp_path: Path, unit: Path, most: float) -> None:
    level, left = hardening.exposure(unit)
    assert level <= most
    assert "MemoryDenyWriteExecute=" in {name for name, _, _ in left}
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert hardening.exposure(bare)[0] > 9


def test_the_unit_waits_as_long_as_the_program_may_take() -> None:
    (watchdog,), (stop,) = setting(hardening.WATCH, "WatchdogSec"), setting(hardening.WATCH, "TimeoutStopSec")
    assert int(watchdog) >= 2 * DEADLINE
    assert int(stop) > 2 * DEADLINE
    # An image is finished at the end, or tried once more; the signs of life come whatever an image does.
    (watchdog,), (stop,) = setting(hardening.SERVE, "WatchdogSec"), setting(hardening.SERVE, "TimeoutStopSec")
    assert int(watchdog) >= 4 * SIGN_OF_LIFE
    assert int(stop) > 2 * DEADLINE


@UNITS
def test_the_units_let_the_compiler_and_the_watchdog_work(unit: Path) -> None:
    assert setting(unit, "MemoryDenyWriteExecute") == []
    assert setting(unit, "ProcSubset") == []  # the runtime reads /proc/cpuinfo
    assert setting(unit, "Type") == ["notify"]
    assert "AF_UNIX" in setting(unit, "RestrictAddressFamilies")[0]


def test_only_the_one_that_serves_has_a_network_and_it_ends_at_this_machine() -> None:
    assert setting(hardening.WATCH, "PrivateNetwork") == ["yes"]
    assert setting(hardening.SERVE, "PrivateNetwork") == []
    assert setting(hardening.SERVE, "IPAddressDeny") == ["any"]
    assert setting(hardening.SERVE, "IPAddressAllow") == ["localhost"]


@UNITS
def test_the_page_names_what_is_left_open(unit: Path) -> None:
    assert "`MemoryDenyWriteExecute=`" in hardening.markdown(unit)
