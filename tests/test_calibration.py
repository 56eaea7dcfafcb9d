"""A calibration is read only as it was written, for the model it was written for; its sets hold what they should."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge_mdda import EDGE, PAPER_LARGE, calibration
from edge_mdda.calibration import NUMBERS, Answers
from edge_mdda.errors import ModelError, ParameterError
from edge_mdda.judgement import COVERAGES
from tests.calibrations import SHA256, TEMPERATURE, content, parsed

LABELS = ("MEL", "NV")


def test_what_was_written_is_read() -> None:
    found = parsed()
    (purified,) = found.purified
    assert purified.parameters == EDGE
    assert (purified.most_divergence, found.appearance.most, found.raw.most_uncertainty) == (1.0, 4.0, 0.5)
    assert found.raw.least_probabilities["NV"][COVERAGES.index(90)] == pytest.approx(0.1)
    assert purified.auto.least_probabilities["NV"][COVERAGES.index(90)] == pytest.approx(0.3)


def test_only_parameters_that_were_calibrated_are_found() -> None:
    found = parsed()
    assert found.of(EDGE) is found.purified[0]
    assert found.of(PAPER_LARGE) is None
    assert found.of(None) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.update(schema="edge-mdda/calibration/2"), "expected a calibration of schema"),
        (lambda found: found.update(model="1" * 64), f"expected a calibration of model {SHA256}, got '1111"),
        (lambda found: found.update(temperature=1.0), "expected a calibration of temperature 1.25, got '1.0'"),
        (lambda found: found.pop("raw"), "KeyError: 'raw'"),
        (lambda found: found["raw"]["least_probabilities"].pop("NV"), "KeyError: 'NV'"),
        (lambda found: found["raw"]["least_probabilities"]["NV"].pop(), "expected 50 probabilities of NV, got 49"),
        (lambda found: found["raw"].update(most_uncertainty="1"), "expected a finite number, got '1'"),
        (lambda found: found["raw"].update(most_uncertainty=True), "expected a finite number, got True"),
        (lambda found: found["appearance"].update(most=float("nan")), "expected a finite number, got nan"),
        (lambda found: found["appearance"]["means"].pop(), "expected 15 means"),
        (lambda found: found["appearance"]["whitening"][0].append(0.0), "inhomogeneous"),
        (lambda found: found["purified"][0]["parameters"].update(sigma=-1), "expected sigma in"),
        (lambda found: found["purified"][0]["parameters"].update(speed=1), "TypeError"),
        (lambda found: found.update(purified=None), "TypeError"),
        (lambda found: found.update(raw=[]), "TypeError"),
    ],
)
def test_anything_else_is_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    found = content()
    change(found)
    with pytest.raises(ModelError, match=message):
        calibration.parse(json.dumps(found).encode(), LABELS, SHA256, TEMPERATURE)


@pytest.mark.parametrize("damaged", [b"", b"\xff", b"[]", b"[" * 10**5, b"null"])
def test_what_is_no_calibration_at_all_is_refused(damaged: bytes) -> None:
    with pytest.raises(ModelError, match="expected"):
        calibration.parse(damaged, LABELS, SHA256, TEMPERATURE)


class TestPredictionSet:
    ANSWERS = Answers(dict.fromkeys("ABC", (0.6,) * 40 + (0.2,) * 10), 1.0)

    def test_it_holds_the_classes_that_are_probable_enough_most_probable_first(self) -> None:
        assert self.ANSWERS.prediction_set({"A": 0.2, "B": 0.7, "C": 0.1}, 0.9) == ("B", "A")

    def test_a_smaller_coverage_needs_more(self) -> None:
        assert self.ANSWERS.prediction_set({"A": 0.2, "B": 0.7, "C": 0.1}, 0.89) == ("B",)

    def test_the_most_probable_class_is_always_in_it(self) -> None:
        assert self.ANSWERS.prediction_set({"A": 0.34, "B": 0.33, "C": 0.33}, 0.5) == ("A",)

    def test_a_threshold_of_0_always_lets_in(self) -> None:
        assert Answers({"A": (0.0,) * 50, "B": (0.9,) * 50}, 1).prediction_set({"A": 0.0, "B": 1.0}, 0.5) == ("B", "A")

    @pytest.mark.parametrize("coverage", [0.0, 0.49, 0.905, 1.0, 90, float("nan"), float("inf")])
    def test_other_coverages_are_refused(self, coverage: float) -> None:
        with pytest.raises(ParameterError, match=r"expected a coverage in whole per cent from 0.50 to 0.99"):
            self.ANSWERS.prediction_set({"A": 0.5, "B": 0.5, "C": 0.0}, coverage)

    def test_every_coverage_can_be_asked_for(self) -> None:
        for percent in COVERAGES:
            assert self.ANSWERS.prediction_set({"A": 1.0, "B": 0.0, "C": 0.0}, percent / 100)[0] == "A"


def test_the_distance_is_that_of_mahalanobis() -> None:
    random = np.random.default_rng(0)
    mixed = random.normal(size=(400, NUMBERS)) @ random.normal(size=(NUMBERS, NUMBERS))
    covariance = np.cov(mixed, rowvar=False)
    look = calibration.Appearance(mixed.mean(axis=0), np.linalg.cholesky(np.linalg.inv(covariance)), 1.0)
    away = mixed[0] - mixed.mean(axis=0)
    assert look.distance(mixed[0]) == pytest.approx(np.sqrt(away @ np.linalg.inv(covariance) @ away))
