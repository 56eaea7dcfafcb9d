"""Results and errors reach the right stream, whole lines at a time, and native libraries keep quiet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_mdda import image, terminal
from edge_mdda.errors import OutputError
from tests.conftest import draw


def test_an_error_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.complain("a\n b\x1b[2J\tc \udcff")
    assert capsys.readouterr().err == "edge-mdda: a b\\x1b[2J c \\udcff\n"


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    terminal.complain("nobody hears")
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="expected an open standard output, got a closed one"):
        terminal.say("nobody reads")


def test_a_full_disk_under_the_log_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        terminal.complain("nobody reads")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space left"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # for closing it not to fail as well


def test_without_a_terminal_there_is_no_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(terminal.progress([1, 2, 3], wide=False)) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


class TestNativeMessages:
    def test_what_is_written_to_descriptor_2_is_held(self, capfd: pytest.CaptureFixture[str]) -> None:
        with terminal.native_messages() as lines:
            os.write(2, b"INFO: hello\nCorrupt JPEG data\n")
            assert lines == []
        assert lines == ["INFO: hello", "Corrupt JPEG data"]
        os.write(2, b"after\n")
        assert capfd.readouterr().err == "after\n"

    def test_an_error_inside_passes_and_gives_the_stream_back(self, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(ValueError, match="inside"), terminal.native_messages():
            raise ValueError("inside")
        os.write(2, b"after\n")
        assert capfd.readouterr().err == "after\n"

    def test_no_descriptor_is_left_open(self) -> None:
        before = set(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with terminal.native_messages():
                pass
        assert set(os.listdir("/proc/self/fd")) == before


def test_a_warning_of_libjpeg_becomes_a_line_with_the_images_name(tmp_path: Path) -> None:
    """Bytes that do not belong there are skipped by libjpeg, which says so on descriptor 2 and nowhere else."""
    whole = image.encode_jpeg(image.to_uint8(draw(64, 64)))
    scan = whole.index(b"\xff\xda")
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(whole[: scan + 40] + b"\xff\xd3" + whole[scan + 40 :])
    command = [sys.executable, "-m", "edge_mdda", "classify", "--no-purify", "--json", str(damaged)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1])
    assert process.returncode == 0
    assert all(line.startswith(f"edge-mdda: {damaged}: warning: ") for line in process.stderr.splitlines())
    assert process.stderr
