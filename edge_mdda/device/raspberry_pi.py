"""What a Raspberry Pi's firmware says: throttling, the true clock of the cores, the power of each rail.

Formats: https://www.raspberrypi.com/documentation/computers/os.html#vcgencmd (get_throttled, measure_clock,
pmic_read_adc); the file get_throttled, https://github.com/raspberrypi/linux/pull/2397; the alarm,
https://docs.kernel.org/hwmon/raspberrypi-hwmon.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_mdda.device.system import System

#: What is wrong, by its bit in `get_throttled`; 16 bits higher: it has been so since the start.
BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_SINCE_START = 16

_CLOCK = re.compile(r"frequency\(\d+\)=(\d+)")
_RAIL = re.compile(r"^\s*(\S+)_([AV])\s+(?:current|volt)\(\d+\)=(\d+\.\d+)[AV]\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Throttling:
    """What holds the board back, in the words of `BITS`: now, and at any time since it started."""

    now: tuple[str, ...]
    since_start: tuple[str, ...]


def throttling(system: System) -> Throttling | None:
    """Read the firmware's throttle bits; None where there are none, as on other boards.

    The kernel's file comes first, since it needs no process. Where only the voltage alarm is left, it is all we say.
    """
    for path in system.glob("sys/devices/platform/soc*/*firmware/get_throttled"):
        bits = _hexadecimal(system.read(path))
        if bits is not None:
            return _decode(bits)
    answer = system.command("vcgencmd", "get_throttled")
    if answer is not None and answer.startswith("throttled="):
        bits = _hexadecimal(answer.partition("=")[2])
        if bits is not None:
            return _decode(bits)
    for path in system.glob("sys/class/hwmon/hwmon*/name"):
        if system.read(path) == "rpi_volt":
            alarm = system.number(path.replace("/name", "/in0_lcrit_alarm"))
            if alarm is not None:
                return Throttling((BITS[0],) if alarm else (), ())
    return None


def clock_mhz(system: System) -> float | None:
    """The clock the cores really have, MHz.

    cpufreq's `scaling_cur_freq` stays at what was asked for while the firmware throttles
    (https://github.com/raspberrypi/linux/issues/2986).
    """
    found = _CLOCK.search(system.command("vcgencmd", "measure_clock", "arm") or "")
    return int(found[1]) / 1e6 if found else None


def rails(system: System) -> dict[str, float]:
    """Watts of each rail of the Raspberry Pi 5's power chip, those whose current and voltage are both measured."""
    readings: dict[str, dict[str, float]] = {}
    for name, kind, value in _RAIL.findall(system.command("vcgencmd", "pmic_read_adc") or ""):
        readings.setdefault(name, {})[kind] = float(value)
    return {name: of["A"] * of["V"] for name, of in readings.items() if len(of) == 2}


def _hexadecimal(text: str | None) -> int | None:
    try:
        return None if text is None else int(text.strip(), 16)
    except ValueError:
        return None


def _decode(bits: int) -> Throttling:
    return Throttling(
        tuple(name for bit, name in BITS.items() if bits >> bit & 1),
        tuple(name for bit, name in BITS.items() if bits >> (bit + _SINCE_START) & 1),
    )
