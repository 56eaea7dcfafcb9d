"""Fill the generated sections of `deploy/README.md`: how exposed the services are, and the last records of a soak, of a
load, of the proof on emulated ARM, and of a profile.

python -m tools.deploy_page

A record that is not there leaves its section as it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.arm64 import prove
from tools import atomic, hardening, load, soak
from tools.sections import fill


def profile_markdown(profile: dict[str, Any]) -> str:
    """A profile as the section of the page: each stage's median and 95th percentile, and LiteRT's own benchmark.

    Args:
        profile: of `edge-mdda profile --json`.
    """
    board, model, configurations = profile["board"], profile["model"], profile["configurations"]
    stages = list(configurations[0]["stages"])
    cells = {
        stage: " | ".join(
            f"{found['stages'][stage][part]:.2f}" for found in configurations for part in ("median", "p95")
        )
        for stage in stages
    }
    heads = (f"threads {found['threads']}: median | p95" for found in configurations)
    lines = [
        f"{board['processor'] or board['model']}, {board['cores']} cores, {board['architecture']}; {model['name']} "
        f"with {model['runtime']}, preset {profile['purification']['preset']}, an image of "
        f"{profile['image']['width']} × {profile['image']['height']}; milliseconds.",
        "",
        f"| stage | {' | '.join(heads)} |",
        f"| --- |{' ---: |' * (2 * len(configurations))}",
        *(f"| {stage.replace('_', ' ')} | {row} |" for stage, row in cells.items()),
    ]
    other = profile["litert_benchmark"]
    if other is not None:
        ours, theirs = (", ".join(f"{value:.2f}" for value in other[f"{who}_median_ms"]) for who in ("ours", "theirs"))
        told = other["explanation"]
        lines += [
            "",
            f"`litert-benchmark` on the same file in the same run, threads {other['threads']}, medians of "
            f"{other['runs']} inferences in ms: ours {ours}; theirs {theirs}. {told[0].upper()}{told[1:]}.",
        ]
    calls = "; ".join(
        f"{call['wall_ms'] / 1000:.1f} s, {call['peak_mib']:.0f} MiB, with the kernel cache {call['cache']}"
        for call in profile["first_calls"]
    )
    if calls:
        lines += ["", f"From the start of a process to its first answer, and the most memory it had: {calls}."]
    found = [condition["found"] for condition in profile["conditions"]]
    return "\n".join([*lines, *(["", f"While it ran: {'; '.join(found)}."] if found else [])])


def main(
    page: Annotated[Path, typer.Option(help="The page to fill.")] = Path("deploy/README.md"),
    record: Annotated[Path, typer.Option(help="A result of tools.soak.")] = Path("deploy/soak.json"),
    proof: Annotated[Path, typer.Option(help="A record of deploy.arm64.prove.")] = Path("deploy/arm64.json"),
    profile: Annotated[Path, typer.Option(help="Of edge-mdda profile.")] = Path("deploy/profile.json"),
    loaded: Annotated[Path, typer.Option(help="A result of tools.load.")] = Path("deploy/load.json"),
) -> None:
    """Fill the sections of the page."""
    text = fill(page.read_text(), "hardening", hardening.markdown())
    text = fill(text, "hardening of serve", hardening.markdown(hardening.SERVE))
    sections = {
        "soak": (record, soak.markdown),
        "arm64-proof": (proof, prove.markdown),
        "load": (loaded, load.markdown),
        "profile": (profile, profile_markdown),
    }
    for name, (file, markdown) in sections.items():
        if file.exists():
            text = fill(text, name, markdown(json.loads(file.read_text())))
        else:
            print(f"{file} is not there: the section {name} stays as it is", file=sys.stderr)
    atomic.write(page, text)


if __name__ == "__main__":
    typer.run(main)
