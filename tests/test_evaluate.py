"""Evaluation: the metrics of a pass, and logits that depend on the seeds alone, not on the threads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_mdda import Classifier, Parameters, Purifier, image, model
from tests.conftest import draw
from tools import evaluate

CHECKOUT = Path(__file__).parent.parent
SHIPPED = CHECKOUT / "models" / model.DEFAULT
QUICK = Parameters(sigma=0.1, blocks=1, iterations=2, scales=(-1, 0))
pytest.importorskip("ai_edge_litert", reason="needs the LiteRT runtime")


@pytest.fixture(scope="module")
def pixels():
    return np.stack([image.to_uint8(draw(224, 224, seed)) for seed in range(3)])


def test_summary_by_hand():
    logits = np.array([[2, 0, 0], [2, 0, 0], [0, 2, 0], [2, 0, 0]], np.float32)
    summary = evaluate.summarise(logits, np.array([0, 0, 1, 1]), ("MEL", "NV", "DF"))
    assert summary["images"] == 4
    assert summary["accuracy"] == summary["balanced_accuracy"] == 0.75
    assert summary["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert (summary["classes"]["MEL"]["sensitivity"], summary["classes"]["MEL"]["specificity"]) == (1.0, 0.5)
    assert summary["classes"]["DF"]["sensitivity"] is None
    assert summary["classes"]["DF"]["specificity"] == 1.0


def test_summary_of_seeds_is_their_mean_and_range():
    logits = np.array([[[2, 0], [2, 0]], [[2, 0], [0, 2]]], np.float32)
    summary = evaluate.summarise_seeds(logits, np.array([0, 1]), ("MEL", "NV"))
    assert summary["seeds"] == 2
    assert summary["accuracy"] == 0.75
    assert summary["accuracy_range"] == [0.5, 1.0]
    assert summary["confusion"] == [[1, 0], [0.5, 0.5]]
    assert summary["classes"]["NV"] == {"images": 1, "sensitivity": 0.5, "specificity": 1.0}


def test_right_is_the_part_of_the_seeds():
    logits = np.array([[[2, 0], [2, 0]], [[2, 0], [0, 2]]], np.float32)
    assert evaluate.right(logits, np.array([0, 1])).tolist() == [1, 0.5]


def test_difference_weighs_images_and_classes():
    found = evaluate.difference(np.array([1, 1, 0, 0.5]), np.array([1, 0, 0, 1]), np.array([0, 0, 0, 1]))
    assert found["accuracy_difference"] == pytest.approx(0.5 / 4)
    assert found["balanced_accuracy_difference"] == pytest.approx((1 / 3 - 1 / 2) / 2)
    low, high = found["accuracy_difference_95"]
    assert low == -0.125  # only the image of the second class, which is lost by a half every time
    assert high > 0.125


def test_a_limit_is_spread_over_the_split():
    assert evaluate.spread(10, None).tolist() == list(range(10))
    assert evaluate.spread(10, 4).tolist() == [0, 3, 6, 9]
    assert evaluate.spread(3, 4).tolist() == [0, 1, 2]


def test_logits_do_not_depend_on_the_threads(pixels):
    bundle = model.load(SHIPPED)
    one = evaluate.classify(bundle, pixels, QUICK, seeds=2, threads=1)
    assert one.shape == (2, 3, len(bundle.labels))
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, evaluate.classify(bundle, pixels, QUICK, seeds=2, threads=3))


def test_logits_are_those_of_the_package_with_the_seeds_documented(pixels):
    bundle = model.load(SHIPPED)
    classifier, purifier = Classifier(bundle), Purifier(QUICK)
    raw = evaluate.classify(bundle, pixels)
    purified = evaluate.classify(bundle, pixels, QUICK, seeds=2)
    for position, picture in enumerate(pixels):
        np.testing.assert_array_equal(raw[0, position], classifier.logits(picture))
        for repetition in range(2):
            cleaned = purifier.purify(picture / np.float32(255), seed=1000 * position + repetition)
            np.testing.assert_array_equal(purified[repetition, position], classifier.logits(cleaned))


def test_models_see_the_same_purified_pixels(pixels):
    both = [model.load(SHIPPED)] * 2
    logits = evaluate.classify_each(both, pixels, QUICK, seeds=2)
    assert logits.shape == (2, 2, 3, 8)
    for each in logits:
        np.testing.assert_array_equal(each, evaluate.classify(both[0], pixels, QUICK, seeds=2))


def test_a_lone_model_answers_like_its_bundle(pixels):
    lone = evaluate.read_model(SHIPPED / "model.tflite")
    np.testing.assert_array_equal(
        evaluate.classify(lone, pixels), evaluate.classify(evaluate.read_model(SHIPPED), pixels)
    )


@pytest.mark.parametrize("seeds", [0, 1001])
def test_seeds_out_of_range_are_refused(pixels, seeds):
    with pytest.raises(ValueError, match=rf"expected seeds in \[1, 1000\], got {seeds}"):
        evaluate.classify(model.load(SHIPPED), pixels, QUICK, seeds=seeds)


def test_the_program_writes_its_metrics(tmp_path):
    (tmp_path / "images").mkdir()
    for seed in range(2):
        encoded = image.encode_jpeg(image.to_uint8(draw(64, 80, seed)))
        (tmp_path / "images" / f"{seed}.jpg").write_bytes(encoded)
    (tmp_path / "labels.csv").write_text("image,label,split\n0,NV,val\n1,MEL,val\n")
    out = tmp_path / "val.json"
    arguments = [str(SHIPPED), "--data", str(tmp_path), "--out", str(out)]
    for options, seeds in (([], None), (["--purify", "edge", "--seeds", "2"], 2)):
        subprocess.run([sys.executable, "-m", "tools.evaluate", *arguments, *options], cwd=CHECKOUT, check=True)
        result = json.loads(out.read_text())
        assert result["schema"] == evaluate.SCHEMA
        assert result["sha256"] == model.load(SHIPPED).sha256
        assert result["measured"]["images"] == 2
        assert result["measured"].get("seeds") == seeds
        assert np.shape(result["predictions"]) == (seeds or 1, 2)
        assert (result["purification"] or {}).get("preset") == (None if seeds is None else "edge")
