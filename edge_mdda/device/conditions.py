"""Conditions under which a board is slower, or its timings worth less, than they could be; each with its mend."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from edge_mdda.device import raspberry_pi, sensors
from edge_mdda.device.board import Board
from edge_mdda.device.system import System

#: Part of all cores' time that others may use before it is other load.
OTHER_LOAD = 0.1
#: °C; a Raspberry Pi slows down from 80 on, a Jetson Orin at 99.
HOT, HOT_JETSON = 80, 95
COOL = "cool it: heat sink, fan, room around it"
#: Power modes of a Jetson without a limit of their own.
UNLIMITED = ("MAXN", "MAXN_SUPER")


@dataclass(frozen=True)
class Condition:
    """What is amiss.

    Attributes:
        about: "clock", "power", "temperature", "memory" or "load".
        grave: whether it is a fault, such as under-voltage now, and not only a slower setting.
        found: in a sentence.
        mend: what to do about it.
    """

    about: str
    grave: bool
    found: str
    mend: str


def find(system: System, board: Board, busy: float | None = None) -> list[Condition]:
    """All that is amiss.

    Args:
        system: where the board is read from.
        board: what was read from it.
        busy: part of all cores' time used by others, as `busy_part` measures it; None to leave it out.
    """
    return [*_clock(board), *_power(system), *_temperature(system, board), *_memory(board), *load(busy)]


def busy_part(system: System, seconds: float = 0.5) -> float | None:
    """Part of all cores' time that is used while this process sleeps, in [0, 1]; None where /proc/stat does not say."""
    before = _jiffies(system)
    time.sleep(seconds)
    after = _jiffies(system)
    if before is None or after is None:
        return None
    idle, total = after[0] - before[0], after[1] - before[1]
    return None if total <= 0 else max(0.0, 1 - idle / total)


def _jiffies(system: System) -> tuple[int, int] | None:
    """Idle and total time of all cores, from the first line of /proc/stat: proc(5), fields 4 and 5 are idle."""
    numbers = (system.read("/proc/stat") or "").partition("\n")[0].split()[1:9]
    if len(numbers) < 5 or not all(number.isdecimal() for number in numbers):
        return None
    spent = [int(number) for number in numbers]
    return spent[3] + spent[4], sum(spent)


def _clock(board: Board) -> list[Condition]:
    found = []
    governor = board.clock.governor
    if governor not in (None, "performance") and not (board.jetson and board.jetson.clocks_locked):
        mend = (
            "sudo jetson_clocks"
            if board.jetson
            else "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        )
        found.append(Condition("clock", False, f"the governor is {governor}, not performance", mend))
    mode = board.jetson.power_mode if board.jetson else None
    if mode is not None and mode not in UNLIMITED:
        found.append(
            Condition(
                "clock",
                False,
                f"the power mode is {mode}",
                "sudo nvpmodel -q --verbose lists them, sudo nvpmodel -m N sets one",
            )
        )
    return found


def _power(system: System) -> list[Condition]:
    bits = raspberry_pi.throttling(system)
    if bits is None:
        return []
    mends = {
        "under-voltage": "use the board's own power supply and a short cable",
        "frequency capped": "see under-voltage and temperature",
        "throttled": "cool it: heat sink, fan, room around it; see under-voltage too",
        "soft temperature limit": COOL,
    }
    now = [Condition("power", True, f"{name} now", mends[name]) for name in bits.now]
    past = [name for name in bits.since_start if name not in bits.now]
    return now + [Condition("power", False, f"{name} since it started", mends[name]) for name in past]


def _temperature(system: System, board: Board) -> list[Condition]:
    found = []
    degrees = sensors.temperature_c(system)
    if degrees is not None and degrees >= (HOT_JETSON if board.jetson else HOT):
        found.append(Condition("temperature", True, f"{degrees:.0f} °C", COOL))
    found += [
        Condition("temperature", True, f"slowed down by {device}", COOL)
        for device in sensors.cooling_devices(system) or ()
    ]
    return found


def _memory(board: Board) -> list[Condition]:
    used = board.memory.swap_used_mib
    if not used:
        return []
    return [Condition("memory", False, f"{used:.0f} MiB of swap in use", "stop what needs the memory: free -h, top")]


def load(busy: float | None) -> list[Condition]:
    """What the part of all cores' time that others use, as `busy_part` measures it, amounts to."""
    if busy is None or busy < OTHER_LOAD:
        return []
    return [
        Condition("load", False, f"others use {busy:.0%} of the {os.cpu_count()} cores", "stop them: top shows which")
    ]
