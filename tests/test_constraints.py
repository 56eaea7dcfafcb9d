"""Every board's pins are for the board they are named after, and pin all that the package depends on."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

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


def wheel(folder: Path, name: str, version: str, tag: str) -> None:
    """An empty wheel."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as file:
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{info}/RECORD", "")


@pytest.mark.programs
@pytest.mark.parametrize(
    ("tag", "pins", "message"),
    [
        ("cp311-cp311-manylinux_2_28_aarch64", "fast==1.0\n", []),
        ("cp311-cp311-manylinux_2_28_x86_64", "fast==1.0\n", ["got pip's error above"]),
        ("cp313-cp313-manylinux_2_28_aarch64", "fast==1.0\n", ["got pip's error above"]),
        ("cp311-cp311-manylinux_2_41_aarch64", "fast==1.0\n", ["got pip's error above"]),
        ("cp311-cp311-manylinux_2_28_aarch64", "fast==1.1\n", ["got pip's error above"]),
        ("cp311-cp311-manylinux_2_28_aarch64", "", ["expected nothing but the pins, got fast==1.0"]),
    ],
)
def test_a_pin_without_a_wheel_for_its_board_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str, pins: str, message: list[str]
) -> None:
    wheel(tmp_path, "fast", "1.0", tag)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setattr(constraints, "requirements", lambda: ["fast"])
    file = tmp_path / "pins.txt"
    file.write_text(pins)
    wrong = constraints.missing("raspberry-pi-os-12", file)
    assert len(wrong) == len(message)
    assert all(part in line for part, line in zip(message, wrong, strict=True))
