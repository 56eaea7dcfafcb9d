"""Which answer is taken, what the alarm, the sets and the abstention say, with and without a calibration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edge_mdda import EDGE, PAPER_LARGE, appearance, doubt, image
from edge_mdda.errors import ParameterError
from edge_mdda.judgement import Judgement, Mode
from tests.calibrations import parsed
from tests.conftest import draw

PICTURE = image.to_uint8(draw(64, 64))
DISTANCE = float(np.linalg.norm(appearance.describe(PICTURE)))
SURE, OTHER, TORN = {"MEL": 0.95, "NV": 0.05}, {"MEL": 0.05, "NV": 0.95}, {"MEL": 0.45, "NV": 0.55}


def judge(raw: dict[str, float], purified: dict[str, float] | None, purify: Mode, **changes: Any) -> Judgement:
    changes = {"most_distance": 2 * DISTANCE, **changes}
    return doubt.judge(
        PICTURE, raw, purified, purify=purify, parameters=EDGE, calibration=parsed(**changes), coverage=0.9
    )


class TestDivergence:
    def test_by_hand(self) -> None:
        expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
        assert doubt.divergence({"A": 0.25, "B": 0.75}, {"A": 0.5, "B": 0.5}) == pytest.approx(expected)

    def test_of_equals_it_is_0(self) -> None:
        assert doubt.divergence(SURE, SURE) == 0

    def test_a_class_driven_out_counts_and_stays_finite(self) -> None:
        assert doubt.divergence({"A": 0.0, "B": 1.0}, {"A": 1.0, "B": 0.0}) == pytest.approx(math.log(1e6))


class TestAnswer:
    def test_auto_takes_the_raw_verdict_while_purification_changes_little(self) -> None:
        found = judge(SURE, {"MEL": 0.6, "NV": 0.4}, "auto")
        assert (found.answer, found.alarm) == ("raw", False)

    def test_auto_takes_the_purified_verdict_where_the_alarm_rings(self) -> None:
        found = judge(SURE, OTHER, "auto")
        assert (found.answer, found.alarm) == ("purified", True)
        assert found.divergence is not None
        assert found.divergence.value == pytest.approx(0.9 * math.log(19))

    def test_always_takes_the_purified_verdict_and_the_alarm_rings_too(self) -> None:
        assert judge(SURE, SURE, "always").answer == "purified"
        assert judge(SURE, OTHER, "always").alarm

    def test_never_takes_the_raw_verdict_and_has_no_alarm(self) -> None:
        found = judge(SURE, None, "never")
        assert (found.answer, found.divergence, found.alarm) == ("raw", None, False)


class TestAbstention:
    def test_a_sure_answer_is_given(self) -> None:
        found = judge(SURE, SURE, "auto")
        assert (found.abstained, found.reasons) == (False, ())

    def test_an_unsure_one_is_not(self) -> None:
        found = judge(TORN, TORN, "never", most_uncertainty=0.4)
        assert (found.abstained, found.reasons) == (True, ("unsure",))

    def test_both_verdicts_must_be_sure_of_it(self) -> None:
        found = judge(SURE, OTHER, "always", most_uncertainty=0.4, most_divergence=10.0)
        assert found.reasons == ("unsure",)
        assert found.uncertainty is not None
        assert found.uncertainty.value == pytest.approx(0.5)

    def test_where_the_alarm_rings_the_raw_verdict_does_not_count(self) -> None:
        for purify in ("auto", "always"):
            found = judge(SURE, OTHER, purify, most_uncertainty=0.4)  # type: ignore[arg-type]
            assert (found.alarm, found.reasons) == (True, ())
            assert found.uncertainty is not None
            assert found.uncertainty.value == pytest.approx(0.05)

    def test_what_looks_like_something_else_gets_none(self) -> None:
        found = judge(SURE, SURE, "auto", most_distance=0.9 * DISTANCE)
        assert found.reasons == ("not dermoscopic",)
        assert found.distance is not None
        assert found.distance.value == pytest.approx(DISTANCE)

    def test_a_threshold_itself_is_no_flag(self) -> None:
        assert judge(SURE, SURE, "auto", most_distance=DISTANCE).reasons == ()


class TestPredictionSet:
    @pytest.mark.parametrize(("purify", "least"), [("never", 0.1), ("always", 0.2), ("auto", 0.3)])
    def test_each_way_of_answering_has_its_own_thresholds(self, purify: Mode, least: float) -> None:
        for probability in (least - 0.01, least + 0.01):
            verdict = {"MEL": 1 - probability, "NV": probability}
            found = judge(verdict, None if purify == "never" else verdict, purify)
            assert found.prediction_set == (("MEL", "NV") if probability > least else ("MEL",))


class TestUncalibrated:
    def test_without_calibration_only_the_answer_is_chosen(self) -> None:
        for purified, purify, answer in ((OTHER, "always", "purified"), (None, "never", "raw")):
            found = doubt.judge(PICTURE, SURE, purified, purify=purify, parameters=EDGE, calibration=None)  # type: ignore[arg-type]
            assert found.answer == answer
            nothing = (found.prediction_set, found.uncertainty, found.distance, found.divergence, found.abstained)
            assert nothing == (None,) * 5
            assert not found.alarm

    def test_of_other_parameters_the_appearance_remains(self) -> None:
        found = doubt.judge(PICTURE, SURE, OTHER, purify="always", parameters=PAPER_LARGE, calibration=parsed())
        assert (found.prediction_set, found.uncertainty, found.divergence) == (None, None, None)
        assert found.distance is not None
        assert found.abstained is found.distance.flag


class TestMode:
    def test_what_is_calibrated_is_auto_by_default(self) -> None:
        assert doubt.choose_mode(None, EDGE, parsed()) == "auto"
        assert doubt.choose_mode(None, PAPER_LARGE, parsed()) == "always"
        assert doubt.choose_mode(None, EDGE, None) == "always"

    @pytest.mark.parametrize("mode", ["auto", "always", "never"])
    def test_what_is_asked_for_is_done(self, mode: Mode) -> None:
        assert doubt.choose_mode(mode, EDGE, parsed()) == mode

    def test_auto_without_a_calibration_is_refused(self) -> None:
        with pytest.raises(ParameterError, match=r"expected a model calibrated for these parameters.*no calibration"):
            doubt.choose_mode("auto", EDGE, None)
        with pytest.raises(ParameterError, match="got one of other parameters"):
            doubt.choose_mode("auto", PAPER_LARGE, parsed())

    def test_another_mode_is_refused(self) -> None:
        with pytest.raises(ParameterError, match="expected purify out of auto, always, never, got 'maybe'"):
            doubt.choose_mode("maybe", EDGE, parsed())  # type: ignore[arg-type]


@pytest.mark.parametrize("coverage", [0.4, 0.905, 1.0])
def test_a_coverage_out_of_range_is_refused_without_a_calibration_too(coverage: float) -> None:
    with pytest.raises(ParameterError, match="expected a coverage"):
        doubt.judge(PICTURE, SURE, None, purify="never", parameters=EDGE, calibration=None, coverage=coverage)
