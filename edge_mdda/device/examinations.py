"""What `edge-mdda doctor` looks at, one function each: status, what was found, and the mend if there is one."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from edge_mdda import interpreter
from edge_mdda.device import conditions, sensors
from edge_mdda.device.board import Board
from edge_mdda.device.conditions import Condition
from edge_mdda.device.system import System
from edge_mdda.errors import ModelError, RuntimeMissingError

OK: Literal["ok"] = "ok"
WARNING: Literal["warning"] = "warning"
PROBLEM: Literal["problem"] = "problem"
Status = Literal["ok", "warning", "problem"]
Finding = tuple[Status, str, "str | None"]

ARCHITECTURES = ("aarch64", "arm64", "x86_64")
#: MiB: what `edge-mdda classify` takes at its peak, with an empty kernel cache (README, Speed), and room beside it.
NEEDED, COMFORTABLE = 240, 400
#: MiB of free disk: below the first an upgrade or a report fails, below the second it soon will.
DISK_NEEDED, DISK_COMFORTABLE = 100, 500
#: Video devices of a Raspberry Pi that are no cameras: decoders and image processors.
NO_CAMERAS = ("bcm2835-codec", "bcm2835-isp", "rpivid", "rpi-hevc-dec", "rpi-h264", "pispbe")


def architecture(board: Board) -> Finding:
    if board.architecture in ARCHITECTURES:
        return OK, board.architecture, None
    return PROBLEM, f"{board.architecture} is not supported", "flash a 64-bit system: there is no Numba for 32-bit ARM"


def userland(board: Board) -> Finding:
    if board.userland_bits == 64:
        return OK, "64-bit", None
    return (
        PROBLEM,
        f"{board.userland_bits}-bit programs on a {board.architecture} kernel",
        "flash the 64-bit image of the system; a 64-bit kernel alone is not enough",
    )


def memory(board: Board) -> Finding:
    available, swap = board.memory.available_mib, board.memory.swap_used_mib
    if available is None:
        return OK, "unknown", None
    told = f"{available:.0f} MiB available" + (f", {swap:.0f} MiB of swap in use" if swap else "")
    mend = "stop other programs (top), or add compressed swap: sudo apt install zram-tools"
    if available < NEEDED:
        return PROBLEM, f"{told}, {NEEDED} needed", mend
    if available < COMFORTABLE or swap:
        return WARNING, told, mend
    return OK, told, None


def runtime() -> Finding:
    try:
        return OK, interpreter.available(), None
    except RuntimeMissingError as error:
        return PROBLEM, str(error), "pip install ai-edge-litert"


def numpy_pair(board: Board) -> Finding:
    """tflite-runtime was built for NumPy 1: with NumPy 2 it imports, and fails on the first model."""
    numpy, tflite = board.versions.get("numpy"), board.versions.get("tflite-runtime")
    if numpy is None:
        return PROBLEM, "NumPy is not installed", "pip install numpy"
    if tflite is None or int(numpy.partition(".")[0]) < 2:
        return OK, f"NumPy {numpy}" + (f" with tflite-runtime {tflite}" if tflite else ""), None
    alone = "ai-edge-litert" not in board.versions
    found = f"tflite-runtime {tflite} with NumPy {numpy}: it needs NumPy 1"
    return PROBLEM if alone else WARNING, found, "pip install 'numpy<2', or pip uninstall tflite-runtime"


def kernels() -> Finding:
    """Run the kernels once, as a first image would: were they in the cache, and can the cache be written?"""
    start = time.perf_counter()
    try:
        import numpy as np

        from edge_mdda.kernels import mdda
        from edge_mdda.purifier import Purifier

        Purifier(threads=1).purify(np.full((32, 32, 3), 128, np.uint8), seed=0)
    except Exception as error:
        mend = "give Numba a folder it may write to: NUMBA_CACHE_DIR=/var/cache/edge-mdda; no MemoryDenyWriteExecute"
        return PROBLEM, f"the kernels do not run: {' '.join(str(error).split())[:200]}", mend
    return judge_cache(mdda.purify.stats, time.perf_counter() - start)


def judge_cache(stats: Any, seconds: float, may: Callable[[str, int], bool] = os.access) -> Finding:
    """What Numba's counts of one kernel, after its first call, say of the cache; `seconds` is what that call took."""
    place = str(stats.cache_path)
    if Path(place).parent.name.startswith("edge-mdda-"):  # the last resort of edge_mdda.kernels
        return (
            PROBLEM,
            f"no place to keep the kernels: each process compiles them, {seconds:.0f} s here",
            ("set NUMBA_CACHE_DIR to a folder that this user may write to"),
        )
    if not may(place, os.W_OK):
        mend = f"sudo chown -R $USER {place}, or set NUMBA_CACHE_DIR"
        return (WARNING if stats.cache_hits else PROBLEM), f"{place} is not writable", mend
    if not stats.cache_hits:
        found = f"the kernels were not in {place}: compiled and kept now, {seconds:.0f} s"
        return WARNING, found, "edge-mdda warmup, after each upgrade of Python, Numba or this package"
    return OK, f"fresh and writable, {place}", None


