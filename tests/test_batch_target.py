"""The folder of results keeps what is done through kills at every step, and writes over nothing of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_mdda.batch.target import LEDGER, STATE, Target
from edge_mdda.errors import OutputError, ParameterError
from tests.kills import killed_at

RUN: dict[str, Any] = {"seed": 0, "settings": {"scales": (-1, 0), "sigma": 0.1}}
REPORT = {"seed": 1}
STAMP = (3, 4, 5)


def test_what_is_done_is_known_again(tmp_path: Path) -> None:
    target = Target(tmp_path / "out", RUN)
    target.keep("a/b.png", "aa", STAMP, REPORT, b"picture")
    target.fail("c.png", None, ("ImageError", "unreadable"))
    target.close()
    again = Target(tmp_path / "out", RUN)
    again.close()
    assert (tmp_path / "out" / "purified" / "a" / "b.png.png").read_bytes() == b"picture"
    assert again.is_done("a/b.png", stamp=STAMP)
    assert again.is_done("a/b.png", sha256="aa")
    assert not again.is_done("a/b.png", stamp=(3, 4, 6))
    assert not again.is_done("a/b.png", sha256="bb")
    assert not again.is_done("c.png", stamp=STAMP)
    assert again.entries["c.png"]["error"] == ["ImageError", "unreadable"]
    (tmp_path / "out" / "purified" / "a" / "b.png.png").unlink()
    assert not again.is_done("a/b.png", stamp=STAMP)


def test_killed_at_any_step_it_goes_on_to_the_same_result(memory_folder: Path) -> None:
    def work(folder: Path) -> None:
        target = Target(folder, RUN)
        for name, content in (("a.png", b"1"), ("sub/b.png", b"2")):
            if not target.is_done(name, stamp=STAMP):
                target.keep(name, content.hex(), STAMP, REPORT, content)
        target.put("results.csv", b"table")
        target.put("results.csv", b"another")
        target.close()

    def content(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file() and STATE not in path.parts)
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    work(memory_folder / "whole")
    step = 0
    while True:
        folder = memory_folder / str(step)
        if not killed_at(step, lambda to=folder: work(to)):  # type: ignore[misc]
            break
        work(folder)
        assert content(folder) == content(memory_folder / "whole"), step
        step += 1
    assert step > 20


class TestFilesOfOthers:
    def test_a_folder_with_anything_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("mine")
        with pytest.raises(ParameterError, match=r"new, empty or of an earlier run, got one with thesis\.tex in it"):
            Target(tmp_path, RUN)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_file_in_the_way_is_left_as_it_is(self, tmp_path: Path) -> None:
        target = Target(tmp_path, RUN)
        (tmp_path / "purified").mkdir()
        (tmp_path / "purified" / "a.png.png").write_text("mine")
        (tmp_path / "results.csv").write_text("mine")
        with pytest.raises(OutputError, match=r"a\.png\.png, got a file there that is not of this run"):
            target.keep("a.png", "aa", STAMP, REPORT, b"picture")
        with pytest.raises(OutputError, match=r"results\.csv, got a file there that is not of this run"):
            target.put("results.csv", b"table")
        target.close()
        assert {path.read_text() for path in tmp_path.rglob("*.*") if path.suffix in (".png", ".csv")} == {"mine"}
        assert "a.png" not in target.entries

    def test_a_link_to_elsewhere_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("mine")
        target = Target(tmp_path / "out", RUN)
        (tmp_path / "out" / "results.csv").symlink_to(tmp_path / "mine")
        with pytest.raises(OutputError, match="not of this run"):
            target.put("results.csv", b"table")
        target.close()
        assert (tmp_path / "mine").read_text() == "mine"

    def test_its_own_are_written_anew(self, tmp_path: Path) -> None:
        for picture, table in ((b"1", b"one"), (b"2", b"two")):
            target = Target(tmp_path, RUN)
            target.keep("a.png", picture.hex(), STAMP, REPORT, picture)
            target.put("results.csv", table)
            target.close()
        assert (tmp_path / "purified" / "a.png.png").read_bytes() == b"2"
        assert (tmp_path / "results.csv").read_bytes() == b"two"

    def test_the_picture_of_an_image_that_fails_now_goes(self, tmp_path: Path) -> None:
        target = Target(tmp_path, RUN)
        target.keep("a.png", "aa", STAMP, REPORT, b"picture")
        target.fail("a.png", "bb", ("ImageError", "damaged"))
        assert not target.picture("a.png").exists()
        target.keep("a.png", "aa", STAMP, REPORT, b"picture")
        target.close()
        assert target.picture("a.png").read_bytes() == b"picture"


def test_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    Target(tmp_path, RUN).close()
    other = {"seed": 0, "settings": {"scales": (0,), "sigma": 0.1}}
    with pytest.raises(ParameterError, match=r"got settings scales \[0\] in place of \[-1, 0\]$"):
        Target(tmp_path, other)
    Target(tmp_path, RUN).close()


def test_two_at_a_time_are_refused(tmp_path: Path) -> None:
    first = Target(tmp_path, RUN)
    with pytest.raises(OutputError, match="expected one process at a time"):
        Target(tmp_path, RUN)
    first.close()
    Target(tmp_path, RUN).close()


def test_a_damaged_line_costs_its_image_alone(tmp_path: Path) -> None:
    target = Target(tmp_path, RUN)
    for name in ("a.png", "b.png"):
        target.keep(name, "aa", STAMP, REPORT, None)
    target.close()
    path = tmp_path / STATE / LEDGER
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], b"\0" * 9, lines[2], b""]))
    again = Target(tmp_path, RUN)
    again.close()
    assert again.damaged == 1
    assert not again.is_done("a.png", stamp=STAMP)
    assert again.is_done("b.png", stamp=STAMP)


def test_without_its_first_line_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / STATE).mkdir()
    (tmp_path / STATE / LEDGER).write_text(json.dumps({"name": "a.png"}) + "\n")
    with pytest.raises(OutputError, match="expected a run in"):
        Target(tmp_path, RUN)
