"""The journal keeps what is done through cuts, full disks and damage, and stays small."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from edge_mdda.errors import OutputError
from edge_mdda.service import journal
from edge_mdda.service.journal import Entry, Journal

STAMP = (3, 10**18, 10**18 + 1)


def entry(name: str, outcome="reported") -> Entry:
    return Entry(name, "ab" * 32, STAMP, outcome)


def reopened(folder: Path) -> Journal:
    opened = Journal(folder)
    opened.close()
    return opened


def test_entries_are_found_again_the_newest_last(tmp_path: Path) -> None:
    opened = Journal(tmp_path / "made")
    names = ["a.png", "b.png", "no utf-8 \udcff.jpg", "line\nfeed.png"]
    for name in [*names, "a.png"]:
        opened.append(entry(name))
    opened.append(Entry("c.png", None, STAMP, "failed", "expected a readable file, got: Permission denied"))
    opened.append(entry("b.png", "dropped"))
    opened.close()
    found = reopened(tmp_path / "made")
    assert found.entries() == opened.entries()
    assert [item.name for item in found.entries()] == [*names[2:], "a.png", "c.png"]
    assert found["a.png"] == entry("a.png")
    assert found["b.png"] is None
    assert found.damaged == 0


def test_a_line_cut_short_at_any_byte_is_taken_off_and_costs_no_other(memory_folder: Path) -> None:
    opened = Journal(memory_folder)
    opened.append(entry("a.png"))
    opened.close()
    path = memory_folder / "journal.jsonl"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole + whole[:length])
        opened = Journal(memory_folder)
        assert [item.name for item in opened.entries()] == ["a.png"]
        assert path.read_bytes() == whole
        opened.append(entry("b.png"))
        opened.close()
        assert [item.name for item in reopened(memory_folder).entries()] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 40,
        b"{}",
        b"[1]",
        b'{"name": 1, "sha256": null, "stamp": [1, 2, 3], "outcome": "failed", "reason": null}',
        b'{"name": "x", "sha256": null, "stamp": [1, 2], "outcome": "failed", "reason": null}',
    ],
)
def test_a_damaged_line_is_passed_over_and_counted(tmp_path: Path, damage: bytes) -> None:
    opened = Journal(tmp_path)
    opened.append(entry("a.png"))
    opened.close()
    path = tmp_path / "journal.jsonl"
    path.write_bytes(damage + b"\n" + path.read_bytes())
    found = reopened(tmp_path)
    assert [item.name for item in found.entries()] == ["a.png"]
    assert found.damaged == 1


def test_only_one_process_at_a_time_has_it(tmp_path: Path) -> None:
    opened = Journal(tmp_path)
    with pytest.raises(OutputError, match=r"expected one process at a time in .*, got another at work"):
        Journal(tmp_path)
    opened.close()
    reopened(tmp_path)


def test_a_full_disk_leaves_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Journal(tmp_path)
    opened.append(entry("a.png"))
    before = (tmp_path / "journal.jsonl").read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: real(handle, content[:10]))
    with pytest.raises(OutputError, match="No space left on device"):
        opened.append(entry("b.png"))
    monkeypatch.undo()

    def fail(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="Input/output error"):
        opened.append(entry("b.png"))
    monkeypatch.undo()
    assert (tmp_path / "journal.jsonl").read_bytes() == before
    assert opened["b.png"] is None
    opened.append(entry("b.png"))
    opened.close()
    assert len(reopened(tmp_path).entries()) == 2


def test_lines_that_no_longer_count_are_cleared_away(memory_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_SUPERFLUOUS", 10)
    opened = Journal(memory_folder)
    for number in range(100):
        opened.append(entry(f"{number}.png"))
        if number >= 5:
            opened.append(entry(f"{number - 5}.png", "dropped"))
    opened.close()
    lines = (memory_folder / "journal.jsonl").read_text().splitlines()
    assert len(lines) <= 2 * 5 + 10 + 1
    assert [item.name for item in reopened(memory_folder).entries()] == [f"{number}.png" for number in range(95, 100)]


def test_a_line_is_what_the_docstring_says(tmp_path: Path) -> None:
    opened = Journal(tmp_path)
    opened.append(entry("a.png"))
    opened.close()
    (line,) = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert set(json.loads(line)) == {"name", "sha256", "stamp", "outcome", "reason", "time"}
