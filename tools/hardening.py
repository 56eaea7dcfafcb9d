"""What systemd says of the units in `deploy/systemd`: whether they are valid, and how exposed the services are.

Nothing has to be installed for it but systemd-analyze (systemd 250 or later: `--offline`).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

UNITS = Path(__file__).resolve().parents[1] / "deploy" / "systemd"
WATCH = UNITS / "edge-mdda-watch.service"
SERVE = UNITS / "edge-mdda-serve.service"


def verify(unit: Path) -> str:
    """What `systemd-analyze verify` has to say against a unit; empty if it is valid."""
    with _installed(unit) as copy:
        result = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
    said = (result.stdout + result.stderr).strip()
    return said or (f"systemd-analyze verify ended with {result.returncode}" if result.returncode else "")


def exposure(unit: Path) -> tuple[float, list[tuple[str, str, str]]]:
    """The exposure level, 0 (safe) to 10 (unsafe), and what makes it up: name, description and share of each setting.

    Raises:
        ValueError: systemd-analyze gave no level.
    """
    with _installed(unit) as copy:
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
        text = subprocess.run([*command, copy], capture_output=True, text=True).stdout
        settings = subprocess.run([*command, "--json=short", copy], capture_output=True, text=True).stdout
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
    if level is None:
        raise ValueError(f"expected an exposure level from systemd-analyze, got {text[-200:]!r}")
    left = [item for item in json.loads(settings) if item["exposure"] is not None]
    return float(level[1]), [(item["name"], item["description"], item["exposure"]) for item in left]


def markdown(unit: Path = WATCH) -> str:
    """The level and what is left open, as a section of the page."""
    level, left = exposure(unit)
    version = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True).stdout.split()[1]
    # A bar in a setting's name would end the cell.
    cells = [(name.replace("|", "\\|"), description, share) for name, description, share in sorted(left)]
    rows = [f"| `{name}` | {description} | {share} |" for name, description, share in cells]
    return "\n".join(
        [
            f"`systemd-analyze security --offline=true` (systemd {version}) gives `{unit.name}` an exposure level of "
            f"**{level}** on its scale from 0 (safe) to 10 (unsafe). What is left open:",
            "",
            "| setting | what it says | share |",
            "| --- | --- | ---: |",
            *rows,
        ]
    )


@contextmanager
def _installed(unit: Path) -> Iterator[Path]:
    """A copy of the unit as it would be installed here, with a program that exists."""
    program = shutil.which("true") or "/bin/true"
    with TemporaryDirectory() as folder:
        copy = Path(folder) / unit.name
        text = unit.read_text().replace("/opt/edge-mdda/current/bin/edge-mdda", program)
        copy.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
        yield copy
