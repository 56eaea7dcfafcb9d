"""Several looks at one lesion as one answer: their probabilities averaged, and judged anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_mdda import doubt, image
from edge_mdda.calibration import Calibration
from edge_mdda.report import Report, Verdict

#: Side of the thumbnails that are compared: of 8, 16 and 32 the one that told lesions apart best.
SIDE = 8
#: Frames less alike than this show different lesions. Chosen on `val` (`tools.averaging`): of two images of different
#: lesions, 1 in 100 are more alike.
LEAST_LIKENESS = 0.86


def likeness(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """How much two RGB pictures, uint8 (H, W, 3), look alike where and how they are dark, in [-1, 1].

    The correlation of their 8×8 thumbnails, each channel's mean taken out: a hand that trembles and light that changes
    leave it near 1. 0 where a picture is of one colour throughout.
    """
    one, other = (_thumbnail(picture) for picture in (first, second))
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / norms if norms > 0 else 0.0


def _thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    small = image.fit(picture, SIDE, SIDE).astype(np.float64)
    return np.asarray(small - small.mean(axis=(0, 1)))


def mean(verdicts: Sequence[Verdict]) -> Verdict:
    """The mean of each class's probability over verdicts of one model, at least one."""
    codes = verdicts[0].probabilities
    return Verdict({code: sum(each.probabilities[code] for each in verdicts) / len(verdicts) for code in codes})


def average(reports: Sequence[Report], calibration: Calibration | None) -> Report:
    """The newest of some reports, the last one, with the verdicts averaged over all and judged by its thresholds.

    Those thresholds are calibrated for one frame; `tools.averaging` measures what they do to averages.

    Args:
        reports: on frames of one lesion, made with one model and one set of options, at least one.
        calibration: of the model.
    """
    newest = reports[-1]
    raw = mean([report.raw for report in reports])
    purified = [report.purified for report in reports if report.purified is not None]
    both = mean(purified) if purified else None
    judgement = doubt.judge(
        newest.raw_pixels,
        raw.probabilities,
        None if both is None else both.probabilities,
        purify=newest.judgement.purify,
        parameters=newest.parameters,
        calibration=calibration,
        coverage=newest.judgement.coverage,
    )
    judgement = replace(judgement, poor_quality=newest.judgement.poor_quality)
    return replace(newest, raw=raw, purified=both, frames=len(reports), judgement=judgement)


class Lesion:
    """The last frames of one lesion; a class because it remembers them.

    A frame belongs to the lesion where it looks like the oldest frame that it would be averaged with (`likeness`);
    otherwise the average starts again with it. Like the oldest, not the one before: a slow move across the skin must
    not average two lesions.

    Args:
        frames: how many are averaged at most, at least 1.
        calibration: of the model whose reports they are.
    """

    def __init__(self, frames: int, calibration: Calibration | None) -> None:
        self._reports: deque[Report] = deque(maxlen=frames)
        self._calibration = calibration

    def add(self, report: Report) -> Report:
        """The report on a new frame, averaged with those before it that show the same lesion."""
        if len(self._reports) == self._reports.maxlen:
            self._reports.popleft()
        if self._reports and likeness(self._reports[0].raw_pixels, report.raw_pixels) < LEAST_LIKENESS:
            self._reports.clear()
        self._reports.append(report)
        return average(self._reports, self._calibration)
