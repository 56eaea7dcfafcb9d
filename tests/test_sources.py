"""Files, folders, globs and "-" become images in a fixed order, or one clear error."""

from __future__ import annotations

import io
import os
import pty
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_mdda import sources
from edge_mdda.errors import ImageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.PNG", "a.jpg", "c.jpeg", "notes.txt", "[1].png"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "sub.png").mkdir()
    (tmp_path / "sub.png" / "deep.png").write_bytes(b"deep")
    return tmp_path


def names(found: list[str]) -> list[str]:
    return [Path(path).name for path in found]


class TestFind:
    def test_a_folder_gives_its_images_sorted_without_subfolders(self, folder: Path) -> None:
        assert names(sources.find(str(folder))) == ["[1].png", "a.jpg", "b.PNG", "c.jpeg"]

    def test_a_glob_gives_files_sorted(self, folder: Path) -> None:
        assert names(sources.find(str(folder / "[ab].*"))) == ["a.jpg", "b.PNG"]
        assert names(sources.find(str(folder / "**" / "d*.png"))) == ["deep.png"]

    def test_a_file_is_itself_whatever_its_name(self, folder: Path) -> None:
        """A name that looks like a glob means the file of that name first."""
        for name in ("notes.txt", "[1].png"):
            assert sources.find(str(folder / name)) == [str(folder / name)]

    def test_standard_input_is_itself(self) -> None:
        assert sources.find("-") == ["-"]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("missing.png", "expected an image file or a folder, got nothing of that name"),
            ("*.gif", "expected a pattern that matches files, got no match"),
            ("sub.*", "expected a pattern that matches files, got no match"),
            ("empty", r"expected a folder with images \(.jpg, .jpeg, .png\), got one without"),
            ("dangling.png", "got nothing of that name"),
        ],
    )
    def test_nothing_to_find_is_an_error(self, folder: Path, name: str, message: str) -> None:
        (folder / "empty").mkdir()
        (folder / "dangling.png").symlink_to(folder / "gone")
        with pytest.raises(ImageError, match=message):
            sources.find(str(folder / name))


class TestRead:
    def test_a_file_up_to_the_limit(self, folder: Path) -> None:
        assert sources.read(str(folder / "a.jpg"), 5) == b"a.jpg"
        with pytest.raises(ImageError, match="expected at most 4 bytes, got 5"):
            sources.read(str(folder / "a.jpg"), 4)

    def test_what_has_no_size_is_read_no_further_than_the_limit(self) -> None:
        with pytest.raises(ImageError, match="expected at most 1000 bytes, got more"):
            sources.read("/dev/zero", 1000)

    def test_a_folder_and_a_missing_file(self, folder: Path) -> None:
        for name, reason in (("sub.png", "Is a directory"), ("missing", "No such file or directory")):
            with pytest.raises(ImageError, match=f"expected a readable image file, got: {reason}"):
                sources.read(str(folder / name), 10)

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"bytes"), isatty=lambda: False))
        assert sources.read("-", 10) == b"bytes"

    def test_a_terminal_or_nothing_as_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ends = pty.openpty()
        with os.fdopen(ends[1]) as terminal:
            for stream in (terminal, None):
                monkeypatch.setattr(sys, "stdin", stream)
                with pytest.raises(ImageError, match="got a terminal or nothing"):
                    sources.read("-", 10)
        os.close(ends[0])


def test_what_pictures_are_named_after() -> None:
    assert sources.stem("-") == "stdin"
    assert sources.stem("/folder/lesion.v2.png") == "lesion.v2"
