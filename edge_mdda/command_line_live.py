"""The command of a camera: live. As in `command_line`, it only parses and checks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edge_mdda.command_line_options import (
    ColourConstancy,
    Coverage,
    Model,
    Preset,
    Purify,
    Runtime,
    Samples,
    Threads,
    settings_of,
)
from edge_mdda.commands import live as living
from edge_mdda.errors import ParameterError
from edge_mdda.judgement import COVERAGE

_EXIT_CODES = """Exit codes:

\b
  0    the recording was over, --count or --seconds reached, the window closed, or SIGTERM came
  2    wrong usage, or an option out of its range
  4    a model bundle that cannot be used
  5    no TFLite runtime, or not the one asked for
  6    a result that could not be written
  9    no such camera or recording to begin with; one that is lost later is looked for until it is back
  130  interrupted (Ctrl-C)

Signals end it after the frame at hand, with all lines written and the camera released."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(epilog=_EXIT_CODES)
def live(
    context: typer.Context,
    camera: Annotated[
        str,
        typer.Option(
            metavar="CAMERA",
            help="A number or a path in /dev (USB, V4L2), picamera or picamera:N, a recording's file, or auto: the "
            "first of picamera2's if there is one, otherwise number 0.",
        ),
    ] = "auto",
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Size to ask a camera for; the model sees it squashed to its own.")
    ] = "640x480",
    loop: Annotated[bool, typer.Option("--loop", help="Play a recording again and again.")] = False,
    frames: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Average the last N frames of a lesion, fresh noise each; another lesion begins another average.",
        ),
    ] = 1,
    no_gate: Annotated[
        bool, typer.Option("--no-gate", help="Answer for frames too that were taken badly; by default they get a hint.")
    ] = False,
    window: Annotated[
        bool, typer.Option("--window", help="Show it in a window, if there is a display and an OpenCV that can.")
    ] = False,
    jsonl: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add a line of JSON for each answer to a file; - for standard output."),
    ] = None,
    count: Annotated[int | None, typer.Option(metavar="N", help="End after N answers.")] = None,
    seconds: Annotated[float | None, typer.Option(metavar="S", help="End after S seconds.")] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A frame that takes longer is given up, in [0.1, 3600].")
    ] = 20.0,
    preset: Preset = "edge",
    purify: Purify = None,
    coverage: Coverage = COVERAGE,
    samples: Samples = 1,
    colour_constancy: ColourConstancy = False,
    model: Model = None,
    runtime: Runtime = "auto",
    threads: Threads = None,
) -> object:
    """Assess what a camera sees: always its newest frame, and the next as soon as there is an answer.

    The lines of --jsonl are reports as `classify --json` has them, with a key "live": {"frame": number, from 0 on,
    those dropped among them; "captured", "answered": times; "age": milliseconds from the one to the other; "dropped":
    frames so far that were never looked at, newer ones having come; "reconnects": how often the camera was lost and
    found again; "counts": frames "answered", "refused" for how they were taken, and "failed", so far}.
    """
    options = living.Options(
        settings=settings_of(context.params),
        size=_size(size),
        loop=loop,
        frames=frames,
        gate=not no_gate,
        window=window,
        jsonl=jsonl,
        count=count,
        seconds=seconds,
        timeout=timeout,
    )
    return partial(living.run, camera, options)


def _size(text: str) -> tuple[int, int]:
    """Width and height.

    Raises:
        ParameterError: it is none.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 32 and int(height) >= 32):
        raise ParameterError(f"expected --size as 640x480, sides of at least 32, got {text!r}")
    return int(width), int(height)
