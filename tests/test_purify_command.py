"""`edge-mdda purify` in child processes: what it writes, and what it refuses."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_mdda import EDGE, image
from tests.program import CHEAP, PICTURE, errors, refused, run


def test_png_keeps_the_size_and_one_seed_gives_one_result(lesion: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    process = run("purify", lesion, out, "--seed", "7", *CHEAP)
    assert process.returncode == 0
    assert errors(process) == []
    assert "70×50 pixels" in process.stdout.decode()
    assert "seed 7" in process.stdout.decode()
    from edge_mdda import purify

    expected = purify(PICTURE, replace(EDGE, blocks=1, iterations=1, scales=(0,)), 7)
    assert np.array_equal(image.decode(out.read_bytes()), expected)
    assert sorted(os.listdir(tmp_path)) == ["lesion.png", "out.png"]


def test_jpeg_from_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "out.JPG"
    assert run("purify", "-", out, *CHEAP, stdin=image.encode_png(PICTURE)).returncode == 0
    assert image.read_header(out.read_bytes()) == image.Header("JPEG", 70, 50)


def test_a_bad_image_leaves_the_old_output(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"not an image")
    (tmp_path / "out.png").write_bytes(b"old")
    message = refused(run("purify", tmp_path / "bad.png", tmp_path / "out.png"), 3)
    assert "expected a JPEG or PNG image, got something else" in message
    assert (tmp_path / "out.png").read_bytes() == b"old"


def test_an_output_that_cannot_be_written_is_refused(lesion: Path) -> None:
    message = refused(run("purify", lesion, lesion / "out.png", *CHEAP), 6)
    assert message.endswith("got: Not a directory")


def test_another_format_is_refused_by_its_ending(lesion: Path) -> None:
    assert "ending in .png, .jpg, .jpeg, got out.gif" in refused(run("purify", lesion, "out.gif"), 2)
