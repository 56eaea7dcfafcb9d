"""Profile a board over ssh, and bring the file back.

    python -m tools.profile pi@raspberrypi.local --out pi5.json -- --threads 1,2,4 --minutes 30

It runs `edge-mdda profile --json -` there by OpenSSH, with whatever follows `--`; nothing is left on the board. The
file is written whole, and only if it is a profile. `edge-mdda compare` holds several against each other.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_mdda.device import profile
from edge_mdda.errors import EdgeMddaError
from tools import atomic


def fetch(target: str, program: str, options: list[str], ssh: str) -> dict[str, Any]:
    """Run a profile on a board; what it measured.

    Args:
        target: as OpenSSH takes it: user@host, or a name of its configuration.
        program: shell words that start `edge-mdda` there.
        options: of `edge-mdda profile`, quoted here.
        ssh: the command, with its options: "ssh -p 2222".

    Raises:
        RuntimeError: ssh or the program there failed; what they say goes to standard error as it comes.
        EdgeMddaError: what came back is no profile.
    """
    if target.startswith("-"):
        raise RuntimeError(f"expected user@host, got the option {target}")
    there = f"{program} profile --json - {shlex.join(options)}"
    done = subprocess.run([*shlex.split(ssh), "--", target, there], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError(f"expected a profile from {target}, got exit code {done.returncode}")
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"expected JSON from {target}, got: {error}") from None
    return profile.check(found, target)


def main(
    target: Annotated[str, typer.Argument(metavar="USER@HOST", help="As OpenSSH takes it.")],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[-- OPTION...]", help="Options of `edge-mdda profile` there.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the profile goes.")] = Path("profile.json"),
    program: Annotated[
        str, typer.Option(help="Shell words that start the program there, as ~/edge-mdda/.venv/bin/edge-mdda.")
    ] = "edge-mdda",
    ssh: Annotated[str, typer.Option(help="The ssh command, with its options, as 'ssh -p 2222 -i key'.")] = "ssh",
) -> None:
    """Profile a board over ssh, and bring the file back."""
    try:
        found = fetch(target, program, options or [], ssh)
        atomic.write(out, json.dumps(found) + "\n")
    except (RuntimeError, EdgeMddaError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{out}: {found['board']['model'] or found['board']['processor'] or target}")


if __name__ == "__main__":
    typer.run(main)
