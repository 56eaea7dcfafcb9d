"""Fill the generated sections of `deploy/README.md`: how exposed the service is, what the last soak found, and the last
proof on emulated ARM.

python -m tools.deploy_page
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.arm64 import prove
from tools import atomic, hardening, soak
from tools.sections import fill


def main(
    page: Annotated[Path, typer.Option(help="The page to fill.")] = Path("deploy/README.md"),
    record: Annotated[Path, typer.Option(help="A result of tools.soak.")] = Path("deploy/soak.json"),
    proof: Annotated[Path, typer.Option(help="A record of deploy.arm64.prove.")] = Path("deploy/arm64.json"),
) -> None:
    """Fill the sections of the page."""
    text = fill(page.read_text(), "hardening", hardening.markdown())
    text = fill(text, "soak", soak.markdown(json.loads(record.read_text())))
    text = fill(text, "arm64-proof", prove.markdown(json.loads(proof.read_text())))
    atomic.write(page, text)


if __name__ == "__main__":
    typer.run(main)
