"""Fill the generated sections of the project's README, and of models/README.md, from what was measured.

    python -m tools.readme

Each section stands between `<!-- generated: NAME -->` and `<!-- end -->`: an example of the command line, run here
and now; the model's headline from its card; when it does not answer from its record of `tools.doubt`; the presets, with
how they were chosen, from `models/presets.json`; the benchmark from `models/benchmark.json`, its growth from
`models/growth.json`, that of a batch from `models/scaling.json`; instructions on 64-bit ARM from `models/arm64.json`.
The models' page has the table of all bundles beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.arm64 import emulate
from edge_mdda.parameters import PRESETS
from tools import atomic, benchmark, card_page, doubt_page, evaluate, growth, scaling
from tools.sections import fill

SAMPLE = "models/samples/lesion_adversarial.png"
EXAMPLE_FIGURE = "models/samples/example.png"
SEED = 1


def example() -> str:
    """Run the README's example with a fixed seed: its output as a code block; draws its figure on the way."""
    options = ["classify", SAMPLE, "--seed", str(SEED), "--figure", EXAMPLE_FIGURE]
    environment = {**os.environ, "COLUMNS": "100"}
    result = subprocess.run(
        [sys.executable, "-m", "edge_mdda", *options], capture_output=True, text=True, check=True, env=environment
    )
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    return "```text\n" + "\n".join(lines).strip("\n") + "\n```"


def model(card: dict[str, Any]) -> str:
    """The card's headline, and the figure a reader must not miss: how many melanomas the model finds."""
    found = []
    for split in ("test", "external"):
        melanoma = card["measured"]["raw"][split]["int8"]["classes"]["MEL"]
        low, high = melanoma["sensitivity_95"]
        found.append(f"{melanoma['sensitivity']:.1%} ({low:.1%}–{high:.1%}) of {melanoma['images']} on `{split}`")
    return f"{card_page.headline(card)}\n\n**Of the melanomas it finds** {' and '.join(found)}: never rely on it."


def bundles(folder: Path) -> str:
    """The table of all measured bundles in a folder, made of their cards; ValueError when there is none."""
    cards = [json.loads(card.read_text()) for card in sorted(folder.glob("*/card.json"))]
    measured = [card for card in cards if "measured" in card]  # tools.convert alone makes a card without
    if not measured:
        raise ValueError(f"expected a bundle with a card of tools.card in {folder}, got none")
    return card_page.overview(measured)


def presets(report: dict[str, Any]) -> str:
    """The presets' parameters, and what `tools.presets` measured of those it chose and of the best."""
    parameters = [
        (f"`{name}`", p.sigma, p.blocks, p.weight, p.iterations, ", ".join(map(str, p.scales)))
        for name, p in PRESETS.items()
    ]
    figures: list[tuple[object, ...]] = [("no defence", *evaluate.cells(report["undefended"]), "")]
    for name, choice in report["presets"].items():
        best = max(choice["candidates"], key=lambda row: row["score"])
        figures.append((f"`{name}`", *evaluate.cells(choice["chosen"]), choice["screened"]))
        figures.append((f"{name}, best score", *evaluate.cells(best), ""))
        figures += [(f"{name}, {how}", *evaluate.cells(variant), "") for how, variant in choice["variants"].items()]
    attack = report["attack"]
    parts = [
        card_page.table(("preset", "σ", "blocks K", "weight w", "iterations", "scales"), parameters),
        f"Chosen by `python -m tools.presets` on `val` ({attack['clean_images']} clean images, {attack['images']} of "
        f"them attacked by PGD-{attack['steps']} at {attack['levels']}/255 on the float network, the attacker unaware "
        "of the defence): the cheapest candidate whose score, mean of the four figures, is at most one point below "
        "the best. For the paper's presets σ and K are given, and the energy must come within 0.9 % of its minimum.",
        card_page.table(
            ("on `val`", "clean: accuracy / balanced", "attacked: accuracy / balanced", "candidates"), figures
        ),
    ]
    return "\n\n".join(parts)


def main(
    page: Annotated[Path, typer.Option(help="The page to fill.")] = Path("README.md"),
    card: Annotated[Path, typer.Option(help="The shipped model's card.")] = Path("models/mobilenet_v2/card.json"),
    doubts: Annotated[Path, typer.Option(help="A record of tools.doubt.")] = Path("models/mobilenet_v2/doubt.json"),
    choice: Annotated[Path, typer.Option(help="A report of tools.presets.")] = Path("models/presets.json"),
    timings: Annotated[Path, typer.Option(help="A report of tools.benchmark.")] = Path("models/benchmark.json"),
    sizes: Annotated[Path, typer.Option(help="A report of tools.growth.")] = Path("models/growth.json"),
    batches: Annotated[Path, typer.Option(help="A report of tools.scaling.")] = Path("models/scaling.json"),
    models: Annotated[Path, typer.Option(help="The models' page to fill.")] = Path("models/README.md"),
    instructions: Annotated[Path, typer.Option(help="A report of deploy.arm64.emulate.")] = Path("models/arm64.json"),
) -> None:
    """Fill the generated sections of both pages."""
    text = page.read_text()
    text = fill(text, "example", example())
    text = fill(text, "model", model(json.loads(card.read_text())))
    text = fill(text, "doubt", doubt_page.summary(json.loads(doubts.read_text())))
    text = fill(text, "presets", presets(json.loads(choice.read_text())))
    text = fill(text, "benchmark", benchmark.markdown(json.loads(timings.read_text())))
    text = fill(text, "growth", growth.markdown(json.loads(sizes.read_text())))
    text = fill(text, "scaling", scaling.markdown(json.loads(batches.read_text())))
    text = fill(text, "arm64", emulate.markdown(json.loads(instructions.read_text())["instructions"]))
    atomic.write(page, text)
    atomic.write(models, fill(models.read_text(), "bundles", bundles(models.parent)))


if __name__ == "__main__":
    typer.run(main)
