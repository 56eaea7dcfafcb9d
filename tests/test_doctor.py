"""Every line of `edge-mdda doctor` can be well and can be wrong, and says what mends it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_mdda import interpreter, model
from edge_mdda.device import board, doctor, examinations
from edge_mdda.device.board import Board, Memory
from edge_mdda.device.examinations import OK, PROBLEM, WARNING, Finding
from edge_mdda.device.system import System
from edge_mdda.errors import RuntimeMissingError
from tests import boards
from tests.program import run

CHECKS = (
    "architecture",
    "userland",
    "memory",
    "runtime",
    "numpy",
    "kernel cache",
    "model",
    "clock",
    "power",
    "temperature",
    "load",
    "camera",
    "disk",
    "service",
)
SYSTEMD = ("systemctl", "list-unit-files", "--no-legend", "--plain", "edge-mdda*.service")
SHOW = ("systemctl", "show", "edge-mdda-watch.service", "--property=ActiveState,Result,NRestarts")


@pytest.fixture
def known(tmp_path: Path) -> Board:
    """A Raspberry Pi 5, read on this machine."""
    return replace(board.read(boards.raspberry_pi_5(tmp_path / "pi")), architecture="aarch64", userland_bits=64)


def is_problem(finding: Finding, found: str, mend: str) -> bool:
    status, said, told = finding
    return status == PROBLEM and found in said and told is not None and mend in told


def test_a_32_bit_kernel_is_a_problem(known: Board) -> None:
    assert examinations.architecture(known)[0] == OK
    assert is_problem(examinations.architecture(replace(known, architecture="armv7l")), "armv7l", "64-bit system")


def test_a_32_bit_userland_on_a_64_bit_kernel_is_a_problem(known: Board) -> None:
    assert examinations.userland(known)[0] == OK
    finding = examinations.userland(replace(known, userland_bits=32))
    assert is_problem(finding, "32-bit programs on a aarch64 kernel", "64-bit image")


@pytest.mark.parametrize(
    ("available", "swap", "status"),
    [(2000.0, 0.0, OK), (None, None, OK), (300.0, 0.0, WARNING), (2000.0, 60.0, WARNING), (197.0, 50.0, PROBLEM)],
)
def test_too_little_memory_is_a_problem(known: Board, available: float, swap: float, status: str) -> None:
    finding = examinations.memory(replace(known, memory=Memory(8000, available, 512, swap)))
    assert finding[0] == status
    assert (finding[2] is None) == (status == OK)


def test_no_runtime_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examinations.runtime() == (OK, interpreter.RUNTIMES[0], None)

    def missing(runtime: str = "auto") -> str:
        raise RuntimeMissingError("expected a TFLite runtime, got none installed")

    monkeypatch.setattr(interpreter, "available", missing)
    assert is_problem(examinations.runtime(), "got none installed", "pip install ai-edge-litert")


@pytest.mark.parametrize(
    ("versions", "status"),
    [
        ({"numpy": "2.4.6", "ai-edge-litert": "2.3.0"}, OK),
        ({"numpy": "1.26.4", "tflite-runtime": "2.14.0"}, OK),
        ({"numpy": "2.4.6", "tflite-runtime": "2.14.0", "ai-edge-litert": "2.3.0"}, WARNING),
        ({"numpy": "2.4.6", "tflite-runtime": "2.14.0"}, PROBLEM),
        ({}, PROBLEM),
    ],
)
def test_tflite_runtime_with_numpy_2_is_a_problem(known: Board, versions: dict[str, str], status: str) -> None:
    assert examinations.numpy_pair(replace(known, versions=versions))[0] == status


@pytest.mark.parametrize(
    ("place", "hits", "writable", "status", "words"),
    [
        ("/var/cache/edge-mdda/kernels_1", 3, True, OK, "fresh and writable"),
        ("/var/cache/edge-mdda/kernels_1", 0, True, WARNING, "compiled and kept now"),
        ("/var/cache/edge-mdda/kernels_1", 3, False, WARNING, "is not writable"),
        ("/var/cache/edge-mdda/kernels_1", 0, False, PROBLEM, "is not writable"),
        ("/tmp/edge-mdda-x1y2/kernels_1", 0, True, PROBLEM, "no place to keep the kernels"),
    ],
)
def test_a_cache_that_is_stale_or_cannot_be_written(
    place: str, hits: int, writable: bool, status: str, words: str
) -> None:
    stats = SimpleNamespace(cache_path=place, cache_hits=hits)
    finding = examinations.judge_cache(stats, 7.2, lambda path, how: writable)
    assert finding[0] == status
    assert words in finding[1]
    assert (finding[2] is None) == (status == OK)


def test_kernels_that_do_not_run_are_a_problem_and_the_program_goes_on(tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("raise RuntimeError('cannot cache function: no locator available')\n")
    process = run("doctor", "--json", PYTHONPATH=str(tmp_path))
    checks = {check["name"]: check for check in json.loads(process.stdout)["checks"]}
    assert process.returncode == 7
    assert tuple(checks) == CHECKS
    assert checks["kernel cache"]["status"] == "problem"
    assert "no locator available" in checks["kernel cache"]["found"]
    assert "NUMBA_CACHE_DIR" in checks["kernel cache"]["mend"]


def test_an_altered_model_is_a_problem(tmp_path: Path) -> None:
    shipped = model.load()
    assert examinations.bundle(None)[0] == OK
    for name in ("card.json", "labels.txt", "calibration.json"):
        (tmp_path / name).write_bytes((shipped.folder / name).read_bytes())
    (tmp_path / "model.tflite").write_bytes(shipped.model[:-1] + b"\1")
    assert is_problem(examinations.bundle(tmp_path), "altered or damaged", "install the bundle again")


def test_clock_power_temperature_of_boards_that_are_not_well(tmp_path: Path) -> None:
    pi, zero = boards.raspberry_pi_5(tmp_path / "pi"), boards.raspberry_pi_zero_2_w(tmp_path / "zero")
    jetson = boards.jetson_orin_nano(tmp_path / "jetson")
    assert examinations.clock(pi, board.read(pi))[0] == WARNING
    assert examinations.power(pi, board.read(pi)) == (OK, "no under-voltage, not throttled", None)
    assert examinations.temperature(pi, board.read(pi)) == (OK, "58 °C", None)
    assert examinations.clock(zero, board.read(zero)) == (OK, "governor performance, 1000 MHz now", None)
    assert is_problem(examinations.power(zero, board.read(zero)), "under-voltage now; throttled now", "power supply")
    assert is_problem(examinations.temperature(zero, board.read(zero)), "81 °C", "cool it")
    status, found, mend = examinations.clock(jetson, board.read(jetson))
    assert (status, found) == (WARNING, "the governor is schedutil, not performance; the power mode is 25W")
    assert mend is not None
    assert mend.startswith("sudo jetson_clocks; sudo nvpmodel")


def test_a_machine_that_tells_nothing_is_unknown_and_not_blamed(tmp_path: Path) -> None:
    system = System(tmp_path, lambda command: None)
    seen = board.read(system)
    for look in (examinations.clock, examinations.power, examinations.temperature):
        assert look(system, seen) == (OK, "unknown: this board does not tell", None)
    assert examinations.load(system) == (OK, "unknown", None)
    assert examinations.service(system) == (OK, "unknown: no systemd here", None)


def test_other_load_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examinations.conditions, "busy_part", lambda system: 0.6)
    status, found, mend = examinations.load(System(tmp_path))
    assert (status, mend) == (WARNING, "stop them: top shows which")
    assert "60%" in found


def test_a_camera_that_may_not_be_opened_is_a_problem(tmp_path: Path) -> None:
    files = {**boards.RASPBERRY_PI_5, "sys/class/video4linux/video0/name": "rp1-cfe-csi2_ch0\n"}
    system = boards.build(tmp_path / "with", files)
    assert examinations.camera(system, lambda path, how: True) == (OK, "rp1-cfe-csi2_ch0", None)
    assert is_problem(examinations.camera(system, lambda path, how: False), "/dev/video0", "usermod -aG video")
    # Decoders and image processors are video devices too, but no cameras.
    assert examinations.camera(boards.raspberry_pi_5(tmp_path / "without"))[:2] == (WARNING, "none found")


@pytest.mark.parametrize(("free", "status"), [(5000, OK), (300, WARNING), (20, PROBLEM)])
def test_a_full_disk_is_a_problem(free: int, status: str) -> None:
    finding = examinations.disk(Path("/"), lambda path: SimpleNamespace(free=free * 2**20))
    assert finding[0] == status
    assert f"{free} MiB free" in finding[1]


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        ("ActiveState=active\nResult=success\nNRestarts=0\n", OK, "edge-mdda-watch.service is active"),
        ("ActiveState=active\nResult=success\nNRestarts=4\n", WARNING, "restarted 4 times"),
        ("ActiveState=inactive\nResult=success\nNRestarts=0\n", WARNING, "is inactive"),
        ("ActiveState=failed\nResult=watchdog\nNRestarts=5\n", PROBLEM, "failed: watchdog"),
    ],
)
def test_a_service_that_failed_is_a_problem(tmp_path: Path, state: str, status: str, words: str) -> None:
    listed = "edge-mdda-watch.service  enabled enabled\nedge-mdda@.service disabled enabled\n"
    finding = examinations.service(boards.build(tmp_path, {}, {SYSTEMD: listed, SHOW: state}))
    assert finding[0] == status
    assert words in finding[1]
    assert (finding[2] is None) == (status == OK)


def test_every_unit_of_the_package_is_looked_at_and_the_worst_is_told(tmp_path: Path) -> None:
    """The web service is installed beside the one that watches, and need not run."""
    serve = (*SHOW[:2], "edge-mdda-serve.service", SHOW[3])
    listed = "edge-mdda-serve.service disabled enabled\nedge-mdda-watch.service enabled enabled\n"
    active, failed = "ActiveState=active\nNRestarts=0\n", "ActiveState=failed\nResult=exit-code\n"
    commands = {SYSTEMD: listed, serve: active, SHOW: active}
    finding = examinations.service(boards.build(tmp_path / "well", {}, commands))
    assert finding == (OK, "edge-mdda-serve.service is active, edge-mdda-watch.service is active", None)
    off = {**commands, serve: "ActiveState=inactive\nResult=success\nNRestarts=0\n"}
    finding = examinations.service(boards.build(tmp_path / "off", {}, off))
    assert finding == (OK, "edge-mdda-serve.service is not enabled, edge-mdda-watch.service is active", None)
    stopped = {**off, SYSTEMD: listed.replace("disabled", "enabled")}
    status, found, mend = examinations.service(boards.build(tmp_path / "stopped", {}, stopped))
    assert (status, mend) == (WARNING, "sudo systemctl enable --now edge-mdda-serve.service")
    assert "edge-mdda-serve.service is inactive" in found
    finding = examinations.service(boards.build(tmp_path / "not", {}, {**commands, SHOW: failed}))
    assert is_problem(finding, "edge-mdda-watch.service failed: exit-code", "journalctl -u edge-mdda-watch.service")


def test_limits_of_memory_that_the_kernel_does_not_keep_are_told(tmp_path: Path) -> None:
    listed = "edge-mdda-watch.service enabled enabled\n"
    commands = {SYSTEMD: listed, SHOW: "ActiveState=active\nNRestarts=0\n"}
    status, found, mend = examinations.service(boards.build(tmp_path, boards.RASPBERRY_PI_4, commands))
    assert status == WARNING
    assert "their memory is not limited" in found
    assert mend is not None
    assert "cgroup_enable=memory" in mend


def test_a_service_that_was_never_installed_is_no_problem(tmp_path: Path) -> None:
    assert examinations.service(boards.build(tmp_path, {}, {SYSTEMD: ""})) == (OK, "not installed", None)


def test_a_look_that_fails_is_a_problem_and_the_other_lines_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Finding:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(examinations, "kernels", broken)
    checks = doctor.examine(system=boards.raspberry_pi_5(tmp_path))
    assert tuple(check.name for check in checks) == CHECKS
    (failed,) = (check for check in checks if check.name == "kernel cache")
    assert (failed.status, failed.found) == (
        "problem",
        "could not be looked at: ImportError: libgomp.so.1: cannot open shared object file",
    )
    assert doctor.worst(checks) == "problem"


def test_the_program_says_it_in_lines_and_in_json(tmp_path: Path) -> None:
    process = run("doctor", "--json")
    found = json.loads(process.stdout)
    assert process.stderr == b""
    assert (found["schema"], tuple(check["name"] for check in found["checks"])) == (doctor.SCHEMA, CHECKS)
    assert process.returncode == (7 if found["status"] == "problem" else 0)
    by_name = {check["name"]: check for check in found["checks"]}
    assert {by_name[name]["status"] for name in ("architecture", "userland", "runtime", "numpy", "model")} == {"ok"}
    process = run("doctor", "--model", tmp_path / "none", COLUMNS="150")
    said = process.stdout.decode()
    assert process.returncode == 7
    assert all(name in said for name in CHECKS)
    assert "expected a model bundle's folder, got" in said
    assert "→" in said
