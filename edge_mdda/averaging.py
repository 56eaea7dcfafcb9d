"""Several frames of one lesion as one answer: their probabilities averaged, and judged anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_mdda import doubt
from edge_mdda.calibration import Calibration
from edge_mdda.report import Report, Verdict


def mean(verdicts: Sequence[Verdict]) -> Verdict:
    """The mean of each class's probability over verdicts of one model, at least one."""
    codes = verdicts[0].probabilities
    return Verdict({code: sum(each.probabilities[code] for each in verdicts) / len(verdicts) for code in codes})


def average(reports: Sequence[Report], calibration: Calibration | None) -> Report:
    """The newest of some reports, the last one, with the verdicts averaged over all and judged by its thresholds.

    Those thresholds are calibrated for one frame. `tools.averaging` measures what they do to averages: the average is
    nearer to the middle, so the alarm rings less often for nothing and prediction sets are right at least as often.

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
    return replace(newest, raw=raw, purified=both, frames=len(reports), judgement=judgement)
