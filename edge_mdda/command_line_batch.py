"""The command for many images: `edge-mdda batch`. As in `command_line`, it only parses and checks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edge_mdda.command_line_options import (
    Blocks,
    Channels,
    Coverage,
    Iterations,
    Model,
    OwnScale,
    Preset,
    Purify,
    Runtime,
    Samples,
    Scales,
    Sigma,
    SigmaMeaning,
    Solver,
    StepSizes,
    Threads,
    TotalVariation,
    Weight,
    settings_of,
)
from edge_mdda.commands import batch as batching
from edge_mdda.judgement import COVERAGE

_EXIT_CODES = """Exit codes:

\b
  0    every image is done
  2    wrong usage: folders that do not fit, an option out of its range, no scheduler, or the extra edge-mdda[batch]
       not installed
  3    every image was tried, and some failed: they are in failures.csv, and the next run tries them again
  4    a model bundle that cannot be used, or a worker with another one
  5    no TFLite runtime, or not the one asked for
  6    a result that could not be written
  130  interrupted: the same command goes on where it stopped"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(epilog=_EXIT_CODES)
def batch(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC",
            help="A folder with .jpg, .jpeg, .png in it and its subfolders; or a data set with labels: labels.csv and "
            "images/, or ISIC_2019_Training_GroundTruth.csv and ISIC_2019_Training_Input/.",
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="DST", help="Where results go: a new or empty folder, or an earlier run's.")
    ],
    table: Annotated[
        str, typer.Option(metavar="NAME", help="The table in DST: .csv, or .parquet (extra edge-mdda[batch]).")
    ] = "results.csv",
    images: Annotated[bool, typer.Option(help="Keep the purified images, as DST/purified/NAME.png.")] = True,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a data set only the images of this split, as test.")
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="In [0, 2^64): an image's noise is of this and of its content alone.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Processes on this machine; more than one form a Dask cluster.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="WHERE", help="tcp://HOST:PORT of a running Dask cluster, or local: one on this machine."),
    ] = None,
    preset: Preset = "edge",
    sigma: Sigma = None,
    blocks: Blocks = None,
    weight: Weight = None,
    iterations: Iterations = None,
    scales: Scales = None,
    solver: Solver = None,
    step_sizes: StepSizes = None,
    total_variation: TotalVariation = None,
    channels: Channels = None,
    own_scale: OwnScale = None,
    sigma_meaning: SigmaMeaning = None,
    purify: Purify = None,
    coverage: Coverage = COVERAGE,
    samples: Samples = 1,
    model: Model = None,
    runtime: Runtime = "auto",
    threads: Threads = None,
) -> object:
    """Purify and classify a whole folder or data set, on this machine or on a cluster.

    Into DST go a table with a row for each image, the purified images, failures.csv, and a summary as summary.html,
    summary.svg and summary.json, with accuracy and confusion where there are labels. It may be killed at any time: the
    same command goes on where it stopped, and does new and changed images. Results do not depend on the number of
    workers. No file is written over that is not of the run.
    """
    options = batching.Options(
        settings=settings_of(context.params),
        seed=seed,
        split=split,
        images=images,
        table=table,
        workers=workers,
        scheduler=scheduler,
    )
    return partial(batching.run, source, folder, options)
