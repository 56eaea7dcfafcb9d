"""`edge-mdda profile`: what this board can do, measured."""

from __future__ import annotations

import json
from pathlib import Path

from edge_mdda import output, terminal
from edge_mdda.device.plan import Plan
from edge_mdda.errors import OutputError
from edge_mdda.report import printable

#: As a file's name: standard output.
STANDARD_OUTPUT = Path("-")


def run(plan: Plan, json_file: Path | None, html_file: Path | None) -> int:
    """Measure, and write what was asked for; standard output gets the JSON if its file is "-", else lines to read.

    Returns exit code 0.

    Raises:
        EdgeMddaError: the model, the runtime, the image or an output cannot be used.
    """
    for file in (json_file, html_file):
        if file is not None and not file.parent.is_dir():  # half an hour later is too late to say so
            raise OutputError(f"expected a folder {file.parent}, got none")
    from edge_mdda.device import page, profile

    found = profile.measure(plan, say=terminal.complain)
    text = json.dumps(found, allow_nan=False)
    if json_file is not None and json_file != STANDARD_OUTPUT:
        output.write(json_file, f"{text}\n".encode())
    if html_file is not None:
        output.write(html_file, page.to_html(found).encode())
    terminal.say(text if json_file == STANDARD_OUTPUT else "\n".join(map(printable, page.to_lines(found))))
    return 0
