"""`edge-mdda live` as the device runs it: the real program and model, on recordings, stopped, unplugged, overtaken."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import image
from tests import hostile
from tests.program import CHECKOUT, PROGRAM, errors, refused, reports, run
from tests.recordings import PICAMERA2, grey, record

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def sharp() -> NDArray[np.uint8]:
    """The drawn lesion of the samples, of a camera's size: the quality gate lets it pass."""
    pixels = image.decode((CHECKOUT / "models" / "samples" / "lesion.png").read_bytes())
    return np.asarray(image.fit(pixels, 224, 224), np.uint8)


@pytest.fixture(scope="module")
def film(sharp: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty frames of one lesion, then ten of its mirror image."""
    frames = [sharp] * 20 + [np.ascontiguousarray(sharp[::-1, ::-1])] * 10
    return record(tmp_path_factory.mktemp("film") / "film.avi", frames)


@contextmanager
def started(*arguments: str | Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [*PROGRAM, "live", "--threads", "1", *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=CHECKOUT, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_lines(path: Path, count: int, seconds: float = 120) -> list[dict[str, Any]]:
    end = time.monotonic() + seconds
    while len(found := lines(path)) < count:
        assert time.monotonic() < end, f"expected {count} lines within {seconds} s, got {len(found)}"
        time.sleep(0.05)
    return found


def test_a_recording_is_answered_frame_by_frame_and_averaged_while_it_shows_one_lesion(film: Path) -> None:
    process = run("live", "--camera", film, "--frames", "3", "--no-gate", "--jsonl", "-", "--threads", "1")
    assert process.returncode == 0, process.stderr
    found = reports(process)
    assert len(found) >= 2
    numbers = [report["live"]["frame"] for report in found]
    assert numbers == sorted(set(numbers))
    assert found[-1]["live"]["frame"] == 29  # the newest, however slow the rest was
    seeds = [report["seed"] for report in found]
    assert len(set(seeds)) == len(seeds)
    expected, before = 0, None
    for answered, report in enumerate(found):
        moment = report["live"]
        part = moment["frame"] >= 20
        expected = 1 if part != before else min(3, expected + 1)
        before = part
        assert report["frames"] == expected
        assert report["schema"] == "edge-mdda/report/1"
        assert report["image"] == str(film)
        assert moment["dropped"] == moment["frame"] - answered
        assert moment["age"] > 0
        assert moment["captured"] < moment["answered"]
    (summary,) = errors(process)
    assert summary == f"edge-mdda: {len(found)} answered, 0 refused, 0 failed"


def test_a_film_faster_than_the_classifier_drops_frames_and_stays_with_the_newest(
    sharp: NDArray[np.uint8], tmp_path: Path
) -> None:
    fast = record(tmp_path / "fast.avi", [sharp] * 30, rate=500)
    process = run("live", "--camera", fast, "--loop", "--count", "3", "--no-gate", "--jsonl", "-", "--threads", "1")
    assert process.returncode == 0, process.stderr
    moments = [report["live"] for report in reports(process)]
    assert len(moments) == 3
    assert moments[-1]["dropped"] > 3
    assert moments[-1]["frame"] == moments[-1]["dropped"] + 2


def test_a_frame_taken_badly_gets_a_hint_and_no_line(tmp_path: Path) -> None:
    black = record(tmp_path / "black.avi", [grey(2, 240, 320)] * 5)
    process = run("live", "--camera", black, "--jsonl", tmp_path / "out.jsonl", "--threads", "1")
    assert process.returncode == 0, process.stderr
    assert "No answer: too dark: give it more light." in process.stdout.decode()
    assert lines(tmp_path / "out.jsonl") == []
    assert " 0 answered, " in errors(process)[0]


def test_a_camera_that_is_lost_is_told_and_found_again(sharp: NDArray[np.uint8], tmp_path: Path) -> None:
    camera, out = record(tmp_path / "camera.avi", [sharp] * 3), tmp_path / "out.jsonl"
    with started("--camera", camera, "--loop", "--no-gate", "--jsonl", out, stdout=subprocess.DEVNULL) as process:
        wait_for_lines(out, 1)
        away = tmp_path / "away.avi"
        os.replace(camera, away)
        assert process.stderr is not None
        told = process.stderr.readline().decode()
        assert f"{camera}: expected a camera or a recording, got no file {camera}; looking for it" in told
        count = len(lines(out))
        os.replace(away, camera)
        assert f"{camera}: the camera is back" in process.stderr.readline().decode()
        assert wait_for_lines(out, count + 2)[-1]["live"]["reconnects"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read().decode().endswith(" 0 refused, 0 failed\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_it_with_every_line_whole_and_no_process_left(
    film: Path, tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "out.jsonl"
    with started("--camera", film, "--loop", "--no-gate", "--jsonl", out, stdout=subprocess.PIPE) as process:
        count = len(wait_for_lines(out, 2))
        process.send_signal(number)
        assert process.wait(60) == code
        assert process.stdout is not None
        assert process.stdout.read()  # until every process that holds it is gone
    assert out.read_bytes().endswith(b"\n")
    assert len(lines(out)) >= count


def test_a_runtime_that_hangs_costs_one_frame_each(film: Path, tmp_path: Path) -> None:
    options = ["--timeout", "1", "--seconds", "6", "--model", hostile.endless(tmp_path / "endless"), "--threads", "1"]
    process = run("live", "--camera", film, "--loop", *options)
    assert process.returncode == 0
    *failures, summary = errors(process)
    assert failures
    assert all(line.endswith("expected an answer, got none within 1 s") for line in failures)
    assert summary == f"edge-mdda: 0 answered, 0 refused, {len(failures)} failed"


def test_picamera2_is_used_where_it_is_present(tmp_path: Path) -> None:
    (tmp_path / "picamera2.py").write_text(PICAMERA2)
    options = ["--size", "96x64", "--no-gate", "--count", "1", "--jsonl", "-", "--threads", "1"]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = run("live", *options, PYTHONPATH=path)
    assert process.returncode == 0, process.stderr
    (report,) = reports(process)
    assert report["image"] == "auto"


def test_on_a_terminal_the_answer_is_drawn_in_place(film: Path) -> None:
    master, slave = pty.openpty()
    with started("--camera", film, "--loop", "--no-gate", "--count", "2", stdout=slave) as process:
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        assert process.wait(60) == 0
    os.close(master)
    assert b"\x1b[" in seen
    assert b"MEL" in seen
    assert b" dropped" in seen


def test_a_window_that_cannot_be_opened_is_told_and_the_terminal_takes_over(film: Path) -> None:
    process = run("live", "--camera", film, "--window", "--no-gate", "--count", "1", "--threads", "1", DISPLAY="")
    assert process.returncode == 0
    assert errors(process)[0] == "edge-mdda: warning: expected a display for a window, got none"
    assert " dropped: " in process.stdout.decode()


def test_no_camera_to_begin_with_is_code_9() -> None:
    message = refused(run("live", "--camera", "missing.avi", "--threads", "1"), 9)
    assert "expected a camera or a recording, got no file missing.avi" in message
    assert "expected a camera 97 that can be opened, got none" in refused(run("live", "--camera", "97"), 9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "0"], "expected --frames in [1, 1000], got 0"),
        (["--count", "0"], "expected --count of at least 1, got 0"),
        (["--seconds", "0"], "expected --seconds above 0, got 0"),
        (["--size", "640"], "expected --size as 640x480, sides of at least 32, got '640'"),
        (["--timeout", "0"], "expected --timeout in [0.1, 3600] seconds, got 0"),
        (["--samples", "0"], "expected --samples in [1, 64], got 0"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], message: str) -> None:
    assert message in refused(run("live", *arguments), 2)


def test_a_file_that_cannot_be_written_is_code_6_before_the_work(tmp_path: Path) -> None:
    message = refused(run("live", "--camera", "missing.avi", "--jsonl", tmp_path / "none" / "out.jsonl"), 6)
    assert "expected to write" in message
