"""Every board's pins are for the board they are named after, and pin all that the package depends on."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("tomllib", reason="needs Python 3.11 or later")
from tools import constraints
from tools.constraints import BOARDS, Board


@pytest.mark.parametrize("name", BOARDS)
def test_the_pins_on_file_are_complete(name: str) -> None:
    text = (constraints.FOLDER / f"{name}.txt").read_text()
    pins = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)$", text, re.MULTILINE))
    assert text == constraints.text(BOARDS[name], pins)
    named = {re.match(r"[\w-]+", requirement)[0] for requirement in constraints.requirements()}
    assert {"numpy", "numba", "cryptography", "fastapi", "uvicorn"} <= named <= set(pins)


def test_no_board_is_missing_and_none_is_left_over() -> None:
    assert {path.stem for path in constraints.FOLDER.glob("*.txt")} == set(BOARDS)


def test_pip_is_asked_for_the_wheels_of_the_board() -> None:
    options = constraints.platform_options(Board("3.13", "aarch64", "2.19"))
    assert "--only-binary=:all:" in options
    assert [options[index + 1] for index, word in enumerate(options) if word == "--platform"] == [
        "manylinux2014_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_19_aarch64",
    ]
    assert [options[index + 1] for index, word in enumerate(options) if word == "--abi"] == ["cp313", "abi3", "none"]
