"""The command line: parses and checks first; the commands import the heavy parts after."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import edge_mdda
from edge_mdda import (
    command_line_batch,
    command_line_device,
    command_line_live,
    command_line_models,
    command_line_serve,
    terminal,
)
from edge_mdda.command_line_options import (
    Blocks,
    Channels,
    ColourConstancy,
    Coverage,
    Iterations,
    Model,
    OwnScale,
    Preset,
    Purify,
    RequireQuality,
    Runtime,
    Samples,
    Scales,
    Seed,
    Sigma,
    SigmaMeaning,
    Solver,
    StepSizes,
    Threads,
    TotalVariation,
    Weight,
    parameters_of,
    settings_of,
)
from edge_mdda.commands import classify as classification
from edge_mdda.commands import purify as purification
from edge_mdda.commands import warmup as warming
from edge_mdda.commands import watch as watching
from edge_mdda.errors import EdgeMddaError, ImageError, OutputError, ParameterError
from edge_mdda.judgement import COVERAGE

_EXIT_CODES = """Exit codes:

\b
  0    done
  2    wrong usage, or a parameter out of its range
  3    an image that cannot be used
  4    a model bundle that cannot be used
  5    no TFLite runtime, or not the one asked for
  6    a result that could not be written
  7    with --exit-code: no answer for an image, or its attack alarm rings
  8    with --require-quality: an image that was taken badly
  130  interrupted

With several images the rest is finished first; the code is that of the first that failed."""

# Every command only parses and checks, and returns its job; `run` calls it outside of Typer, so that errors and a
# closed pipe are answered in one place.
Job = Callable[[], int]

INTERRUPTED = 130

# Typer's base of all usage errors; Typer ≥ 0.2x brings its own copy of Click and names only this subclass in public.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

# Without rich: importing it for the help text would take as long as the rest.
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _print_version(wanted: bool) -> None:
    if wanted:
        terminal.say(f"{terminal.PROGRAM} {edge_mdda.__version__}")
        raise typer.Exit


@app.callback(epilog=_EXIT_CODES)
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Reverse adversarial perturbations in dermoscopic images and classify them, on the device.

    Research software: not a medical device, and no guarantee against an attacker who knows the method.
    """


@app.command(epilog=_EXIT_CODES)
def classify(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="JPEG or PNG files, folders (.jpg, .jpeg, .png in them, not in subfolders), quoted globs, or - for "
            "standard input.",
        ),
    ],
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
    seed: Seed = None,
    purify: Purify = None,
    no_purify: Annotated[bool, typer.Option("--no-purify", help="The same as --purify never.")] = False,
    coverage: Coverage = COVERAGE,
    samples: Samples = 1,
    colour_constancy: ColourConstancy = False,
    require_quality: RequireQuality = False,
    model: Model = None,
    runtime: Runtime = "auto",
    threads: Threads = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, schema edge-mdda/report/1.")] = False,
    save_purified: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write purified images here, at the model's size, as NAME.purified.png."),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw the report; of several images, each to FILE-NAME.png."),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 7 where an image got no answer or rang the attack alarm.")
    ] = False,
) -> Job:
    """Classify images as they came and purified, and say which answer to take, if any."""
    options = classification.Options(
        settings=settings_of(context.params),
        seed=seed,
        json=json,
        save_purified=save_purified,
        figure=figure,
        exit_code=exit_code,
    )
    return partial(classification.run, images, options)


@app.command(epilog=_EXIT_CODES)
def purify(
    context: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IN", help="A JPEG or PNG file, or - for standard input.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to; .png, .jpg or .jpeg says the format.")],
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
    seed: Seed = None,
    threads: Threads = None,
) -> Job:
    """Purify one image at its own resolution; the output is written whole or not at all."""
    chosen = parameters_of(context.params)
    return partial(purification.run, image, out, chosen, seed, threads)


@app.command(epilog=_EXIT_CODES)
def watch(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where images arrive: .jpg, .jpeg, .png, not in subfolders.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where NAME.report.json and NAME.figure.png go; by default beside NAME."),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(metavar="N", help="Keep the newest N images that are done, and DELETE older ones with all files."),
    ] = None,
    backlog: Annotated[
        int, typer.Option(metavar="N", help="With more images waiting, the file .edge-mdda/busy asks for a pause.")
    ] = 100,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="An image that takes longer is given up, in [0.1, 3600].")
    ] = 20.0,
    once: Annotated[bool, typer.Option("--once", help="End when no image is waiting.")] = False,
    preset: Preset = "edge",
    purify: Purify = None,
    coverage: Coverage = COVERAGE,
    samples: Samples = 1,
    colour_constancy: ColourConstancy = False,
    require_quality: RequireQuality = False,
    model: Model = None,
    runtime: Runtime = "auto",
    threads: Threads = None,
    json: Annotated[bool, typer.Option("--json", help="Print each report; by default only that it is done.")] = False,
) -> Job:
    """Assess every image that arrives in a folder, once, and write its report and figure.

    A crash or a hang costs one image, a power cut none: what was not finished is done after the next start. SIGTERM
    ends it after the image at hand.
    """
    options = watching.Options(
        settings=settings_of(context.params),
        out=out,
        keep=keep,
        backlog=backlog,
        timeout=timeout,
        once=once,
        json=json,
    )
    return partial(watching.run, folder, options)


@app.command()
def warmup() -> Job:
    """Compile every kernel and keep it on disk, so that the first image does not wait for it."""
    return warming.run


app.add_typer(command_line_models.app, name="model")
app.add_typer(command_line_device.app)
app.add_typer(command_line_live.app)
app.add_typer(command_line_serve.app)
app.add_typer(command_line_batch.app)


def run() -> int:
    """Parse the command line, do what it asks for, and return the exit code."""
    try:
        terminal.accept_any_text()
        job = _parse()
        return job if isinstance(job, int) else job()
    except EdgeMddaError as error:
        terminal.complain(str(error))
        return error.exit_code
    except MemoryError:
        terminal.complain("expected enough memory for this image, got too little")
        return ImageError.exit_code


def _parse() -> Job | int:
    """The job the command line asks for, or the exit code where Typer answered it, as it does --help.

    Raises:
        ParameterError: wrong usage.
        OutputError: the help text could not be written.
    """
    try:
        job: Job | int | None = app(prog_name=terminal.PROGRAM, standalone_mode=False)
    except _UsageError as error:
        message = str(error.format_message()).rstrip(".")  # type: ignore[attr-defined]
        raise ParameterError(f"{message} ({terminal.PROGRAM} --help tells more)") from None
    except EdgeMddaError:
        raise
    except OSError as error:
        raise OutputError(f"expected to write to standard output, got: {error.strerror}") from None
    except SystemExit as leaving:  # what Typer does where a pipe is closed
        if leaving.code:
            raise OutputError("expected to write to standard output, got a closed pipe") from None
        return 0
    if job == INTERRUPTED:  # Typer takes Ctrl-C for itself while it parses
        raise KeyboardInterrupt
    return job or 0
