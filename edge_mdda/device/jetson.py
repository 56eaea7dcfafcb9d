"""What a Jetson says of itself: release, power mode, whether its clocks are locked, over-current events.

Formats: NVIDIA Jetson Linux Developer Guide r36, "Platform Power and Performance", Jetson Orin series
(https://docs.nvidia.com/jetson/archives/r36.3/DeveloperGuide/SD/PlatformPowerAndPerformance.html); `nvpmodel -q` and
`jetson_clocks --show` as recorded on an Orin Nano.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_mdda.device.system import System

_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")
_MODE = re.compile(r"NV Power Mode:\s*(\S+)")
_CPU = re.compile(r"^cpu\d+:\s+Online=1 .*?MinFreq=(\d+) MaxFreq=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Jetson:
    """What is particular to a Jetson; None where it does not say.

    Attributes:
        release: of Jetson Linux, as "36.4.7"; JetPack 6 is 36.
        power_mode: as `nvpmodel` calls it: "25W", "MAXN_SUPER".
        clocks_locked: whether `jetson_clocks` holds all cores at their highest clock.
    """

    release: str | None
    power_mode: str | None
    clocks_locked: bool | None


def read(system: System) -> Jetson | None:
    """What a Jetson says; None on other boards."""
    release = _RELEASE.search(system.read("/etc/nv_tegra_release") or "")
    model = system.read("/proc/device-tree/model") or ""
    if release is None and "Jetson" not in model:
        return None
    mode = _MODE.search(system.command("nvpmodel", "-q") or "")
    return Jetson(
        release=f"{release[1]}.{release[2]}" if release else None,
        power_mode=mode[1] if mode else None,
        clocks_locked=_locked(system),
    )


def over_current_events(system: System) -> int | None:
    """How often the board was slowed for too low a voltage or too high a current since it started; None if not told."""
    counts = [system.number(path) for path in system.glob("sys/class/hwmon/hwmon*/oc[0-9]_event_cnt")]
    known = [int(count) for count in counts if count is not None]
    return sum(known) if known else None


def _locked(system: System) -> bool | None:
    """By `jetson_clocks --show`, which needs root; without it by cpufreq, whose limits it sets: lowest and highest."""
    limits = [(int(low), int(high)) for low, high in _CPU.findall(system.command("jetson_clocks", "--show") or "")]
    if not limits:
        for path in system.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_min_freq"):
            low, high = system.number(path), system.number(path.replace("min_freq", "max_freq"))
            if low is not None and high is not None:
                limits.append((int(low), int(high)))
    return all(low == high for low, high in limits) if limits else None
