"""The systemd units are valid and hardened, as far as the JIT compiler lets them be."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edge_mdda.service.supervisor import DEADLINE
from tools import hardening

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (apt install systemd)"),
]


def setting(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", hardening.WATCH.read_text(), re.MULTILINE)


def test_the_unit_is_valid() -> None:
    assert hardening.verify(hardening.WATCH) == ""


def test_a_mistake_in_a_unit_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / hardening.WATCH.name
    wrong.write_text(hardening.WATCH.read_text().replace("Restart=always", "Restart=sometimes"))
    assert "sometimes" in hardening.verify(wrong)


def test_the_unit_is_hardened_and_a_bare_one_would_not_pass(tmp_path: Path) -> None:
    level, left = hardening.exposure(hardening.WATCH)
    assert level <= 0.5
    assert "MemoryDenyWriteExecute=" in {name for name, _, _ in left}
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert hardening.exposure(bare)[0] > 9


def test_the_unit_waits_as_long_as_the_program_may_take() -> None:
    (watchdog,), (stop,) = setting("WatchdogSec"), setting("TimeoutStopSec")
    assert int(watchdog) >= 2 * DEADLINE
    assert int(stop) > 2 * DEADLINE


def test_the_unit_lets_the_compiler_and_the_watchdog_work() -> None:
    assert setting("MemoryDenyWriteExecute") == []
    assert setting("ProcSubset") == []  # the runtime reads /proc/cpuinfo
    assert setting("Type") == ["notify"]
    assert "AF_UNIX" in setting("RestrictAddressFamilies")[0]


def test_the_page_names_what_is_left_open() -> None:
    assert "`MemoryDenyWriteExecute=`" in hardening.markdown()
