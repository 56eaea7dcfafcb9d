"""`edge-mdda batch`: a folder or a data set in; purified images, a table and a summary out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mdda import terminal
from edge_mdda.assessor import Settings
from edge_mdda.errors import ImageError, ParameterError
from edge_mdda.report import printable

if TYPE_CHECKING:
    from edge_mdda.batch.pictures import Picture
    from edge_mdda.batch.target import Target

FAILURES, SUMMARY, PAGE, FIGURE = "failures.csv", "summary.json", "summary.html", "summary.svg"
_LARGEST = 256


@dataclass(frozen=True)
class Options:
    """The options of the command, checked."""

    settings: Settings
    seed: int
    split: str | None
    images: bool
    table: str
    workers: int
    scheduler: str | None

    def __post_init__(self) -> None:
        from edge_mdda.batch import table
        from edge_mdda.batch.cluster import LOCAL

        if not 1 <= self.workers <= _LARGEST:
            raise ParameterError(f"expected --workers in [1, {_LARGEST}], got {self.workers}")
        if self.scheduler not in (None, LOCAL):
            if "://" not in str(self.scheduler):
                raise ParameterError(f"expected --scheduler {LOCAL} or tcp://HOST:PORT, got {self.scheduler!r}")
            if self.workers > 1:
                raise ParameterError(f"expected --workers or --scheduler {self.scheduler}, got both")
        if self.table in (FAILURES, SUMMARY, PAGE, FIGURE):
            raise ParameterError(f"expected another name for --table, got {self.table}, which has the failures")
        table.check(self.table)


def run(source: Path, folder: Path, options: Options) -> int:
    """Do every image that is not done yet, then write tables and summary.

    Returns the exit code: 0, or that of an `ImageError` if an image failed.

    Raises:
        EdgeMddaError: what stops all images: wrong folders, the model, the runtime, a full disk, the cluster.
    """
    from edge_mdda.batch import cluster, pictures, work
    from edge_mdda.batch.run import Run
    from edge_mdda.batch.target import Target

    for inner, outer in ((folder, source), (source, folder)):
        if inner.resolve().is_relative_to(outer.resolve()):
            raise ParameterError(f"expected SRC and DST apart, got {inner} inside {outer}")
    found, unreadable = pictures.find(source, options.split)
    identity = work.identity(options.settings)
    described = {**identity, "seed": options.seed, "images": options.images}
    target = Target(folder, described)
    try:
        if target.damaged:
            terminal.complain(f"warning: expected a whole ledger in {folder}, got {target.damaged} damaged lines")
        with (
            cluster.connect(options.workers, options.scheduler) as client,
            terminal.counting("images", len(found)) as advance,
        ):
            Run(
                found,
                target,
                options.settings,
                identity,
                seed=options.seed,
                images=options.images,
                say=terminal.complain,
                advance=advance,
            ).do(client)
        return _finish(target, found, unreadable, described, options.table)
    finally:
        target.close()


def _finish(
    target: Target, found: list[Picture], unreadable: dict[str, str], described: dict[str, object], name: str
) -> int:
    """Write the tables and the summary, and say it; returns the exit code."""
    from edge_mdda.batch import figures, page, summary, table

    rows, failures = [], []
    for picture in found:
        entry = target.entries[picture.name]
        if "report" in entry:
            rows.append(table.row(picture, entry))
        else:
            kind, message = entry["error"]
            failures.append({"name": picture.name, "sha256": entry["sha256"], "kind": kind, "message": message})
    for place, message in sorted(unreadable.items()):
        terminal.complain(f"{place}: {message}")
        failures.append({"name": place, "sha256": None, "kind": ImageError.__name__, "message": message})
    failures = [{key: value and table.text(value) for key, value in failure.items()} for failure in failures]

    overall = summary.compute(described, rows, failures)
    target.put(name, table.encode(name, rows))
    target.put(FAILURES, table.to_csv(["name", "sha256", "kind", "message"], failures))
    target.put(FIGURE, figures.file(overall).encode())
    target.put(PAGE, page.to_html(overall).encode())
    target.put(SUMMARY, json.dumps(overall, indent=1, ensure_ascii=False).encode() + b"\n")
    if overall["scored"]:
        terminal.say(terminal.render(page.to_table(overall)))
    terminal.say(page.sentence(overall))
    terminal.say(printable(f"{target.folder / name}, {target.folder / PAGE}"))
    if failures:
        terminal.complain(f"{len(failures)} failed, see {target.folder / FAILURES}; the next run tries them again")
    return ImageError.exit_code if failures else 0
