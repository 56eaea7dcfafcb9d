"""Files and commands that are not there, fail or hang are None, whatever is read."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from edge_mdda.device import system
from edge_mdda.device.system import System


def test_a_file_is_read_without_what_the_kernel_puts_around_it(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"Raspberry Pi 5\0")
    (tmp_path / "binary").write_bytes(b"\xff\xfe 12 \n")
    assert System(tmp_path).read("/model") == "Raspberry Pi 5"
    assert System(tmp_path).read("binary") == "\ufffd\ufffd 12"


def test_what_is_not_there_or_no_number_is_none(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("not a number")
    (tmp_path / "infinite").write_text("inf\n")
    (tmp_path / "folder").mkdir()
    looked = System(tmp_path)
    assert [looked.read(name) for name in ("missing", "folder")] == [None] * 2
    assert [looked.number(name) for name in ("words", "missing", "infinite")] == [None] * 3


def test_paths_with_numbers_come_in_their_order(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        (tmp_path / f"cpu{number}").touch()
    assert System(tmp_path).glob("cpu*") == ["/cpu0", "/cpu2", "/cpu10"]


def test_commands_that_are_missing_or_fail_are_none() -> None:
    assert system.run(["no-such-command-anywhere"]) is None
    assert system.run([sys.executable, "-c", "print('said'); raise SystemExit(1)"]) is None
    assert system.run([sys.executable, "-c", "print('said')"]) == "said\n"


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "TIMEOUT", 0.2)
    start = time.perf_counter()
    assert system.run(["sleep", "30"]) is None
    assert time.perf_counter() - start < 10
