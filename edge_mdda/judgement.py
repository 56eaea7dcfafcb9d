"""What is made of the verdicts on one image: which is the answer, what else it may be, whether to give one at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from edge_mdda.errors import ParameterError

#: What the answer is taken from: the purified image always or never, or only where the attack alarm rings, which keeps
#: most of the accuracy that purification costs on clean images (the proposal of the paper's discussion).
Mode = Literal["auto", "always", "never"]
MODES: tuple[Mode, ...] = get_args(Mode)
#: Coverage of the prediction set unless asked for another.
COVERAGE = 0.9

#: Reasons for no answer.
NOT_DERMOSCOPIC, UNSURE, POOR_QUALITY = "not dermoscopic", "unsure", "poor quality"
#: Coverages a prediction set can be asked for, in per cent.
COVERAGES = range(50, 100)


def percent(coverage: float) -> int:
    """A coverage, part of one, in whole per cent.

    Raises:
        ParameterError: it is none of `COVERAGES`.
    """
    whole = round(100 * coverage) if math.isfinite(coverage) else 0
    if whole not in COVERAGES or abs(100 * coverage - whole) > 1e-6:
        raise ParameterError(f"expected a coverage in whole per cent from 0.50 to 0.99, got {coverage}")
    return whole


@dataclass(frozen=True)
class Score:
    """A doubtful number of one image, and the threshold from validation images above which it is a flag."""

    value: float
    threshold: float

    @property
    def flag(self) -> bool:
        return self.value > self.threshold


@dataclass(frozen=True)
class Judgement:
    """What to make of the verdicts on one image; what the model's bundle has no calibration for is None.

    Attributes:
        purify: whether the answer was to be taken from the purified image.
        answer: "raw" or "purified", the verdict that is the answer.
        coverage: part of the images of each class that have it in their prediction set.
        prediction_set: the classes that may be the true one, most probable first.
        uncertainty: 1 less the mean probability of the answer's class, over the image as it came and purified; where
            the alarm rings, purified alone.
        distance: from how dermoscopic images look, see `edge_mdda.appearance`.
        divergence: between the two verdicts, whose flag is the attack alarm.
        poor_quality: whether good quality was asked for, and the image has a warning of `edge_mdda.quality`.
    """

    purify: Mode
    answer: Literal["raw", "purified"]
    coverage: float
    prediction_set: tuple[str, ...] | None
    uncertainty: Score | None
    distance: Score | None
    divergence: Score | None
    poor_quality: bool = False

    @property
    def alarm(self) -> bool:
        """Whether the attack alarm rings."""
        return self.divergence is not None and self.divergence.flag

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why no answer should be given, none if one should: "poor quality", "not dermoscopic", "unsure"."""
        found = ((NOT_DERMOSCOPIC, self.distance), (UNSURE, self.uncertainty))
        flagged = tuple(reason for reason, score in found if score is not None and score.flag)
        return (POOR_QUALITY, *flagged) if self.poor_quality else flagged

    @property
    def abstained(self) -> bool | None:
        """Whether no answer should be given; None where nothing is calibrated and good quality was not asked for."""
        if self.distance is None and self.uncertainty is None and not self.poor_quality:
            return None
        return bool(self.reasons)
