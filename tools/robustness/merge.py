"""Bring what one store holds into another: the results of several machines, or those that this repository keeps.

    python -m tools.robustness merge FROM --store INTO

What is in both counts once. Adversarial pictures stay where they are: a run that asks a new question about an example
makes its picture again.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from tools.robustness.store import DATABASE, Store

Origin = Annotated[Path, typer.Argument(metavar="FROM", help="Folder of the results to bring in.", show_default=False)]
Into = Annotated[Path, typer.Option("--store", metavar="INTO", help="Folder of the results that get them.")]


def merge(origin: Path, into: Path) -> int:
    """Bring the results of one folder into another; returns how many answers it did not have.

    Raises:
        FileNotFoundError: no results to bring in.
        ValueError: one of them holds results of another version of this program.
    """
    if not (origin / DATABASE).is_file():
        raise FileNotFoundError(f"expected the results of a run in {origin}, got no {DATABASE}")
    Store(origin).close()  # refuses another version
    with closing(Store(into)) as store:
        return store.take(origin / DATABASE)


def main(origin: Origin, into: Into = Path("runs/robustness")) -> None:
    """Bring what one store holds into another; what is in both counts once."""
    try:
        count = merge(origin, into)
    except (FileNotFoundError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(f"{count} answers brought from {origin} into {into}")
