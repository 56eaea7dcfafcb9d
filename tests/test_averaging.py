"""Frames of one lesion become one report: their mean, judged by the model's thresholds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_mdda import Classifier, Purifier, assess, doubt, image
from edge_mdda.averaging import LEAST_LIKENESS, Lesion, average, likeness, mean
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


class TestLesion:
    """Another lesion begins another average; a trembling hand and changing light do not."""

    ONE = image.to_uint8(draw(SIDE, SIDE))
    OTHER = np.ascontiguousarray(ONE[::-1, ::-1])

    def test_a_moved_and_brightened_picture_is_alike_and_another_one_is_not(self) -> None:
        moved = np.clip(np.roll(self.ONE, 4, axis=(0, 1)).astype(int) + 12, 0, 255).astype(np.uint8)
        assert likeness(self.ONE, self.ONE) == pytest.approx(1)
        assert likeness(self.ONE, moved) > LEAST_LIKENESS
        assert likeness(self.ONE, self.OTHER) < LEAST_LIKENESS

    def test_a_picture_of_one_colour_is_like_nothing(self) -> None:
        assert likeness(self.ONE, np.full_like(self.ONE, 90)) == 0

    def test_the_last_frames_of_a_lesion_are_averaged(self) -> None:
        lesion = Lesion(2, CALIBRATION)
        reports = [assess(self.ONE, PURIFIER, CLASSIFIER, seed=seed) for seed in range(3)]
        found = [lesion.add(report) for report in reports]
        assert [report.frames for report in found] == [1, 2, 2]
        assert found[2].purified == mean([report.purified for report in reports[1:] if report.purified is not None])

    def test_another_lesion_begins_another_average(self) -> None:
        lesion = Lesion(3, CALIBRATION)
        one, other = (assess(picture, PURIFIER, CLASSIFIER, seed=1) for picture in (self.ONE, self.OTHER))
        frames = [lesion.add(report).frames for report in (one, one, other, other, one)]
        assert frames == [1, 2, 1, 2, 1]

    def test_the_oldest_of_the_average_decides_so_that_a_slow_move_does_not_average_two_lesions(self) -> None:
        steps = [np.roll(self.ONE, 12 * step, axis=(0, 1)) for step in range(5)]
        assert min(likeness(before, after) for before, after in itertools.pairwise(steps)) > LEAST_LIKENESS
        assert likeness(steps[0], steps[-1]) < LEAST_LIKENESS
        lesion = Lesion(10, CALIBRATION)
        frames = [lesion.add(assess(step, PURIFIER, CLASSIFIER, seed=1)).frames for step in steps]
        assert 1 in frames[1:]
