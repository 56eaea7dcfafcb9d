"""Whether this device is fit for its work: one line each, with the mend where something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_mdda.device import board, examinations
from edge_mdda.device.board import Board
from edge_mdda.device.examinations import OK, PROBLEM, WARNING, Finding, Status
from edge_mdda.device.system import System

SCHEMA = "edge-mdda/doctor/1"
_ORDER: tuple[Status, ...] = (OK, WARNING, PROBLEM)


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, and what was found."""

    name: str
    status: Status
    found: str
    mend: str | None


def examine(model: Path | None = None, system: System | None = None, known: Board | None = None) -> list[Check]:
    """Look at everything; what cannot even be looked at is a problem too, never a traceback.

    Args:
        model: a bundle's folder; the shipped one by default.
        system: the machine; this one by default.
        known: its board, if it was read already.
    """
    system = system or System()
    seen = known or board.read(system)
    looks: dict[str, Callable[[], Finding]] = {
        "architecture": lambda: examinations.architecture(seen),
        "userland": lambda: examinations.userland(seen),
        "memory": lambda: examinations.memory(seen),
        "runtime": lambda: examinations.runtime(),
        "numpy": lambda: examinations.numpy_pair(seen),
        "kernel cache": lambda: examinations.kernels(),
        "model": lambda: examinations.bundle(model),
        "clock": lambda: examinations.clock(system, seen),
        "power": lambda: examinations.power(system, seen),
        "temperature": lambda: examinations.temperature(system, seen),
        "load": lambda: examinations.load(system),
        "camera": lambda: examinations.camera(system),
        "disk": lambda: examinations.disk(),
        "service": lambda: examinations.service(system),
    }
    return [_check(name, look) for name, look in looks.items()]


def worst(checks: Sequence[Check]) -> Status:
    """The worst status of all."""
    return max((check.status for check in checks), key=_ORDER.index, default=OK)


def to_json(checks: Sequence[Check]) -> str:
    """One line of JSON: {"schema", "status": the worst, "checks": [{"name", "status", "found", "mend"}]}."""
    return json.dumps({"schema": SCHEMA, "status": worst(checks), "checks": [asdict(check) for check in checks]})


def _check(name: str, look: Callable[[], Finding]) -> Check:
    try:
        status, found, mend = look()
    except Exception as error:  # whatever is broken, the other lines are to be read too
        status, found = PROBLEM, f"could not be looked at: {type(error).__name__}: {error}"
        mend = "install it again: deploy/install.sh, or pip install --force-reinstall edge-mdda"
    return Check(name, status, found, mend)
