"""Profiles side by side: what moved beyond the measured spread is marked, what did not is not."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from edge_mdda.device import compare
from tests import chromium, profiles
from tests.program import refused, run

BASE = {"min": 9.0, "p5": 9.5, "median": 10.0, "p95": 11.0, "p99": 12.0, "max": 13.0}


@pytest.mark.parametrize(
    ("p5", "median", "p95", "expected"),
    [
        (11.0, 12.0, 13.0, "slower"),
        (9.8, 12.0, 13.0, ""),  # its quick images are as quick as before
        (10.2, 10.9, 11.5, ""),  # within what was measured to vary
        (7.0, 8.0, 9.0, "faster"),
        (7.0, 8.0, 10.5, ""),
        (9.5, 10.0, 11.0, ""),
    ],
)
def test_a_figure_is_marked_beyond_the_spread_of_both(p5: float, median: float, p95: float, expected: str) -> None:
    assert compare.mark(BASE, {**BASE, "p5": p5, "median": median, "p95": p95}) == expected


def test_what_one_profile_lacks_is_not_marked() -> None:
    assert compare.mark(None, BASE) == compare.mark(BASE, None) == ""


def test_a_slower_board_is_marked_in_every_figure_and_the_base_in_none() -> None:
    base = profiles.steady(profiles.measured())
    found = compare.compare([base, profiles.faster(base, 0.5), profiles.faster(base, 2)], ["a", "b", "c"])
    assert {row.marks for row in found.rows} == {("", "slower", "faster")}
    assert ("b", "total, 1 thread") in found.slower
    assert "c is slower" not in " ".join(compare.notes(found))


def test_the_same_profile_twice_has_nothing_slower() -> None:
    found = compare.compare([profiles.measured()] * 2, ["a", "b"])
    assert found.slower == []
    assert compare.notes(found) == ["Nothing is slower beyond the measured spread."]


def test_other_work_is_shown_but_not_held_against_the_first() -> None:
    base = profiles.steady(profiles.measured())
    other = profiles.faster(base, 0.1)
    other["model"]["sha256"] = "0" * 64
    other["purification"]["preset"] = "paper-small"
    found = compare.compare([base, other], ["a", "b"])
    assert found.slower == []
    assert compare.notes(found)[0] == ("b is not held against a: it measured another model and another purification.")


def test_the_program_prints_marks_and_ends_with_7_if_asked(tmp_path: Path) -> None:
    base = profiles.steady(profiles.measured())
    before = profiles.write(tmp_path / "before.json", base)
    after = profiles.write(tmp_path / "after.json", profiles.faster(base, 0.5))
    page, figure = tmp_path / "page.html", tmp_path / "figure.svg"
    process = run("compare", before, after, "--html", page, "--figure", figure, COLUMNS="160")
    assert (process.returncode, process.stderr) == (0, b"")
    said = process.stdout.decode()
    assert "+100% slower" in said
    assert "after is slower: decode, 1 thread; " in said
    assert "slower" in page.read_text()
    assert ElementTree.parse(figure).getroot().tag.endswith("svg")
    assert run("compare", before, after, "--exit-code").returncode == 7
    assert run("compare", after, before, "--exit-code").returncode == 0


def test_names_of_files_are_no_markup(tmp_path: Path) -> None:
    files = [profiles.write(tmp_path / f"{name}.json", profiles.measured()) for name in ("[red]a", "[bold]b")]
    said = run("compare", *files, COLUMNS="200").stdout.decode()
    assert "[red]a" in said
    assert "[bold]b" in said


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files = []
    for folder in ("pi4", "pi5"):
        (tmp_path / folder).mkdir()
        files.append(profiles.write(tmp_path / folder / "profile.json", profiles.measured()))
    said = run("compare", *files, COLUMNS="300").stdout.decode()
    assert str(files[0]) in said
    assert str(files[1]) in said


def test_one_profile_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    good = profiles.write(tmp_path / "good.json", profiles.measured())
    assert "expected at least two profiles, got 1" in refused(run("compare", good), 2)
    (tmp_path / "bad.json").write_text('{"schema": "edge-mdda/benchmark/1"}')
    assert "expected a profile of schema edge-mdda/profile/1" in refused(run("compare", good, tmp_path / "bad.json"), 4)
    for number, change in enumerate(({"board": {}}, {"configurations": [{"threads": 1}]}, {"model": None})):
        bad = profiles.write(tmp_path / f"{number}.json", {**profiles.measured(), **change})
        assert "got another form" in refused(run("compare", good, bad), 4)


@chromium.needed
def test_a_browser_shows_the_comparison(tmp_path: Path) -> None:
    base = profiles.steady(profiles.measured())
    base["board"]["model"] = "<b>Board</b>"
    found = compare.compare([base, profiles.faster(base, 0.5)], ["<i>a</i>", "b"])
    file = tmp_path / "compare.html"
    file.write_text(compare.to_html(found, [base, profiles.faster(base, 0.5)]))
    document, pixels = chromium.shown(file)
    assert "&lt;i&gt;a&lt;/i&gt;" in document
    assert "<b>Board" not in document
    assert document.count("<svg") == 1
    assert (pixels == (0xB0, 0x00, 0x20)).all(axis=2).any()  # the marks' red
