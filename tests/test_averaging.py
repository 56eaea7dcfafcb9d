"""Frames of one lesion become one report: their mean, judged by the model's thresholds."""

from __future__ import annotations

import pytest

from edge_mdda import Classifier, Purifier, assess, doubt, image
from edge_mdda.averaging import average, mean
from edge_mdda.report import Verdict
from tests.conftest import draw

CLASSIFIER = Classifier()
PURIFIER = Purifier()
CALIBRATION = CLASSIFIER.bundle.calibration
SIDE = CLASSIFIER.bundle.height


def test_the_mean_of_verdicts_is_that_of_each_class() -> None:
    assert mean([Verdict({"A": 1.0, "B": 0.0}), Verdict({"A": 0.5, "B": 0.5})]) == Verdict({"A": 0.75, "B": 0.25})
    one = Verdict({"A": 0.1, "B": 0.9})
    assert mean([one]) == one


def test_frames_are_averaged_and_judged_together_and_the_rest_is_the_newest() -> None:
    reports = [assess(image.to_uint8(draw(SIDE, SIDE, seed)), PURIFIER, CLASSIFIER, seed=seed) for seed in range(3)]
    both = average(reports, CALIBRATION)
    assert both.frames == 3
    assert both.raw == mean([report.raw for report in reports])
    assert both.purified == mean([report.purified for report in reports if report.purified is not None])
    assert both.raw != reports[-1].raw
    newest = reports[-1]
    assert (both.seed, both.milliseconds, both.samples) == (newest.seed, newest.milliseconds, 1)
    assert both.raw_pixels is newest.raw_pixels
    assert both.judgement == doubt.judge(
        newest.raw_pixels,
        both.raw.probabilities,
        both.purified.probabilities,
        purify="auto",
        parameters=PURIFIER.parameters,
        calibration=CALIBRATION,
    )


def test_one_frame_is_its_own_average() -> None:
    report = assess(image.to_uint8(draw(SIDE, SIDE)), PURIFIER, CLASSIFIER, seed=1)
    same = average([report], CALIBRATION)
    assert same.to_json() == report.to_json()


@pytest.mark.parametrize("purify", ["never", "always"])
def test_the_way_of_answering_is_kept(purify: str) -> None:
    report = assess(image.to_uint8(draw(SIDE, SIDE)), PURIFIER, CLASSIFIER, purify=purify)  # type: ignore[arg-type]
    both = average([report, report], CALIBRATION)
    assert both.judgement.purify == purify
    assert (both.purified is None) == (purify == "never")
    assert both.judgement.distance == report.judgement.distance
