"""Electrical power, from whatever the board measures: INA3221 of a Jetson, the power chip of a Pi 5, an INA2xx.

Units and names: https://docs.kernel.org/hwmon/sysfs-interface.html, https://docs.kernel.org/hwmon/ina3221.html. On
Jetson Orin modules the INA3221's inputs are VDD_IN, VDD_CPU_GPU_CV and VDD_SOC (tegra234-p3767.dtsi in Linux).
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_mdda.device import raspberry_pi
from edge_mdda.device.system import System


@dataclass(frozen=True)
class Power:
    """Watts now.

    Attributes:
        watts: of what `scope` says.
        scope: what is measured: a whole board's input is something else than the sum of a power chip's rails.
        rails: watts of each rail.
    """

    watts: float
    scope: str
    rails: dict[str, float]


def read(system: System) -> Power | None:
    """The power drawn now; None where the board does not measure it."""
    rails = _hwmon(system)
    if rails:
        whole = next((name for name in rails if name == "VDD_IN"), None)
        if whole is not None:
            return Power(rails[whole], "module input, VDD_IN", rails)
        return Power(sum(rails.values()), f"sum of {', '.join(rails)}", rails)
    rails = raspberry_pi.rails(system)
    if rails:
        return Power(sum(rails.values()), "sum of the power chip's rails, without its losses and USB", rails)
    return None


def _hwmon(system: System) -> dict[str, float]:
    """Watts by rail of INA3221 (millivolts times milliamperes) and of chips that measure power (microwatts)."""
    rails: dict[str, float] = {}
    for path in system.glob("sys/class/hwmon/hwmon*/name"):
        folder, chip = path.removesuffix("/name"), system.read(path) or ""
        if chip.startswith("ina3221"):
            # Channels 4 and above are shunt voltages and their sum: no rails of their own.
            for channel in (1, 2, 3):
                label = system.read(f"{folder}/in{channel}_label")
                millivolts = system.number(f"{folder}/in{channel}_input")
                milliamperes = system.number(f"{folder}/curr{channel}_input")
                if label and label != "NC" and millivolts is not None and milliamperes is not None:
                    rails[label] = millivolts * milliamperes / 1e6
        elif chip.startswith("ina2"):
            microwatts = system.number(f"{folder}/power1_input")
            if microwatts is not None:
                rails[chip] = microwatts / 1e6
    return rails
