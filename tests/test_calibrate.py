"""What is chosen on val: thresholds that do what they are chosen for, and the same scores as on the device."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
pytest.importorskip("torchmetrics", reason="needs the workstation extra")

from edge_mdda import appearance, calibration, doubt, image, model  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tools import calibrate, card, metrics  # noqa: E402

CODES = model.load().labels


def verdicts(count: int, seed: int, sharpness: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Random probabilities over the eight classes, and labels the most probable of which is right most often."""
    random = np.random.default_rng(seed)
    probabilities = metrics.probabilities(random.normal(size=(count, len(CODES))) * sharpness)
    labels = (random.random(count)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, np.minimum(labels, len(CODES) - 1)


class TestAuroc:
    def test_by_hand(self):
        assert calibrate.auroc(np.array([1.0, 2.0]), np.array([1.5, 3.0])) == pytest.approx(0.75)

    def test_ties_count_half(self):
        assert calibrate.auroc(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == pytest.approx(0.5)

    def test_large_scores_are_not_taken_for_equal(self):
        assert calibrate.auroc(np.array([100.0, 200.0]), np.array([300.0, 400.0])) == 1


class TestAbstention:
    def test_the_risk_of_the_surest_by_hand(self):
        found = calibrate.risks(np.array([0.9, 0.5, 0.7]), np.array([False, True, True]))
        np.testing.assert_allclose(found, [0, 1 / 2, 2 / 3])

    def test_the_threshold_keeps_the_risk_and_gives_most_answers(self):
        uncertainty = np.linspace(0, 1, 1001)
        wrong = np.random.default_rng(0).random(1001) < uncertainty / 2
        most = calibrate.most_uncertainty(uncertainty, wrong)
        given = uncertainty <= most
        assert metrics.wilson(int(wrong[given].sum()), int(given.sum()))[1] <= calibrate.RISK
        assert 0.2 < most < 0.5
        more = uncertainty <= most + 0.05
        assert metrics.wilson(int(wrong[more].sum()), int(more.sum()))[1] > calibrate.RISK

    def test_equal_uncertainties_are_answered_together_or_not_at_all(self):
        uncertainty = np.repeat([0.1, 0.4], 200)
        wrong = np.arange(400) >= 390  # the last of the second half
        assert calibrate.most_uncertainty(uncertainty, wrong) == 0.4
        assert calibrate.most_uncertainty(uncertainty, np.arange(400) >= 300) == 0.1

    def test_where_nothing_is_good_enough_no_answer_is_given(self):
        assert calibrate.most_uncertainty(np.array([0.1, 0.2]), np.array([True, True])) == 0

    def test_the_first_confidence_is_the_devices(self):
        raw, purified = verdicts(5, 0)[0], verdicts(5, 1)[0]
        name, first = next(iter(calibrate.confidences(purified, [raw, purified]).items()))
        assert name == "mean of the verdicts"
        for index in range(5):
            both = [dict(zip(CODES, verdict[index].tolist(), strict=True)) for verdict in (raw, purified)]
            top = max(both[1], key=both[1].__getitem__)
            assert 1 - first[index] == pytest.approx(doubt.uncertainty(top, both))


class TestAlarm:
    def test_the_divergences_are_0_for_equals_and_more_for_others(self):
        raw, purified = verdicts(20, 0)[0], verdicts(20, 1)[0]
        for name, same in calibrate.divergences(raw, raw).items():
            np.testing.assert_allclose(same, 0, atol=1e-12)
            assert (calibrate.divergences(raw, purified)[name] > 0).all()

    def test_an_attack_is_found_and_its_answers_repaired(self):
        clean, labels = verdicts(800, 0)
        other, _ = verdicts(800, 1, sharpness=0.3)
        purified = metrics.probabilities(np.log(clean) + 0.3 * np.log(other))
        attacked = np.full_like(clean, 1e-4)
        attacked[np.arange(800), (clean.argmax(axis=1) + 1) % len(CODES)] = 1 - 7e-4
        most, compared = calibrate.alarm((clean, purified), labels, {"attack": (attacked, purified)}, labels)
        assert compared["auroc"]["KL, purified from raw"]["attack"] > 0.99
        assert compared["chosen_rate"] in calibrate.ALARM_RATES
        rings = calibrate.divergence(clean, purified) > most
        assert rings.mean() == pytest.approx(compared["chosen_rate"], abs=0.002)
        repaired = calibrate.quality(calibrate.choose(attacked, purified, most), labels)["accuracy"]
        assert repaired > calibrate.quality(attacked, labels)["accuracy"] + 0.3

    def test_auto_takes_the_purified_verdict_above_the_threshold_only(self):
        raw, purified = verdicts(50, 0)[0], verdicts(50, 1)[0]
        found = calibrate.divergence(raw, purified)
        most = float(np.median(found))
        chosen = calibrate.choose(raw, purified, most)
        np.testing.assert_array_equal(chosen[found > most], purified[found > most])
        np.testing.assert_array_equal(chosen[found <= most], raw[found <= most])


def test_the_fitted_appearance_takes_one_in_a_hundred_for_something_else():
    random = np.random.default_rng(0)
    mixture = random.normal(size=(15, 15))
    numbers, fresh = (random.normal(size=(4000, 15)) @ mixture + 3 for _ in range(2))
    look = calibrate.fit_appearance(numbers)
    strange = calibrate.distances(look, fresh) > look.most
    assert strange.mean() == pytest.approx(calibrate.NOT_DERMOSCOPIC_RATE, abs=0.005)
    assert (calibrate.distances(look, fresh + 10 * mixture[0]) > look.most).all()


def test_the_first_strangeness_is_the_devices():
    pixels = np.stack([image.to_uint8(draw(64, 64, seed)) for seed in range(3)])
    look = calibrate._fit(np.random.default_rng(0).normal(size=(50, 15)))
    found = calibrate.strangeness(look, pixels, np.zeros((3, 8), np.float32))
    assert next(iter(found)) == "appearance"
    assert found["appearance"][1] == look.distance(appearance.describe(pixels[1]))
    np.testing.assert_allclose(found["energy"], -np.log(8), rtol=1e-6)


def test_the_device_reads_what_is_written_and_gives_the_sets_that_were_calibrated():
    bundle = model.load()
    raw, labels = verdicts(600, 0)
    purified, _ = verdicts(600, 1)
    attacked = {"attack": {"raw": purified[:40], "edge": raw[:40]}}
    look = calibrate.fit_appearance(np.random.default_rng(0).normal(size=(100, 15)))
    content, compared = calibrate.calibration(
        bundle, {"raw": raw, "edge": purified}, labels, attacked, labels[:40], look
    )
    assert set(compared) == {"never", "edge, alarm", "edge, always", "edge, auto"}
    encoded = json.dumps(content).encode()
    known = calibration.parse(encoded, bundle.labels, bundle.sha256, bundle.temperature)
    assert card.rounded(content["raw"]["most_uncertainty"]) == pytest.approx(known.raw.most_uncertainty, abs=1e-6)
    inside = [
        bundle.labels[label] in known.raw.prediction_set(dict(zip(bundle.labels, row.tolist(), strict=True)), 0.9)
        for row, label in zip(raw, labels, strict=True)
    ]
    assert np.mean(inside) >= 0.9
    for index in range(len(CODES)):
        assert np.mean(np.array(inside)[labels == index]) >= 0.9
