"""The tables of a store, and every cell of it as numbers.

    python -m tools.robustness table --out DIR [--page tools/robustness/README.md]

Writes table.md (see `tools.robustness.page`), and every cell with its intervals into cells.csv and cells.json.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from tools import atomic, card, readme
from tools.robustness import accuracy_kept, page, results, wording
from tools.robustness.results import Cell
from tools.robustness.store import Store

SCHEMA = "edge-mdda/robustness/1"
PAPER = Path(__file__).with_name("paper.json")


def rows(cells: Sequence[Cell], references: Sequence[str]) -> list[dict[str, Any]]:
    """Every cell as plain numbers, with 95 % intervals."""
    found = []
    best = {split: accuracy_kept.best_reference(cells, references, split) for split in {cell.split for cell in cells}}
    for cell in sorted(cells, key=wording.order):
        measured = cell.measured
        reference = best[cell.split]
        kept = results.kept([cell], reference) if reference else None
        firsts = list(results.firsts(cell, results.behind(cells, cell)).values())
        fell = [each for each in firsts if np.isfinite(each)]
        found.append(
            {
                **{name: getattr(cell, name) for name in ("split", "victim", "source", "attack", "strength", "unit")},
                **{name: getattr(cell, name) for name in ("steps", "looks", "knows", "known", "defence")},
                "images": len(cell.images),
                "repetitions": len(cell.logits),
                **{
                    name: measured[name]
                    for name in ("accuracy", "accuracy_95", "balanced_accuracy", "balanced_accuracy_95")
                },
                "kept": kept and kept["kept"],
                "kept_95": kept and kept["kept_95"],
                "defence_ms": float(np.median(cell.seconds) * 1000),
                "attack_s": _median(cell.facts_of("seconds")),
                "linf": _median(cell.facts_of("linf")),
                "l2": _median(cell.facts_of("l2")),
                "fell": len(fell) if firsts else None,
                "fell_after": _median(fell),
                "confusion": measured["confusion"],
            }
        )
    return card.rounded(found)


def _median(values: Sequence[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def comma_separated(found: Sequence[dict[str, Any]]) -> str:
    """Cells as CSV, an interval in two columns, without the confusion matrices."""
    flat = []
    for row in found:
        line: dict[str, Any] = {}
        for name, value in row.items():
            if name.endswith("_95"):
                line[f"{name}_low"], line[f"{name}_high"] = value or (None, None)
            elif name != "confusion":
                line[name] = value
        flat.append(line)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def as_json(found: Sequence[dict[str, Any]], references: Sequence[str]) -> str:
    """Cells as JSON, a line each."""
    head = json.dumps({"schema": SCHEMA, "references": references})[:-1]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in found)
    return f'{head}, "cells": [\n{lines}\n]}}\n'


def open_store(folder: Path) -> tuple[Store, list[Cell]]:
    """A store that has been run; BadParameter when there is nothing in it."""
    if not folder.is_dir():
        raise typer.BadParameter(f"expected results of python -m tools.robustness run in {folder}, got no such folder")
    store = Store(folder)
    try:
        cells = results.read(store)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not cells:
        raise typer.BadParameter(f"expected results of python -m tools.robustness run in {folder}, got none")
    return store, cells


References = Annotated[
    list[str] | None,
    typer.Option(
        "--reference",
        help="Plainly trained victims, the best of which is undefended 100 % kept; by default "
        f"{' and '.join(accuracy_kept.REFERENCES)}.",
    ),
]
StoreFolder = Annotated[Path, typer.Option("--store", help="Folder of the results.")]
PageFile = Annotated[Path | None, typer.Option("--page", help="A page whose generated sections are filled too.")]


def main(
    out: Annotated[Path, typer.Option(help="Folder of the reports.")],
    folder: StoreFolder = Path("runs/robustness"),
    reference: References = None,
    page_file: PageFile = None,
) -> None:
    """Write the tables of a store as Markdown, CSV and JSON."""
    store, cells = open_store(folder)
    references = reference or list(accuracy_kept.REFERENCES)
    text = page.write(cells, references, json.loads(PAPER.read_text()))
    found = rows(cells, references)
    atomic.write(out / "table.md", text)
    atomic.write(out / "cells.csv", comma_separated(found))
    atomic.write(out / "cells.json", as_json(found, references))
    if page_file is not None:
        filled = readme.fill(page_file.read_text(), "tables", text)
        atomic.write(page_file, readme.fill(filled, "runs", page.runs(store)))
    store.close()
    typer.echo(text)
