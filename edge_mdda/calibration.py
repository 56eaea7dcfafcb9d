"""What was calibrated on validation images for one model: when its answers are to be trusted, and how far.

The file calibration.json of a bundle, schema "edge-mdda/calibration/1", written by `python -m tools.doubt`:

    schema        "edge-mdda/calibration/1"
    model         SHA-256 of the model.tflite it belongs to
    temperature   of the probabilities it was calibrated on, the card's
    appearance    {"means": of the numbers of `edge_mdda.appearance.describe`; "whitening": a square matrix;
                   "most": the largest distance of a dermoscopic image, see `Appearance`}
    raw           how answers from the image as it came are calibrated, see `Answers`:
                  {"least_probabilities": {class code: [for a coverage of 0.50, 0.51, … 0.99], …},
                   "most_uncertainty": …}
    purified      [for each purification: {"parameters": every field of edge_mdda.Parameters by its name;
                   "most_divergence": where the attack alarm begins; "always", "auto": as `raw`, of answers from the
                   purified image and of those chosen by the alarm}, …]
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda.errors import ModelError
from edge_mdda.judgement import COVERAGES, percent
from edge_mdda.parameters import Parameters

SCHEMA = "edge-mdda/calibration/1"

#: How many numbers describe an image, see `edge_mdda.appearance.describe`.
NUMBERS = 15


@dataclass(frozen=True)
class Answers:
    """Calibration of the answers that one way of answering gives.

    Attributes:
        least_probabilities: for each class code, and each of `COVERAGES`, the probability from which on the class
            belongs to the prediction set; 0 where there are too few validation images of it to leave it out.
        most_uncertainty: above it no answer is given, see `edge_mdda.doubt.judge`.
    """

    least_probabilities: Mapping[str, tuple[float, ...]]
    most_uncertainty: float

    def prediction_set(self, probabilities: Mapping[str, float], coverage: float) -> tuple[str, ...]:
        """The classes that may be the true one, most probable first; the most probable is always among them.

        Of the images of each class, a part `coverage` has it in its set, if they are like the validation images (class-
        conditional conformal prediction; Sadinle, Lei, Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded
        Error Levels", Journal of the American Statistical Association 114, 2019).

        Raises:
            ParameterError: `coverage` is none of `COVERAGES`.
        """
        place = COVERAGES.index(percent(coverage))
        ranking = sorted(probabilities, key=probabilities.__getitem__, reverse=True)
        return tuple(
            code
            for rank, code in enumerate(ranking)
            if rank == 0 or probabilities[code] >= self.least_probabilities[code][place]
        )


@dataclass(frozen=True)
class Purified:
    """Calibration of what one purification gives.

    Attributes:
        parameters: of the purification.
        most_divergence: above it the attack alarm rings, see `edge_mdda.doubt.divergence`.
        always: of answers from the purified image.
        auto: of answers from the purified image where the alarm rings, from the image as it came elsewhere.
    """

    parameters: Parameters
    most_divergence: float
    always: Answers
    auto: Answers


@dataclass(frozen=True, eq=False)
class Appearance:
    """How dermoscopic images look, by the numbers of `edge_mdda.appearance.describe`.

    Attributes:
        means: of the numbers over validation images, float64 (n,).
        whitening: float64 (n, n); numbers less `means`, times it, have mean 0, variance 1 and no correlation there.
        most: above this distance an image is taken for something else.
    """

    means: NDArray[np.float64]
    whitening: NDArray[np.float64]
    most: float

    def distance(self, numbers: NDArray[np.float64]) -> float:
        """Mahalanobis distance of an image's numbers from those of the validation images."""
        return float(np.linalg.norm((numbers - self.means) @ self.whitening))


@dataclass(frozen=True, eq=False)
class Calibration:
    """All that was calibrated for one model.

    Attributes:
        appearance: of dermoscopic images.
        raw: of answers from the image as it came.
        purified: of each purification that was calibrated.
    """

    appearance: Appearance
    raw: Answers
    purified: tuple[Purified, ...]

    def of(self, parameters: Parameters | None) -> Purified | None:
        """What was calibrated for these parameters; None if nothing was."""
        return next((each for each in self.purified if each.parameters == parameters), None)


def parse(content: bytes, labels: tuple[str, ...], sha256: str, temperature: float) -> Calibration:
    """Read the content of calibration.json for the model with these labels, hash and temperature.

    Raises:
        ModelError: it is not of the form above, or of another model or temperature.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"expected JSON in calibration.json, got: {error}") from None
    schema = found.get("schema") if isinstance(found, dict) else type(found).__name__
    if schema != SCHEMA:
        raise ModelError(f"expected a calibration of schema {SCHEMA}, got {schema!r}")
    for name, expected in (("model", sha256), ("temperature", temperature)):
        if found.get(name) != expected:
            raise ModelError(f"expected a calibration of {name} {expected}, got {str(found.get(name))[:80]!r}")
    try:
        return Calibration(
            appearance=_appearance(found["appearance"]),
            raw=_answers(found["raw"], labels),
            purified=tuple(_purified(each, labels) for each in found["purified"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {str(error)[:160]}"
        raise ModelError(f"expected a calibration of schema {SCHEMA}, got one with {reason}") from None


def _appearance(found: dict[str, Any]) -> Appearance:
    means, whitening = (np.array(found[name], np.float64) for name in ("means", "whitening"))
    if means.shape != (NUMBERS,) or whitening.shape != (NUMBERS, NUMBERS):
        raise ValueError(f"expected {NUMBERS} means and a whitening of as many rows and columns, got other shapes")
    if not (np.isfinite(means).all() and np.isfinite(whitening).all()):
        raise ValueError("expected finite means and whitening, got others")
    return Appearance(means, whitening, _number(found["most"]))


def _answers(found: dict[str, Any], labels: tuple[str, ...]) -> Answers:
    least = {code: tuple(map(_number, found["least_probabilities"][code])) for code in labels}
    wrong = next((code for code, values in least.items() if len(values) != len(COVERAGES)), None)
    if wrong is not None:
        raise ValueError(f"expected {len(COVERAGES)} probabilities of {wrong}, got {len(least[wrong])}")
    return Answers(least, _number(found["most_uncertainty"]))


def _purified(found: dict[str, Any], labels: tuple[str, ...]) -> Purified:
    return Purified(
        parameters=Parameters(**found["parameters"]),
        most_divergence=_number(found["most_divergence"]),
        always=_answers(found["always"], labels),
        auto=_answers(found["auto"], labels),
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)
