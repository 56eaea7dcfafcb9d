"""Fill the generated sections of `deploy/README.md`: how exposed the services are, what the last soak and load found.

python -m tools.deploy_page
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tools import atomic, hardening, load, soak
from tools.sections import fill


def main(
    page: Annotated[Path, typer.Option(help="The page to fill.")] = Path("deploy/README.md"),
    record: Annotated[Path, typer.Option(help="A result of tools.soak.")] = Path("deploy/soak.json"),
    loaded: Annotated[Path, typer.Option(help="A result of tools.load.")] = Path("deploy/load.json"),
) -> None:
    """Fill the sections of the page."""
    text = fill(page.read_text(), "hardening", hardening.markdown())
    text = fill(text, "hardening of serve", hardening.markdown(hardening.SERVE))
    text = fill(text, "load", load.markdown(json.loads(loaded.read_text())))
    text = fill(text, "soak", soak.markdown(json.loads(record.read_text())))
    atomic.write(page, text)


if __name__ == "__main__":
    typer.run(main)
