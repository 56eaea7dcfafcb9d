"""Knowing when not to answer: which answer to take, what else it may be, and whether to give one at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_mdda import appearance
from edge_mdda.calibration import Answers, Calibration
from edge_mdda.errors import ParameterError
from edge_mdda.judgement import COVERAGE, MODES, Judgement, Mode, Score, percent
from edge_mdda.parameters import Parameters

# What a probability counts at least in a divergence, so that its logarithm is finite.
_LEAST_PROBABILITY = 1e-6


def choose_mode(purify: Mode | None, parameters: Parameters | None, calibration: Calibration | None) -> Mode:
    """What to do where nothing was asked for – "auto" if it is calibrated, otherwise "always" – and check what was.

    Args:
        parameters: of the purification; None means the caller cannot purify.

    Raises:
        ParameterError: no such mode, or "auto" for parameters or a model that it was not calibrated for.
    """
    if purify not in (None, *MODES):
        raise ParameterError(f"expected purify out of {', '.join(MODES)}, got {purify!r}")
    calibrated = calibration is not None and calibration.of(parameters) is not None
    if purify == "auto" and not calibrated:
        kind = "no calibration" if calibration is None else "one of other parameters"
        raise ParameterError(f"expected a model calibrated for these parameters with purify=auto, got {kind}")
    return purify or ("auto" if calibrated else "always")


def divergence(raw: Mapping[str, float], purified: Mapping[str, float]) -> float:
    """Kullback–Leibler divergence, in nats, of the verdict on the image as it came from that on the purified one.

    Large where purification brings back a class that had been driven out, the mark of an attack; probabilities count
    as 10⁻⁶ at least.
    """
    return math.fsum(
        probability * math.log(max(probability, _LEAST_PROBABILITY) / max(raw[code], _LEAST_PROBABILITY))
        for code, probability in purified.items()
    )


def uncertainty(answer: str, verdicts: list[Mapping[str, float]]) -> float:
    """1 less the mean probability that the verdicts, one or two, give the answer's class."""
    return 1 - math.fsum(verdict[answer] for verdict in verdicts) / len(verdicts)


def judge(
    pixels: NDArray[np.uint8],
    raw: Mapping[str, float],
    purified: Mapping[str, float] | None,
    *,
    purify: Mode,
    parameters: Parameters | None,
    calibration: Calibration | None,
    coverage: float = COVERAGE,
) -> Judgement:
    """Judge the verdicts on one image.

    Args:
        pixels: the image as it came, uint8 RGB (height, width, 3) of the model's size.
        raw: probabilities by class code of the image as it came.
        purified: the same of the purified image, None with `purify` "never".
        purify: as `choose_mode` returned it.
        parameters: of the purification.
        calibration: of the model; without one only the answer is chosen.
        coverage: of the prediction set, in whole per cent from 0.50 to 0.99.

    Raises:
        ParameterError: `coverage` is out of its range.
    """
    percent(coverage)
    known = None if calibration is None else calibration.of(parameters)
    alarm = None
    if known is not None and purified is not None:
        alarm = Score(divergence(raw, purified), known.most_divergence)
    rings = alarm is not None and alarm.flag

    answer: Literal["raw", "purified"] = "raw"
    answers: Answers | None
    if purified is None:
        taken, trusted = raw, [raw]
        answers = None if calibration is None else calibration.raw
    else:
        answer = "purified" if purify == "always" or rings else "raw"
        taken = purified if answer == "purified" else raw
        trusted = [purified] if rings else [raw, purified]  # a verdict that looks attacked says nothing of the answer
        answers = None if known is None else known.auto if purify == "auto" else known.always
    unsure = distance = None
    if answers is not None:
        unsure = Score(uncertainty(max(taken, key=taken.__getitem__), trusted), answers.most_uncertainty)
    if calibration is not None:
        look = calibration.appearance
        distance = Score(look.distance(appearance.describe(pixels)), look.most)
    return Judgement(
        purify=purify,
        answer=answer,
        coverage=coverage,
        prediction_set=None if answers is None else answers.prediction_set(taken, coverage),
        uncertainty=unsure,
        distance=distance,
        divergence=alarm,
    )
