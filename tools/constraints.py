"""Pin what a board installs, as deploy/constraints/BOARD.txt: the newest wheels there are for its Python and system.

    python -m tools.constraints [BOARD …]
    python -m tools.constraints --check [BOARD …]      # every pin on file is still there as a wheel for its board

pip takes the wheels of the board, not of this machine, and installs nothing; markers other than the Python version it
takes from this machine, and no dependency has one that differs. Pins change only by this command.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import tomllib
import typer

from tools import atomic

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deploy" / "constraints"
EXTRAS = ("signed", "serve")


@dataclass(frozen=True)
class Board:
    """What decides which wheels fit."""

    python: str
    machine: str
    glibc: str


BOARDS = {
    "raspberry-pi-os-12": Board("3.11", "aarch64", "2.36"),
    "raspberry-pi-os-13": Board("3.13", "aarch64", "2.41"),
    "jetpack-6": Board("3.10", "aarch64", "2.35"),
    "debian-12-x86-64": Board("3.11", "x86_64", "2.36"),
}


def requirements() -> list[str]:
    """What the package depends on, with the libraries of signatures and of the service over HTTP."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *(name for extra in EXTRAS for name in project["optional-dependencies"][extra])]


def platform_options(board: Board) -> list[str]:
    """pip's options for the wheels that fit a board."""
    minor = int(board.glibc.split(".")[1])
    tags = [
        f"manylinux2014_{board.machine}",
        *(f"manylinux_2_{number}_{board.machine}" for number in range(17, minor + 1)),
    ]
    abis = [f"cp{board.python.replace('.', '')}", "abi3", "none"]
    options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", board.python]
    options += [word for abi in abis for word in ("--abi", abi)]
    return options + [word for tag in tags for word in ("--platform", tag)]


def resolve(board: Board, *wanted: str | Path) -> dict[str, str]:
    """Name and version of every wheel that pip would install on a board for these of its arguments.

    Raises:
        subprocess.CalledProcessError: there is no such wheel for the board; pip said which on standard error.
    """
    with TemporaryDirectory() as nowhere:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
        command = [*pip, "--target", nowhere, *platform_options(board), *wanted]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    found = (item["metadata"] for item in report["install"])
    return {item["name"].lower().replace("_", "-"): item["version"] for item in found}


def missing(name: str, file: Path | None = None) -> list[str]:
    """What is wrong with a board's pins: nothing if pip finds a wheel of each, as pinned, and no more is needed."""
    file = file or FOLDER / f"{name}.txt"
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)$", file.read_text(), re.MULTILINE))
    try:
        found = resolve(BOARDS[name], *requirements(), "--requirement", file)
    except subprocess.CalledProcessError:
        return [f"{name}: expected a wheel of each pin, got pip's error above"]
    more = {f"{package}=={version}" for package, version in found.items() if pinned.get(package) != version}
    return [f"{name}: expected nothing but the pins, got {', '.join(sorted(more))}"] if more else []


def text(board: Board, pins: dict[str, str]) -> str:
    """The file's content; install.sh and wheelhouse.sh read its first line."""
    head = f"# Python {board.python}, {board.machine}, glibc {board.glibc}\n# Made by python -m tools.constraints\n"
    return head + "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def main(
    names: Annotated[list[str] | None, typer.Argument(metavar="[BOARD]...")] = None,
    check: Annotated[bool, typer.Option("--check", help="Pin nothing; end with 1 if a wheel is missing.")] = False,
) -> None:
    """Pin anew for the boards named, or for all; or look whether what is pinned is still there."""
    wrong = []
    for name in names or BOARDS:
        if name not in BOARDS:
            raise typer.BadParameter(f"expected a board out of {', '.join(BOARDS)}, got {name}")
        if check:
            wrong += missing(name)
        else:
            atomic.write(FOLDER / f"{name}.txt", text(BOARDS[name], resolve(BOARDS[name], *requirements())))
    for line in wrong:
        print(line, file=sys.stderr)
    raise typer.Exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
