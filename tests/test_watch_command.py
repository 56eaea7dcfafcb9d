"""`edge-mdda watch` as the device runs it: the real program and model, killed, stopped, and watched by systemd."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import hostile
from tests.program import CHECKOUT, PROGRAM, errors, refused, run

pytestmark = pytest.mark.programs


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@contextmanager
def started(*arguments: str | Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [*PROGRAM, "watch", "--threads", "1", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=CHECKOUT, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / ".edge-mdda" / "journal.jsonl").read_text().splitlines()]


def wait_for(path: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"expected {path} within {seconds} s"
        time.sleep(0.02)


def test_what_is_there_is_assessed_and_the_program_ends(images: Path, lesion: Path) -> None:
    shutil.copy(lesion, images / "a.png")
    (images / "b.png").write_bytes(b"no image")
    process = run("watch", images, "--once", "--threads", "1")
    assert process.returncode == 0
    reported, failed = sorted(errors(process))
    assert reported.startswith(f"edge-mdda: {images}/a.png: reported, ")
    assert failed == f"edge-mdda: {images}/b.png: expected a JPEG or PNG image, got something else"
    assert process.stdout == b""
    report = json.loads((images / "a.png.report.json").read_text())
    assert report["schema"] == "edge-mdda/report/1"
    assert report["image"] == f"{images}/a.png"
    assert (images / "a.png.figure.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(line["outcome"] for line in journal(images)) == ["failed", "reported"]
    again = run("watch", images, "--once", "--json", "--threads", "1")
    assert (again.returncode, again.stdout, again.stderr) == (0, b"", b"")


def test_killed_with_the_real_model_it_loses_and_repeats_nothing(images: Path, lesion: Path, tmp_path: Path) -> None:
    random.seed(1)
    out = tmp_path / "out"
    seen: dict[Path, bytes] = {}
    for number in range(12):
        shutil.copy(lesion, images / f"{number}.png")
    for _ in range(3):
        before = len(list(out.glob("*.report.json")))
        with started(images, "--out", out) as process:
            while len(list(out.glob("*.report.json"))) == before and process.poll() is None:
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.1))
        for path in out.glob("*.report.json"):
            content = path.read_bytes()
            assert seen.setdefault(path, content) == content
    assert run("watch", images, "--out", out, "--once", "--threads", "1").returncode == 0
    assert all(path.read_bytes() == content for path, content in seen.items())
    names = {f"{number}.png" for number in range(12)}
    assert {path.name for path in out.glob("*.png")} == {f"{name}.figure.png" for name in names}
    assert Counter(line["name"] for line in journal(out)) == Counter(names)


def test_systemd_is_told_and_sigterm_ends_it(images: Path, lesion: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        with started(images, **environment) as process:
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096) == b"WATCHDOG=1\nSTATUS=0 reported, 0 failed, 0 waiting"
            shutil.copy(lesion, images / "a.png")
            while manager.recv(4096) != b"WATCHDOG=1\nSTATUS=1 reported, 0 failed, 0 waiting":
                pass
            process.send_signal(signal.SIGTERM)
            messages = [b""]
            while messages[-1] != b"STOPPING=1":
                messages.append(manager.recv(4096))
            assert process.wait(10) == 0


def test_a_model_that_hangs_costs_one_image_each_and_is_told(images: Path, lesion: Path, tmp_path: Path) -> None:
    shutil.copy(lesion, images / "a.png")
    (images / "b.png").write_bytes(b"no image")
    model = hostile.endless(tmp_path / "endless")
    process = run("watch", images, "--once", "--timeout", "1", "--model", model, "--threads", "1")
    assert process.returncode == 0
    assert f"edge-mdda: {images}/a.png: expected an answer, got none within 1 s" in errors(process)
    failure = json.loads((images / "a.png.report.json").read_text())
    assert failure["error"] == {"kind": "TooLateError", "message": "expected an answer, got none within 1 s"}
    assert len(journal(images)) == 2


def test_a_model_that_crashes_while_it_is_loaded_ends_it_with_code_4(
    images: Path, lesion: Path, tmp_path: Path
) -> None:
    shutil.copy(lesion, images / "a.png")
    process = run("watch", images, "--model", hostile.bottomless(tmp_path / "bottomless"), "--threads", "1")
    assert "expected a model that a process can load, got a crash (SIGSEGV)" in refused(process, 4)
    assert journal(images) == []


def test_a_second_one_on_the_same_folder_is_refused(images: Path) -> None:
    with started(images):
        wait_for(images / ".edge-mdda" / "lock")
        time.sleep(0.1)
        assert "expected one process at a time" in refused(run("watch", images), 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "expected a folder to watch, got missing"),
        (["tests", "--keep", "0"], "expected --keep of at least 1, got 0"),
        (["tests", "--backlog", "0"], "expected --backlog of at least 1, got 0"),
        (["tests", "--samples", "0"], "expected --samples in [1, 64], got 0"),
        (["tests", "--timeout", "0"], "expected --timeout in [0.1, 3600] seconds, got 0"),
        (["tests", "--preset", "none"], "expected preset out of"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], message: str) -> None:
    assert message in refused(run("watch", *arguments), 2)


def test_a_timeout_that_the_watchdog_would_not_wait_for_is_refused(images: Path) -> None:
    message = refused(run("watch", images, "--timeout", "20", WATCHDOG_USEC="30000000"), 2)
    assert "expected --timeout of at most half the 30 s of systemd's watchdog, got 20" in message
