"""The options that several commands have, and what is made of them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_mdda import interpreter
from edge_mdda.assessor import Settings
from edge_mdda.errors import ParameterError
from edge_mdda.judgement import MODES, Mode, percent
from edge_mdda.limits import MAX_SAMPLES
from edge_mdda.parameters import PRESETS, Parameters

Preset = Annotated[str, typer.Option(metavar="NAME", help=f"Parameters to start from: {', '.join(PRESETS)}.")]
Sigma = Annotated[float | None, typer.Option(metavar="NUMBER", help="Strength of the noise, in [0, 1].")]
Blocks = Annotated[int | None, typer.Option(metavar="K", help="Diffuse-denoise-aggregate blocks, in [0, 100].")]
Weight = Annotated[float | None, typer.Option(metavar="NUMBER", help="Weight of the total variation, in [0, 10].")]
Iterations = Annotated[int | None, typer.Option(metavar="N", help="Solver iterations of each denoising, in [0, 1000].")]
Scales = Annotated[str | None, typer.Option(metavar="LIST", help="Consecutive scales, 0 among them, as -2,-1,0,1.")]
Solver = Annotated[str | None, typer.Option(metavar="NAME", help="chambolle-pock or split-bregman.")]
StepSizes = Annotated[str | None, typer.Option(metavar="NAME", help="Of chambolle-pock: learned or accelerated.")]
TotalVariation = Annotated[str | None, typer.Option(metavar="NAME", help="isotropic or anisotropic.")]
Channels = Annotated[str | None, typer.Option(metavar="NAME", help="Denoise R, G, B apart or joint.")]
OwnScale = Annotated[bool | None, typer.Option(help="Whether a scale counts among its neighbours.")]
SigmaMeaning = Annotated[str | None, typer.Option(metavar="NAME", help="standard-deviation or variance.")]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", help="Seed of the noise, in [0, 2^64); the same for every image. Fresh by default."),
]
Threads = Annotated[int | None, typer.Option(metavar="N", help="Threads, at least 1.")]
Purify = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN",
        help="When the purified image gives the answer: auto (where the attack alarm rings), always, or never "
        "(nothing is purified). Default: auto if the model is calibrated for these parameters, otherwise always.",
    ),
]
Coverage = Annotated[
    float,
    typer.Option(metavar="PART", help="Part of each class's images with it in their prediction set, 0.50 to 0.99."),
]
Samples = Annotated[
    int,
    typer.Option(
        metavar="N",
        help=f"Purify each image so often, in [1, {MAX_SAMPLES}], with fresh noise, and average the probabilities.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Model bundle to use instead of the installed one, or the shipped one."),
]
Runtime = Annotated[
    str, typer.Option(metavar="NAME", help=f"auto (the first installed), {' or '.join(interpreter.RUNTIMES)}.")
]


def settings_of(options: dict[str, Any]) -> Settings:
    """What the commands that assess images have in common; a command lacks what it has no option for.

    Raises:
        ParameterError: a value is out of its range.
    """
    purify, samples = _mode(options["purify"], options.get("no_purify", False)), options.get("samples", 1)
    if not 1 <= samples <= MAX_SAMPLES:
        raise ParameterError(f"expected --samples in [1, {MAX_SAMPLES}], got {samples}")
    if samples > 1 and purify == "never":
        raise ParameterError("expected --samples or --purify never, got both")
    return Settings(
        parameters=parameters_of(options),
        purify=purify,
        coverage=percent(options["coverage"]) / 100,
        samples=samples,
        model=options["model"],
        runtime=options["runtime"],
        threads=options["threads"],
    )


def parameters_of(options: dict[str, Any]) -> Parameters:
    """The preset with what was given beside it; checks the seed and the threads too.

    Raises:
        ParameterError: a value is out of its range.
    """
    preset, seed = options["preset"], options.get("seed")
    if preset not in PRESETS:
        raise ParameterError(f"expected preset out of {', '.join(PRESETS)}, got {preset!r}")
    if seed is not None and not 0 <= seed < 2**64:
        raise ParameterError(f"expected seed in [0, 2^64), got {seed}")
    interpreter.check_options(options.get("runtime", "auto"), options["threads"])
    given = {field.name: options[field.name] for field in fields(Parameters) if options.get(field.name) is not None}
    if "scales" in given:
        try:
            given["scales"] = tuple(int(scale) for scale in given["scales"].split(","))
        except ValueError:
            raise ParameterError(f"expected scales as in -2,-1,0,1, got {given['scales']!r}") from None
    return replace(PRESETS[preset], **given)


def _mode(purify: str | None, no_purify: bool) -> Mode | None:
    """The value of --purify, or what --no-purify stands for.

    Raises:
        ParameterError: no such value, or both are given.
    """
    if purify is not None and purify not in MODES:
        raise ParameterError(f"expected --purify {', '.join(MODES)}, got {purify!r}")
    if no_purify and purify not in (None, "never"):
        raise ParameterError(f"expected --no-purify or --purify {purify}, got both")
    return "never" if no_purify else next((mode for mode in MODES if mode == purify), None)
