"""A file counts as arrived when it is complete, not before, whatever the clock says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edge_mdda import image
from edge_mdda.errors import OutputError
from edge_mdda.service.arrivals import Arrivals
from tests.program import PICTURE

PNG, JPEG = image.encode_png(PICTURE), image.encode_jpeg(PICTURE)


class Clock:
    """The monotonic clock, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def names(arrivals: Arrivals) -> list[str]:
    return [arrival.name for arrival in arrivals.complete(arrivals.names())]


@pytest.mark.parametrize(("name", "content"), [("a.png", PNG), ("A.JPG", JPEG), ("a.jpeg", JPEG + bytes(512))])
def test_a_whole_file_has_arrived_after_a_moment_without_change(
    tmp_path: Path, clock: Clock, name: str, content: bytes
) -> None:
    arrivals = Arrivals(tmp_path, settle=0.5, patience=30)
    (tmp_path / name).write_bytes(content)
    assert names(arrivals) == []
    clock.now += 0.5
    assert names(arrivals) == [name]


@pytest.mark.parametrize(
    "content",
    [b"", PNG[:-1], JPEG[:-1], JPEG[:100] + bytes(5000), bytes(5000)],
    ids=["empty", "PNG", "JPEG", "JPEG in space set aside", "space set aside"],
)
def test_a_part_is_left_alone_until_patience_ends(tmp_path: Path, clock: Clock, content: bytes) -> None:
    arrivals = Arrivals(tmp_path, settle=0.5, patience=30)
    (tmp_path / "a.png").write_bytes(content)
    assert names(arrivals) == []
    clock.now += 29
    assert names(arrivals) == []
    clock.now += 1
    assert names(arrivals) == ["a.png"]


def test_a_file_that_grows_slowly_is_taken_when_it_is_whole(tmp_path: Path, clock: Clock) -> None:
    arrivals = Arrivals(tmp_path, settle=0.5, patience=30)
    with (tmp_path / "a.png").open("wb", buffering=0) as file:
        for start in range(0, len(PNG), 500):
            file.write(PNG[start : start + 500])
            assert names(arrivals) == []
            clock.now += 25
            whole = start + 500 >= len(PNG)
            assert names(arrivals) == (["a.png"] if whole else [])


def test_each_change_starts_the_wait_anew(tmp_path: Path, clock: Clock) -> None:
    arrivals = Arrivals(tmp_path, settle=0.5, patience=30)
    (tmp_path / "a.png").write_bytes(PNG)
    assert names(arrivals) == []
    clock.now += 0.4
    (tmp_path / "a.png").write_bytes(PNG + PNG)
    assert names(arrivals) == []
    clock.now += 0.4
    assert names(arrivals) == []
    clock.now += 0.1
    assert names(arrivals) == ["a.png"]


def test_the_clock_of_the_wall_may_jump(tmp_path: Path, clock: Clock) -> None:
    arrivals = Arrivals(tmp_path, settle=0.5, patience=30)
    for name, when in (("past.png", 0), ("future.png", 2**32), ("a.png", None)):
        (tmp_path / name).write_bytes(PNG)
        if when is not None:
            os.utime(tmp_path / name, (when, when))
    assert names(arrivals) == []
    clock.now += 0.5
    assert names(arrivals) == ["past.png", "a.png", "future.png"]


def test_first_come_first_served(tmp_path: Path, clock: Clock) -> None:
    arrivals = Arrivals(tmp_path, settle=0.5, patience=30)
    for name in ("z.png", "m.png", "a.png"):
        (tmp_path / name).write_bytes(PNG)
        names(arrivals)
    clock.now += 1
    assert names(arrivals) == ["z.png", "m.png", "a.png"]


def test_what_is_no_image_is_not_looked_at(tmp_path: Path, clock: Clock) -> None:
    arrivals = Arrivals(tmp_path, settle=0.5, patience=30)
    for name in ("a.png.part", ".a.png", "a.txt", "a.png.figure.png", "a.png.report.json", "a.gif"):
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "missing")
    assert arrivals.names() == {}


def test_another_image_of_the_same_name_is_not_deleted(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / "a.png").write_bytes(PNG)
    stamp = arrivals.names()["a.png"]
    (tmp_path / "a.png").write_bytes(PNG + PNG)
    arrivals.remove("a.png", stamp)
    assert (tmp_path / "a.png").exists()
    arrivals.remove("a.png", arrivals.names()["a.png"])
    assert not (tmp_path / "a.png").exists()
    arrivals.remove("a.png", stamp)


def test_an_image_that_cannot_be_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / "a.png").write_bytes(PNG)
    stamp = arrivals.names()["a.png"]

    def fail(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(OutputError, match=r"expected to delete .*a.png, got: Read-only file system"):
        arrivals.remove("a.png", stamp)
