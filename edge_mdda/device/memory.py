"""Memory of this process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Resident:
    """In MiB; None where the kernel does not say."""

    now_mib: float | None
    peak_mib: float | None


def resident() -> Resident:
    """VmRSS and VmHWM of /proc/self/status, proc(5). The latter counts from exec, unlike ru_maxrss, which a child
    takes over from its parent."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return Resident(None, None)
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", text, re.MULTILINE))
    return Resident(*(round(int(found[name]) / 1024, 1) if name in found else None for name in ("VmRSS", "VmHWM")))
