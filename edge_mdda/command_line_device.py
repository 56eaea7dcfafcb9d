"""The commands about the device itself: profile, compare, doctor. As in `command_line`, they only parse and check."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edge_mdda import interpreter
from edge_mdda.commands import compare as comparing
from edge_mdda.commands import doctor as examining
from edge_mdda.commands import profile as profiling
from edge_mdda.device.plan import Plan, parse_threads, threads_by_default
from edge_mdda.parameters import PRESETS

_EXIT_CODES = """Exit codes:

\b
  0    done, and nothing is wrong
  2    wrong usage, or an option out of its range
  3    an image that cannot be used
  4    a model, or a profile, that cannot be used
  5    no TFLite runtime, or not the one asked for
  6    a result that could not be written
  7    doctor: there is a problem; compare --exit-code: something got slower
  130  interrupted"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a page of one file, without scripts or network.")
]


@app.command(epilog=_EXIT_CODES)
def profile(
    model: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="A bundle's folder, or any .tflite file, instead of the shipped bundle."),
    ] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help=f"Of the purification: {', '.join(PRESETS)}.")] = "edge",
    threads: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Numbers of threads to measure, as 1,2,4; by default as the cores allow."),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(metavar="N", help="A long run, to see the board get hot and be throttled; 30 is usual."),
    ] = 0.0,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write JSON, schema edge-mdda/profile/1; - for standard output."),
    ] = None,
    html: Html = None,
    images: Annotated[
        int, typer.Option(metavar="N", help="Images that are timed with each number of threads, at least 5.")
    ] = 200,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JPEG or PNG to process; by default one is drawn, 600×450.")
    ] = None,
    starts: Annotated[bool, typer.Option(help="Measure the first call of new processes too.")] = True,
    runtime: Annotated[
        str, typer.Option(metavar="NAME", help=f"auto (the first installed), {' or '.join(interpreter.RUNTIMES)}.")
    ] = "auto",
) -> object:
    """Measure what this board can do: every stage of the real pipeline, memory, energy, and how it does when hot."""
    counts = threads_by_default(len(os.sched_getaffinity(0))) if threads is None else parse_threads(threads)
    plan = Plan(model, preset, runtime, counts, images, minutes, image, starts)
    return partial(profiling.run, plan, json, html)


@app.command(epilog=_EXIT_CODES)
def compare(
    profiles: Annotated[
        list[Path], typer.Argument(metavar="A.json B.json...", help="Profiles; the first is the base.")
    ],
    html: Html = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the comparison.")] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 7 where something got slower than it was measured to vary.")
    ] = False,
) -> object:
    """Hold profiles of several boards, or of several versions, against the first."""
    return partial(comparing.run, profiles, html, figure, exit_code)


@app.command(epilog=_EXIT_CODES)
def doctor(
    model: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Model bundle to check instead of the shipped one.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON, schema edge-mdda/doctor/1.")] = False,
) -> object:
    """Say whether this device is fit for its work, line by line, with the mend where it is not."""
    return partial(examining.run, model, json)
