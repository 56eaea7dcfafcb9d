"""What changes while a board works: clock, temperature, power, and what slows it down."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mdda.device import jetson, power, raspberry_pi
from edge_mdda.device.system import System

#: Thermal zones in the order of preference: the hottest spot of a Jetson, the processor's, an x86's.
ZONES = ("tj-thermal", "cpu-thermal", "CPU-therm", "x86_pkg_temp", "soc-thermal")


@dataclass(frozen=True)
class Reading:
    """One look at the sensors; what the board does not expose is None.

    Attributes:
        clock_mhz: of the fastest core.
        temperature_c: of the processor, °C.
        watts: drawn.
        flags: what slows the board down now, () for nothing.
    """

    clock_mhz: float | None
    temperature_c: float | None
    watts: float | None
    flags: tuple[str, ...] | None


class Sensors:
    """The sensors of a board; a class because over-current events only count from one reading to the next."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._events = jetson.over_current_events(system)

    def read(self) -> Reading:
        """Look at all of them; on a Raspberry Pi this takes some milliseconds, for its firmware's commands."""
        drawn = power.read(self._system)
        return Reading(
            clock_mhz=clock_mhz(self._system),
            temperature_c=temperature_c(self._system),
            watts=None if drawn is None else drawn.watts,
            flags=self._flags(),
        )

    def _flags(self) -> tuple[str, ...] | None:
        bits = raspberry_pi.throttling(self._system)
        cooling = cooling_devices(self._system)
        events = jetson.over_current_events(self._system)
        if bits is None and cooling is None and events is None:
            return None
        found = [*(bits.now if bits else ()), *(cooling or ())]
        if events is not None and events > (self._events or 0):
            found.append("over-current")
        self._events = events
        return tuple(found)


def clock_mhz(system: System) -> float | None:
    """Clock of the fastest core, MHz: an idle neighbour's is of no interest."""
    measured = raspberry_pi.clock_mhz(system)
    if measured is not None:
        return measured
    kilohertz = [
        system.number(path) for path in system.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
    ]
    known = [value for value in kilohertz if value is not None]
    return max(known) / 1000 if known else None


def temperature_c(system: System) -> float | None:
    """Temperature of the processor, °C; of the hottest zone where none has a name that we know.

    https://docs.kernel.org/driver-api/thermal/sysfs-api.html: millidegrees.
    """
    found = {}
    for path in system.glob("sys/class/thermal/thermal_zone[0-9]*/type"):
        degrees = system.number(path.replace("/type", "/temp"))
        if degrees is not None:
            found[system.read(path) or path] = degrees / 1000
    named = [found[zone] for zone in ZONES if zone in found]
    return named[0] if named else max(found.values(), default=None)


def cooling_devices(system: System) -> tuple[str, ...] | None:
    """Cooling devices that slow the processor down now: cpufreq's, and the alerts of a Jetson; fans do not count.

    None where the board has no such device.
    """
    active, known = [], False
    for path in system.glob("sys/class/thermal/cooling_device[0-9]*/type"):
        name = system.read(path) or ""
        if not name.startswith(("cpufreq", "thermal-cpufreq", "cpu-throttle-alert", "Processor")):
            continue
        state = system.number(path.replace("/type", "/cur_state"))
        known = known or state is not None
        if state:
            active.append(f"cooling: {name}")
    return tuple(active) if known else None