def bundle(folder: Path | None) -> Finding:
    from edge_mdda import bundle_store, model

    try:
        found = bundle_store.in_use() if folder is None else model.load(folder)
    except ModelError as error:
        return PROBLEM, str(error), "install the bundle again: pip install --force-reinstall edge-mdda, or the folder"
    return OK, f"{found.name}, SHA-256 {found.sha256[:12]} as its card says", None


def clock(system: System, board: Board) -> Finding:
    return _conditions(conditions.find(system, board), "clock", _clock_words(board))


def power(system: System, board: Board) -> Finding:
    from edge_mdda.device import raspberry_pi

    told = "no under-voltage, not throttled" if raspberry_pi.throttling(system) else "unknown: this board does not tell"
    return _conditions(conditions.find(system, board), "power", told)


def temperature(system: System, board: Board) -> Finding:
    degrees = sensors.temperature_c(system)
    told = "unknown: this board does not tell" if degrees is None else f"{degrees:.0f} °C"
    return _conditions(conditions.find(system, board), "temperature", told)


def load(system: System) -> Finding:
    busy = conditions.busy_part(system)
    return _conditions(
        conditions.load(busy), "load", "unknown" if busy is None else f"others use {busy:.0%} of the cores"
    )


def camera(system: System, may: Callable[[Path, int], bool] = os.access) -> Finding:
    """Cameras that the kernel knows, CSI and USB: https://docs.kernel.org/userspace-api/media/v4l/open.html."""
    names, closed = [], []
    for path in system.glob("sys/class/video4linux/video*/name"):
        name = system.read(path) or "camera"
        if name.startswith(NO_CAMERAS):
            continue
        names.append(name)
        device = f"dev/{path.split('/')[-2]}"
        if not may(system.root / device, os.R_OK | os.W_OK):
            closed.append(f"/{device}")
    if not names:
        return (
            WARNING,
            "none found",
            "only needed to take pictures here: connect it with the power off, then start again",
        )
    if closed:
        return (
            PROBLEM,
            f"{', '.join(closed)} may not be opened by this user",
            "sudo usermod -aG video $USER, log in again",
        )
    return OK, ", ".join(dict.fromkeys(names)), None


def disk(place: Path | None = None, usage: Callable[[Path], Any] = shutil.disk_usage) -> Finding:
    place = place or Path.home()
    free = usage(place).free / 2**20
    told = f"{free:.0f} MiB free in {place}"
    mend = f"sudo apt clean; journalctl --vacuum-size=50M; du -xh {place} | sort -h | tail shows the rest"
    if free < DISK_NEEDED:
        return PROBLEM, told, mend
    return (WARNING, told, mend) if free < DISK_COMFORTABLE else (OK, told, None)


def service(system: System) -> Finding:
    """The units of `deploy/systemd` as systemd sees them: systemctl(1), list-unit-files and show."""
    listed = system.command("systemctl", "list-unit-files", "--no-legend", "--plain", "edge-mdda*.service")
    if listed is None:
        return OK, "unknown: no systemd here", None
    units = {line.split()[0]: line.split()[1:2] for line in listed.splitlines() if "@." not in line and line.split()}
    if not units:
        return OK, "not installed", None
    told: list[str] = []
    mends: list[str] = []
    for unit, enabled in units.items():
        answer = system.command("systemctl", "show", unit, "--property=ActiveState,Result,NRestarts") or ""
        state = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
        active = state.get("ActiveState", "unknown")
        if active == "failed":
            return PROBLEM, f"{unit} failed: {state.get('Result')}", f"journalctl -u {unit} -n 50"
        if active == "inactive" and enabled == ["disabled"]:
            told.append(f"{unit} is not enabled")
            continue
        told.append(f"{unit} is {active}")
        if active != "active":
            mends.append(f"sudo systemctl enable --now {unit}")
        elif state.get("NRestarts", "0") not in ("", "0"):
            mends.append(f"journalctl -u {unit}")
            told.append(f"restarted {state['NRestarts']} times")
    if "memory" not in (system.read("/sys/fs/cgroup/cgroup.controllers") or "memory").split():
        told.append("their memory is not limited: this kernel was started without its control group for memory")
        mends.append("append cgroup_enable=memory to the line of /boot/firmware/cmdline.txt, start again")
    return WARNING if mends else OK, ", ".join(told), "; ".join(mends) or None


def _conditions(found: list[Condition], about: str, fine: str) -> Finding:
    """The conditions about one thing as a finding; grave ones are problems, and come first."""
    mine = sorted((condition for condition in found if condition.about == about), key=lambda c: not c.grave)
    if not mine:
        return OK, fine, None
    status = PROBLEM if mine[0].grave else WARNING
    mends = dict.fromkeys(condition.mend for condition in mine)
    return status, "; ".join(condition.found for condition in mine), "; ".join(mends)


def _clock_words(board: Board) -> str:
    known = board.clock
    if known.governor is None and known.now_mhz is None:
        return "unknown: this board does not tell"
    now = "" if known.now_mhz is None else f", {known.now_mhz:.0f} MHz now"
    return f"governor {known.governor or 'unknown'}{now}"
