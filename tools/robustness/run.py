"""Craft what a store lacks, and ask the victims about it: `python -m tools.robustness run`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from edge_mdda.batch import cluster
from tools import dataset
from tools.machine import machine
from tools.robustness import attacks as attack_table
from tools.robustness import corruptions, defences, plan, universal, work
from tools.robustness.plan import CLEAN, UNIVERSAL, Craft, Job
from tools.robustness.store import Store
from tools.robustness.victims import Victim

STORE = Path("runs/robustness")

ATTACK_GROUPS = {
    **attack_table.GROUPS,
    "corruptions": tuple(corruptions.CORRUPTIONS),
    "all": (CLEAN, *attack_table.ATTACKS, UNIVERSAL, *corruptions.CORRUPTIONS),
}

Folder = Annotated[Path, typer.Option("--store", help="Folder of the results.")]


@contextmanager
def refused() -> Iterator[None]:
    """What was asked for wrongly, as an error of the command line."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None


def main(
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    model: Annotated[
        list[str], typer.Option(help="NAME=PATH of a victim: a checkpoint, or a bundle that is attacked through it.")
    ],
    attacks: Annotated[
        str, typer.Option(help=f"Names joined by commas, or groups: {', '.join(ATTACK_GROUPS)}.")
    ] = "clean,paper",
    defence_names: Annotated[
        str, typer.Option("--defences", help=f"Likewise; groups: {', '.join(defences.GROUPS)}.")
    ] = "all",
    source: Annotated[
        list[str] | None, typer.Option(help="Names of the checkpoints whose gradients are used, all by default.")
    ] = None,
    ask: Annotated[
        list[str] | None, typer.Option(help="Names of the models that are asked about each example, all by default.")
    ] = None,
    epsilons: Annotated[str, typer.Option(help="Radii of the L∞ ball in 1/255.")] = "2,4,8",
    split: Annotated[str, typer.Option(help=f"One of {', '.join(dataset.SPLITS)}.")] = "test",
    limit: Annotated[int | None, typer.Option(help="Only so many images, in a fixed random order.", min=1)] = None,
    repetitions: Annotated[int, typer.Option(help="Draws of the defence's noise for each image.", min=1)] = 1,
    folder: Folder = STORE,
    workers: Annotated[int, typer.Option(help="Processes; more than one form a Dask cluster.", min=1)] = 1,
    scheduler: Annotated[str | None, typer.Option(help="tcp://… of a running Dask scheduler.")] = None,
) -> None:
    """Craft what the store lacks, and ask the victims about it."""
    with refused():
        victims = [Victim.parse(text) for text in model]
        sources = _named(source, [victim for victim in victims if victim.differentiable], "checkpoints as sources")
        asked = _named(ask, victims, "models to ask")
        if not all(text.isdecimal() and 0 < int(text) <= 255 for text in epsilons.split(",")):
            raise ValueError(f"expected radii as whole numbers in 1…255 joined by commas, got {epsilons!r}")
        radii = [int(text) for text in epsilons.split(",")]
        named = plan.expand(defence_names, defences.GROUPS)
        known = list(dict.fromkeys(defences.read(name).name for name in named))
        chosen = plan.expand(attacks, ATTACK_GROUPS)
        crafts = plan.crafts(chosen, asked, sources, known, radii)
        sides = {victim.side for victim in victims}
        if len(sides) != 1:
            raise ValueError(f"expected models of one image size, got {', '.join(map(str, sorted(sides)))}")
        pictures = plan.pictures(data, split, limit, *sides)
        store = Store(folder)
    store.add_images((picture.digest, split, picture.label) for picture in pictures)
    store.describe(plan.meanings(crafts, asked, known, repetitions))
    started, done = time.perf_counter(), 0
    failures: list[work.Failure] = []

    def gone(job: Job) -> work.Failure:
        return work.Failure(job.craft.attack, job.picture.digest, "several workers died of it")

    with ExitStack() as stack:
        with refused():
            client = stack.enter_context(cluster.connect(workers, scheduler))
        advance = stack.enter_context(_progress())
        make_universal(store, data, crafts, *sides)
        lacking = list(plan.missing(store, pictures, crafts, asked, known, repetitions))
        try:
            for outcome in cluster.spread(work.attempt, plan.jobs(store, lacking), client, gone):
                if isinstance(outcome, work.Failure):
                    failures.append(outcome)
                    typer.echo(f"{outcome.attack} of {outcome.image}: {outcome.message}", err=True)
                    continue
                store.add(outcome.example, outcome.image, outcome.facts, outcome.encoded, outcome.answers)
                done += 1
                advance(done, len(lacking))
        finally:
            if done:
                store.add_run(command(sys.argv[1:]), machine(), time.perf_counter() - started, done)
            store.close()
    typer.echo(f"{done} of {len(lacking)} jobs done, {len(pictures)} images, in {time.perf_counter() - started:.0f} s")
    if failures:
        typer.echo(f"{len(failures)} jobs failed, see above; another run tries them again", err=True)
        raise typer.Exit(1)


def _named(names: list[str] | None, models: list[Victim], what: str) -> list[Victim]:
    """The models of these names, all without names."""
    unknown = set(names or ()) - {model.name for model in models}
    if unknown:
        raise ValueError(f"expected {what} named by --model, got {', '.join(sorted(unknown))}")
    return [model for model in models if not names or model.name in names]


def make_universal(store: Store, data: Path, crafts: list[Craft], side: int) -> None:
    """Make the universal perturbations that the store lacks, on `val`."""
    missing = [
        craft for craft in crafts if craft.attack == UNIVERSAL and not universal.path(store.folder, craft.key).is_file()
    ]
    if not missing:
        return
    pictures = plan.pictures(data, "val", universal.IMAGES, side)
    pixels, labels = np.stack([each.pixels for each in pictures]), np.array([each.label for each in pictures])
    for craft in missing:
        if craft.source is None or craft.settings.strength is None:
            raise ValueError(f"expected a source and a radius for {craft.attack}, got {craft}")
        settings = craft.settings
        made = universal.make(
            craft.source.network, pixels, labels, levels=craft.settings.strength, steps=settings.steps
        )
        universal.write(store.folder, craft.key, made)


def command(arguments: list[str]) -> str:
    """What was typed, without the folders of this machine."""
    kept = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in ("--data", "--store"):
            skip = True
        elif not argument.startswith(("--data=", "--store=")):
            kept.append(argument)
    return " ".join(["python -m tools.robustness", *kept])


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on standard error, if that is a terminal; otherwise a line now and then."""
    console = Console(stderr=True)
    columns = (TextColumn("jobs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"))
    started = time.monotonic()
    last = [started]
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("jobs", total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if not console.is_terminal and (time.monotonic() - last[0] > 60 or done == total):
                last[0] = time.monotonic()
                left = (time.monotonic() - started) / done * (total - done) / 60
                typer.echo(f"{done} of {total} jobs, {left:.0f} minutes left", err=True)

        yield advance
