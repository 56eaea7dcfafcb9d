"""The measurements of a card, by hand where that can be done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_mdda import Parameters, image, model
from tests.conftest import draw

pytest.importorskip("ai_edge_litert", reason="needs the LiteRT runtime")
from tools import card_measurement, evaluate, metrics


def test_melanoma_at_a_specificity_by_hand():
    # Probability of class 0 from logits (p, 0): the four of class 1 first, then the two of class 0.
    values = np.array([-2, -1, 0, 1, 0.5, 3], np.float32)
    logits = np.stack([values, np.zeros(6, np.float32)], axis=1)[None]
    labels = np.array([1, 1, 1, 1, 0, 0])
    threshold = float(metrics.probabilities(np.array([[2.0, 0.0]]))[0, 0])
    found = card_measurement.melanoma(logits, labels, 0, 1.0, {"0.75": threshold})["0.75"]
    assert found["sensitivity"] == 1  # both are above 0, the third of four negatives
    assert found["threshold_of_val"] == {"threshold": threshold, "sensitivity": 0.5, "specificity": 1}


def test_logits_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    both = (model.load(),) * 2
    pixels = image.to_uint8(draw(224, 224))[None]
    parameters = Parameters(sigma=0.1, blocks=1, iterations=2, scales=(0,))
    first = card_measurement.logits_of(both, pixels, parameters, 2, "auto", 1, tmp_path)
    assert first.shape == (2, 2, 1, 8)
    monkeypatch.setattr(evaluate, "classify_each", lambda *_, **__: pytest.fail("measured again"))
    np.testing.assert_array_equal(card_measurement.logits_of(both, pixels, parameters, 2, "auto", 1, tmp_path), first)
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        card_measurement.logits_of(both, pixels, parameters, 3, "auto", 1, tmp_path)
