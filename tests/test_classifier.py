"""The classifier gives calibrated probabilities of any RGB image, the same from every thread."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import Classifier, image, model
from edge_mdda.errors import ImageError, ModelError, ParameterError
from tests.conftest import draw

CLASSIFIER = Classifier()
LABELS = CLASSIFIER.labels
SIDE = CLASSIFIER.bundle.height


def test_probabilities_are_float32_in_0_1_and_add_up_to_1() -> None:
    for seed in range(5):
        probabilities = CLASSIFIER.classify(draw(SIDE, SIDE, seed))
        assert (probabilities.dtype, probabilities.shape) == (np.float32, (len(LABELS),))
        assert (probabilities >= 0).all()
        assert probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_they_are_the_softmax_of_the_logits_over_the_temperature() -> None:
    bundle = replace(CLASSIFIER.bundle, temperature=2.5)
    picture = draw(SIDE, SIDE)
    powers = np.exp(CLASSIFIER.logits(picture).astype(float) / 2.5)
    np.testing.assert_allclose(Classifier(bundle).classify(picture), powers / powers.sum(), rtol=1e-5)


def test_the_temperature_comes_from_the_card(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(CLASSIFIER.bundle.folder, folder)
    card = json.loads((folder / "card.json").read_text())
    card["output"]["temperature"] = 100
    del card["sha256"]["calibration.json"]  # it is of the other temperature
    (folder / "card.json").write_text(json.dumps(card))
    probabilities = Classifier(folder).classify(draw(SIDE, SIDE))
    assert np.ptp(probabilities) < np.ptp(CLASSIFIER.classify(draw(SIDE, SIDE)))


def test_logits_are_whole_steps_of_the_output_scale() -> None:
    logits = CLASSIFIER.logits(draw(SIDE, SIDE))
    steps = logits / CLASSIFIER._interpreter.output.scale
    assert logits.dtype == np.float32
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


@pytest.mark.parametrize("shape", [(SIDE, SIDE), (300, 401)])
def test_uint8_and_float32_of_the_same_pixels_agree(shape: tuple[int, int]) -> None:
    """Bit for bit at the model's size; in another size rounding after the resampling may move a pixel by one step."""
    pixels = image.to_uint8(draw(*shape))
    whole, unit = CLASSIFIER.logits(pixels), CLASSIFIER.logits(pixels.astype(np.float32) / np.float32(255))
    step = 0 if shape == (SIDE, SIDE) else 4 * CLASSIFIER._interpreter.output.scale
    np.testing.assert_allclose(whole, unit, atol=step + 1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(32, 32), (33, 500), (SIDE, SIDE), (1000, 40), (701, 1003)])
def test_any_size_is_fitted(shape: tuple[int, int]) -> None:
    pixels = image.to_uint8(draw(*shape))
    expected = CLASSIFIER.classify(image.fit(pixels, SIDE, SIDE))
    assert np.array_equal(CLASSIFIER.classify(pixels), expected)


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_are_classified(value: int) -> None:
    assert np.isfinite(CLASSIFIER.classify(np.full((SIDE, SIDE, 3), value, np.uint8))).all()


def test_all_256_levels_reach_the_model_apart() -> None:
    """The int8 input of the shipped model loses nothing of an 8-bit image."""
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    tensor = CLASSIFIER._tensor(levels)
    assert tensor.dtype == np.int8
    assert len(np.unique(tensor)) == 256


def test_strided_and_read_only_arrays_are_taken_and_left_alone() -> None:
    pixels = image.to_uint8(draw(SIDE, SIDE))
    mirrored = pixels[:, ::-1]
    mirrored.flags.writeable = False
    assert np.array_equal(CLASSIFIER.classify(mirrored), CLASSIFIER.classify(np.ascontiguousarray(mirrored)))
    assert np.array_equal(pixels, image.to_uint8(draw(SIDE, SIDE)))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((64, 64, 3)), "expected dtype uint8 or float32, got float64"),
        (np.zeros((64, 64), np.uint8), r"expected shape \(height, width, 3\), got"),
        (np.zeros((64, 64, 4), np.uint8), r"expected shape \(height, width, 3\), got"),
        (np.zeros((31, 64, 3), np.uint8), "expected sides of at least 32 pixels, got 64×31"),
        (np.full((64, 64, 3), 1.5, np.float32), r"expected float32 values in \[0, 1\], got"),
        (np.full((64, 64, 3), np.nan, np.float32), r"expected float32 values in \[0, 1\], got"),
        ([[0]], "expected a NumPy array, got list"),
    ],
)
def test_other_pixels_are_refused(pixels: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        CLASSIFIER.classify(pixels)


def test_one_classifier_serves_several_threads() -> None:
    pictures = [draw(SIDE, SIDE, seed) for seed in range(4)]
    expected = [CLASSIFIER.logits(picture) for picture in pictures]
    assert not np.array_equal(expected[0], expected[1])
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(5):
            got: NDArray[np.float32] = CLASSIFIER.logits(pictures[index])
            wrong.extend([index] * (not np.array_equal(got, expected[index])))

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(pictures))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_the_number_of_threads_changes_no_result() -> None:
    two = Classifier(threads=2)
    assert (two.threads, CLASSIFIER.threads) == (2, 1)
    assert np.array_equal(two.logits(draw(SIDE, SIDE)), CLASSIFIER.logits(draw(SIDE, SIDE)))


@pytest.mark.parametrize("threads", [0, 65])
def test_threads_out_of_range_are_refused(threads: int) -> None:
    with pytest.raises(ParameterError, match=r"expected threads in \[1, 64\], got"):
        Classifier(threads=threads)


def test_a_card_of_another_size_than_the_model_is_refused() -> None:
    with pytest.raises(ModelError, match=r"expected an input of shape \(1, 96, 224, 3\) by the card"):
        Classifier(replace(CLASSIFIER.bundle, height=96))


def test_a_bundle_may_be_given_as_bundle_path_or_text() -> None:
    folder = CLASSIFIER.bundle.folder
    assert {Classifier(given).bundle.sha256 for given in (model.load(), folder, str(folder))} == {model.load().sha256}
