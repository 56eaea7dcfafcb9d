"""Which board this is: model, chip, cores, clocks, memory, system and the versions that decide its speed.

Formats: the device tree's root properties "model" and "compatible" (https://www.devicetree.org), proc(5),
os-release(5), cpufreq (https://docs.kernel.org/admin-guide/pm/cpufreq.html).
"""

from __future__ import annotations

import os
import platform
import re
import struct
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import edge_mdda
from edge_mdda.device import jetson, sensors
from edge_mdda.device.jetson import Jetson
from edge_mdda.device.system import System

#: Names of cores by the part number in /proc/cpuinfo, as in lscpu (util-linux, sys-utils/lscpu-arm.c).
ARM_CORES = {
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
}
_ARM = 0x41
LIBRARIES = (
    "numpy",
    "numba",
    "llvmlite",
    "opencv-python-headless",
    "opencv-python",
    "ai-edge-litert",
    "tflite-runtime",
)


@dataclass(frozen=True)
class Clock:
    """Of the first core, MHz; the governor is what chooses between lowest and highest."""

    governor: str | None
    lowest_mhz: float | None
    highest_mhz: float | None
    now_mhz: float | None


@dataclass(frozen=True)
class Memory:
    """In MiB."""

    total_mib: float | None
    available_mib: float | None
    swap_total_mib: float | None
    swap_used_mib: float | None


@dataclass(frozen=True)
class Board:
    """What a measurement depends on; None is what the board does not say.

    Attributes:
        model: as its device tree calls it: "Raspberry Pi 5 Model B Rev 1.0"; of a PC, its maker's name for it.
        soc: the chip, the last of the device tree's "compatible": "brcm,bcm2712".
        processor: kind of the cores: "Cortex-A76".
        architecture: of the kernel: "aarch64".
        userland_bits: of this Python: 32 or 64.
        cores: online.
        cores_allowed: to this process.
        clock: of the first core.
        memory: when it was looked at.
        page_bytes: size of a memory page: 16384 on a Raspberry Pi 5 by default.
        kernel: release.
        system: pretty name in os-release.
        jetson: what is particular to a Jetson, None on other boards.
        versions: of Python, this package and the libraries that are installed.
    """

    model: str | None
    soc: str | None
    processor: str | None
    architecture: str
    userland_bits: int
    cores: int | None
    cores_allowed: int
    clock: Clock
    memory: Memory
    page_bytes: int
    kernel: str
    system: str | None
    jetson: Jetson | None
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As the profile's JSON has it."""
        return asdict(self)


def read(system: System) -> Board:
    """Identify the board."""
    compatible = [name for name in (system.read("/proc/device-tree/compatible") or "").split("\0") if name]
    cpuinfo = system.read("/proc/cpuinfo") or ""
    return Board(
        model=system.read("/proc/device-tree/model") or _maker(system),
        soc=compatible[-1] if compatible else None,
        processor=_processor(cpuinfo),
        architecture=platform.machine(),
        userland_bits=8 * struct.calcsize("P"),
        cores=len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or None,
        cores_allowed=len(os.sched_getaffinity(0)),
        clock=_clock(system),
        memory=memory(system),
        page_bytes=os.sysconf("SC_PAGE_SIZE"),
        kernel=system.read("/proc/sys/kernel/osrelease") or platform.release(),
        system=_os_release(system),
        jetson=jetson.read(system),
        versions=versions(),
    )


def memory(system: System) -> Memory:
    """What /proc/meminfo says."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", system.read("/proc/meminfo") or "", re.MULTILINE))
    total, free = _mib(found.get("SwapTotal")), _mib(found.get("SwapFree"))
    return Memory(
        total_mib=_mib(found.get("MemTotal")),
        available_mib=_mib(found.get("MemAvailable")),
        swap_total_mib=total,
        swap_used_mib=None if total is None or free is None else total - free,
    )


def versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries that are installed."""
    found = {"python": platform.python_version(), "edge-mdda": edge_mdda.__version__}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _clock(system: System) -> Clock:
    folder = "/sys/devices/system/cpu/cpu0/cpufreq"
    lowest, highest = (system.number(f"{folder}/cpuinfo_{end}_freq") for end in ("min", "max"))
    return Clock(
        governor=system.read(f"{folder}/scaling_governor") or None,
        lowest_mhz=None if lowest is None else lowest / 1000,
        highest_mhz=None if highest is None else highest / 1000,
        now_mhz=sensors.clock_mhz(system),
    )


def _maker(system: System) -> str | None:
    """What the firmware of a PC calls it."""
    names = [system.read(f"/sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    return " ".join(name for name in names if name) or None


def _processor(cpuinfo: str) -> str | None:
    """The kinds of cores, the names that x86 kernels print or those of ARM's part numbers."""
    names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    makers = re.findall(r"^CPU implementer\s*:\s*0x([0-9a-fA-F]+)$", cpuinfo, re.MULTILINE)
    parts = re.findall(r"^CPU part\s*:\s*0x([0-9a-fA-F]+)$", cpuinfo, re.MULTILINE)
    if parts:
        names = [
            ARM_CORES.get(int(part, 16), f"ARM part 0x{part}") if int(maker, 16) == _ARM else f"0x{maker} part 0x{part}"
            for maker, part in zip(makers, parts, strict=False)
        ]
    return ", ".join(dict.fromkeys(name.strip() for name in names)) or None


def _os_release(system: System) -> str | None:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)"?$', system.read("/etc/os-release") or "", re.MULTILINE)
    return found[1] if found else None


def _mib(kibibytes: str | None) -> float | None:
    return None if kibibytes is None else round(int(kibibytes) / 1024, 1)
