"""`edge-mdda doctor`: whether this device is fit for its work."""

from __future__ import annotations

from pathlib import Path

from edge_mdda import terminal

#: What the program ends with where there is a problem.
UNFIT = 7
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def run(model: Path | None, json: bool) -> int:
    """Look at everything, and say what was found; exit code 0, or `UNFIT` where something is a problem."""
    from edge_mdda.device import doctor

    with terminal.native_messages():
        checks = doctor.examine(model)
    if json:
        terminal.say(doctor.to_json(checks))
    else:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table("", "", box=SIMPLE_HEAD)
        table.add_column("found", overflow="fold")
        for check in checks:
            found = Text(check.found)
            if check.mend:
                found.append(f"\n→ {check.mend}", "dim")
            table.add_row(Text(check.status, _COLOURS[check.status]), check.name, found)
        terminal.say(terminal.render(table))
    return UNFIT if doctor.worst(checks) == "problem" else 0
