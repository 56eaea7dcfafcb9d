"""One call does the whole job, and its report holds what the parts give one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import Classifier, Parameters, Purifier, assess, doubt, image, seeds
from edge_mdda.errors import ImageError, ParameterError
from tests.conftest import draw

CLASSIFIER = Classifier()
PURIFIER = Purifier(Parameters(sigma=0.1, blocks=1, iterations=3, scales=(-1, 0)))
SIDE = CLASSIFIER.bundle.height
PICTURE = image.to_uint8(draw(SIDE, SIDE))


def test_the_report_holds_what_the_parts_give() -> None:
    report = assess(image.encode_png(PICTURE), PURIFIER, CLASSIFIER, seed=5, path="here.png")
    unit = PICTURE.astype(np.float32) / np.float32(255)
    purified = PURIFIER.purify(unit, 5)
    assert report.purified is not None
    assert report.raw.probabilities == dict(zip(CLASSIFIER.labels, CLASSIFIER.classify(unit).tolist(), strict=True))
    assert list(report.purified.probabilities.values()) == CLASSIFIER.classify(purified).tolist()
    assert np.array_equal(report.raw_pixels, PICTURE)
    assert report.purified_pixels is not None
    assert np.array_equal(report.purified_pixels, image.to_uint8(purified))
    assert (report.image, report.seed, report.parameters) == ("here.png", 5, PURIFIER.parameters)
    assert (report.model_sha256, report.runtime) == (CLASSIFIER.bundle.sha256, CLASSIFIER.runtime)
    assert (report.purifier_threads, report.classifier_threads) == (PURIFIER.threads, CLASSIFIER.threads)


def test_bytes_uint8_and_float32_of_one_image_give_one_report() -> None:
    forms = (image.encode_png(PICTURE), PICTURE, PICTURE.astype(np.float32) / np.float32(255))
    reports = [assess(form, PURIFIER, CLASSIFIER, seed=1) for form in forms]
    assert len({str(report.purified) for report in reports}) == 1
    assert len({str(report.raw) for report in reports}) == 1


def test_a_large_image_is_fitted_before_it_is_purified() -> None:
    report = assess(image.to_uint8(draw(300, 450)), PURIFIER, CLASSIFIER, seed=1)
    assert report.raw_pixels.shape == (SIDE, SIDE, 3)
    assert report.purified_pixels is not None
    assert report.purified_pixels.shape == (SIDE, SIDE, 3)


def test_the_callers_array_is_left_alone() -> None:
    pixels = draw(SIDE, SIDE)
    before = pixels.copy()
    assess(pixels, PURIFIER, CLASSIFIER)
    assert np.array_equal(pixels, before)


def test_every_call_draws_its_own_seed_and_the_report_replays_it() -> None:
    first, second = (assess(PICTURE, PURIFIER, CLASSIFIER) for _ in range(2))
    assert first.seed != second.seed
    assert not np.array_equal(first.purified_pixels, second.purified_pixels)  # type: ignore[arg-type]
    again = assess(PICTURE, PURIFIER, CLASSIFIER, seed=first.seed)
    assert np.array_equal(again.purified_pixels, first.purified_pixels)  # type: ignore[arg-type]


def test_samples_are_averaged_and_each_is_that_of_a_seed_derived_from_the_one() -> None:
    report = assess(PICTURE, PURIFIER, CLASSIFIER, seed=7, samples=3)
    singles = [assess(PICTURE, PURIFIER, CLASSIFIER, seed=each) for each in seeds.derive(7, 3)]
    assert (report.seed, report.samples) == (7, 3)
    assert report.purified is not None
    for code, probability in report.purified.probabilities.items():
        each = [single.purified.probabilities[code] for single in singles if single.purified is not None]
        assert len(set(each)) > 1
        assert probability == pytest.approx(sum(each) / 3)
    assert report.raw == singles[0].raw
    assert np.array_equal(report.purified_pixels, singles[0].purified_pixels)  # type: ignore[arg-type]


def test_the_image_as_it_came_is_classified_once_however_many_samples() -> None:
    seen = []

    class Counting(Classifier):
        def classify(self, image: NDArray[Any]) -> NDArray[np.float32]:
            seen.append(image)
            return super().classify(image)

    assess(PICTURE, PURIFIER, Counting(CLASSIFIER.bundle), seed=7, samples=4)
    assert len(seen) == 5


@pytest.mark.parametrize("samples", [0, 65])
def test_samples_out_of_range_are_refused(samples: int) -> None:
    with pytest.raises(ParameterError, match=rf"expected samples in \[1, 64\], got {samples}"):
        assess(PICTURE, PURIFIER, CLASSIFIER, samples=samples)


def test_without_purification_the_purified_half_is_empty() -> None:
    report = assess(PICTURE, PURIFIER, CLASSIFIER, seed=3, purify="never")
    assert (report.purified, report.seed, report.parameters, report.purified_pixels) == (None, None, None, None)
    assert report.purifier_threads is None
    assert report.milliseconds["purify"] is None
    assert report.disagree is None
    assert report.judgement.purify == "never"
    assert report.answer is report.raw


def test_the_judgement_is_that_of_the_verdicts_and_pixels() -> None:
    edge = Purifier()
    report = assess(PICTURE, edge, CLASSIFIER, seed=3, coverage=0.95)
    assert report.purified is not None
    assert report.judgement == doubt.judge(
        PICTURE,
        report.raw.probabilities,
        report.purified.probabilities,
        purify="auto",
        parameters=edge.parameters,
        calibration=CLASSIFIER.bundle.calibration,
        coverage=0.95,
    )
    assert report.judgement.prediction_set is not None
    assert assess(PICTURE, edge, CLASSIFIER, seed=3, purify="always").judgement.answer == "purified"


def test_parameters_that_were_not_calibrated_are_used_but_not_for_auto() -> None:
    report = assess(PICTURE, PURIFIER, CLASSIFIER, seed=3)
    assert report.judgement.purify == "always"
    assert report.judgement.prediction_set is None
    assert report.judgement.distance is not None
    with pytest.raises(ParameterError, match="expected a model calibrated for these parameters"):
        assess(PICTURE, PURIFIER, CLASSIFIER, purify="auto")


def test_a_coverage_out_of_range_is_refused() -> None:
    with pytest.raises(ParameterError, match="expected a coverage"):
        assess(PICTURE, PURIFIER, CLASSIFIER, coverage=0.995)


def test_the_stages_add_up_to_the_total() -> None:
    milliseconds = assess(image.encode_jpeg(PICTURE), PURIFIER, CLASSIFIER).milliseconds
    stages = [value for stage, value in milliseconds.items() if stage != "total"]
    assert all(value is not None and value >= 0 for value in stages)
    assert sum(value or 0 for value in stages) <= (milliseconds["total"] or 0)


def test_the_defaults_are_the_shipped_model_and_the_preset_edge() -> None:
    from edge_mdda import EDGE

    report = assess(PICTURE)
    assert report.parameters == EDGE
    assert report.model_sha256 == CLASSIFIER.bundle.sha256


@pytest.mark.parametrize("bad", [b"", b"GIF89a", np.zeros((224, 224)), np.full((64, 64, 3), 2, np.float32), "a.png"])
def test_what_is_no_image_is_refused(bad: object) -> None:
    with pytest.raises(ImageError, match="expected"):
        assess(bad, PURIFIER, CLASSIFIER)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ParameterError, match="expected a seed"):
        assess(PICTURE, PURIFIER, CLASSIFIER, seed=seed)
