"""A report says in JSON exactly what its documentation lists, and in a table what a person needs."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from edge_mdda import EDGE, Parameters, Report, report
from edge_mdda.judgement import Judgement, Score
from edge_mdda.report import Verdict
from edge_mdda.terminal import render

STAGES = ("decode", "fit", "raw_inference", "purify", "purified_inference", "judge", "total")
BEFORE = Verdict({"MEL": 0.7, "NV": 0.25, "BCC": 0.05})
AFTER = Verdict({"MEL": 0.1, "NV": 0.85, "BCC": 0.05})
JUDGED = Judgement(
    purify="auto",
    answer="purified",
    coverage=0.9,
    prediction_set=("NV", "MEL"),
    uncertainty=Score(0.45, 0.5),
    distance=Score(3.0, 6.5),
    divergence=Score(2.25, 1.5),
)
UNCALIBRATED = Judgement("always", "purified", 0.9, None, None, None, None)
FOUND = Report(
    image="lesion.png",
    raw=BEFORE,
    purified=AFTER,
    seed=2**64 - 1,
    parameters=EDGE,
    model_name="mobilenet_v2",
    model_sha256="0123456789abcdef" * 4,
    runtime="litert",
    purifier_threads=2,
    classifier_threads=1,
    milliseconds=dict.fromkeys(STAGES, 1.23456),
    raw_pixels=np.zeros((64, 64, 3), np.uint8),
    purified_pixels=np.full((64, 64, 3), 8, np.uint8),
    judgement=JUDGED,
    samples=4,
    frames=3,
)
UNPURIFIED = replace(
    FOUND,
    purified=None,
    seed=None,
    parameters=None,
    purifier_threads=None,
    purified_pixels=None,
    samples=None,
    judgement=replace(JUDGED, purify="never", answer="raw", prediction_set=("MEL",), divergence=None),
    milliseconds={**FOUND.milliseconds, "purify": None, "purified_inference": None},
)


class TestVerdict:
    def test_the_top_is_the_most_probable(self) -> None:
        assert (BEFORE.top, AFTER.top) == ("MEL", "NV")

    def test_of_equals_the_first_is_the_top(self) -> None:
        assert Verdict({"NV": 0.5, "MEL": 0.5}).top == "NV"


class TestJson:
    def test_it_has_the_documented_keys_and_values(self) -> None:
        assert json.loads(FOUND.to_json()) == {
            "schema": "edge-mdda/report/1",
            "image": "lesion.png",
            "raw": {"probabilities": BEFORE.probabilities, "top": "MEL"},
            "purified": {"probabilities": AFTER.probabilities, "top": "NV"},
            "disagree": True,
            "purify": "auto",
            "answer": {"from": "purified", "class": "NV", "abstained": False, "reasons": []},
            "prediction_set": {"coverage": 0.9, "classes": ["NV", "MEL"]},
            "uncertainty": {"score": 0.45, "threshold": 0.5, "flag": False},
            "out_of_distribution": {"score": 3.0, "threshold": 6.5, "flag": False},
            "alarm": {"score": 2.25, "threshold": 1.5, "flag": True},
            "seed": 2**64 - 1,
            "samples": 4,
            "frames": 3,
            "parameters": {**asdict(EDGE), "scales": list(EDGE.scales)},
            "model": {"name": "mobilenet_v2", "sha256": "0123456789abcdef" * 4},
            "runtime": "litert",
            "threads": {"purify": 2, "inference": 1},
            "milliseconds": dict.fromkeys(STAGES, 1.235),
        }

    def test_the_documentation_lists_every_key(self) -> None:
        documented = report.__doc__ or ""
        for key in json.loads(FOUND.to_json()):
            assert f"\n    {key} " in documented or f"\n    {key}\n" in documented

    def test_without_purification_its_half_is_null(self) -> None:
        written = json.loads(UNPURIFIED.to_json())
        assert set(written) == set(json.loads(FOUND.to_json()))
        assert [written[key] for key in ("purified", "disagree", "seed", "samples", "parameters")] == [None] * 5
        assert written["threads"]["purify"] is None
        assert written["milliseconds"]["purify"] is None
        assert written["milliseconds"]["total"] == 1.235

    def test_without_a_calibration_there_is_an_answer_and_nothing_on_it(self) -> None:
        written = json.loads(replace(FOUND, judgement=UNCALIBRATED).to_json())
        assert written["answer"] == {"from": "purified", "class": "NV", "abstained": None, "reasons": []}
        assert [written[key] for key in ("prediction_set", "uncertainty", "out_of_distribution", "alarm")] == [None] * 4

    def test_parameters_rebuild_themselves_from_it(self) -> None:
        assert Parameters(**json.loads(FOUND.to_json())["parameters"]) == EDGE
        assert len(fields(Parameters)) == len(json.loads(FOUND.to_json())["parameters"])

    @pytest.mark.parametrize("name", ["a\nb", "Läsion 1.png", "\udcff", "\x1b[2J", None])
    def test_it_is_one_line_of_ascii_whatever_the_name(self, name: str | None) -> None:
        line = replace(FOUND, image=name).to_json()
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["image"] == name

    def test_probabilities_have_six_decimals(self) -> None:
        written = json.loads(replace(FOUND, raw=Verdict({"A": 1 / 3, "B": 2 / 3})).to_json())
        assert written["raw"]["probabilities"] == {"A": 0.333333, "B": 0.666667}

    def test_classes_keep_the_order_of_the_outputs(self) -> None:
        assert list(json.loads(FOUND.to_json())["raw"]["probabilities"]) == ["MEL", "NV", "BCC"]


class TestTable:
    def test_it_shows_both_probabilities_of_every_class_most_probable_first(self) -> None:
        text = render(FOUND.to_table())
        rows = [
            line.split() for line in text.splitlines() if line.split()[:1] and line.split()[0] in AFTER.probabilities
        ]
        assert [row[0] for row in rows] == ["NV", "MEL", "BCC"]
        assert [word for word in rows[0] if word.endswith("%")] == ["25.0%", "85.0%"]

    def test_it_says_what_was_found_and_with_what(self) -> None:
        text = " ".join(render(FOUND.to_table()).split())
        assert "Disagreement: MEL (70.0%) as it came, NV (85.0%) purified" in text
        assert "mobilenet_v2 (0123456789ab), litert, 1 ms, mean of 3 frames, mean of 4 purifications, seed 184" in text
        assert "mean" not in " ".join(replace(FOUND, samples=1, frames=1).summary())

    def test_agreement_is_said_too(self) -> None:
        agreed = replace(FOUND, purified=BEFORE)
        assert agreed.disagree is False
        assert agreed.summary()[0] == "Agreement: MEL (70.0%) as it came, MEL (70.0%) purified."

    def test_without_purification_it_has_one_column(self) -> None:
        assert UNPURIFIED.disagree is None
        assert UNPURIFIED.summary()[0] == "MEL (70.0%), not purified."
        assert "as it came" in render(UNPURIFIED.to_table())
        assert "purified   " not in render(UNPURIFIED.to_table())

    def test_a_name_cannot_steer_the_terminal(self) -> None:
        text = render(replace(FOUND, image="\x1b[2J[red]\nx.png").to_table())
        assert "\\x1b[2J[red]\\nx.png" in text
        assert "\x1b" not in text

    @pytest.mark.parametrize(("probability", "length"), [(0.0, 0), (0.001, 0), (0.5, 12), (0.51, 13), (1.0, 24)])
    def test_bars_are_as_long_as_the_probability(self, probability: float, length: int) -> None:
        assert len(report._bar(probability)) == length


class TestAdvice:
    def test_it_says_the_alarm_the_answer_and_the_set(self) -> None:
        assert FOUND.advice() == [
            "Attack alarm: purification changes the verdict by 2.25, more than 1.50.",
            "Answer: NV, purified.",
            "At 90% coverage it is one of: NV, MEL.",
        ]
        assert UNPURIFIED.advice() == ["Answer: MEL, as it came.", "At 90% coverage it is one of: MEL."]

    def test_it_says_why_there_is_no_answer(self) -> None:
        unsure = replace(JUDGED, uncertainty=Score(0.625, 0.5), divergence=Score(0.5, 1.5))
        assert replace(FOUND, judgement=unsure).advice() == [
            "No answer: too unsure, 37.5% where 50.0% is needed.",
            "At 90% coverage it is one of: NV, MEL.",
        ]
        strange = replace(JUDGED, distance=Score(7.0, 6.5), divergence=Score(0.5, 1.5))
        assert replace(FOUND, judgement=strange).advice() == ["No answer: this does not look like a dermoscopic image."]

    def test_it_stands_in_the_table(self) -> None:
        text = " ".join(render(FOUND.to_table()).split())
        assert all(sentence in text for sentence in FOUND.advice())

    def test_without_a_calibration_there_is_none(self) -> None:
        assert replace(FOUND, judgement=UNCALIBRATED).advice() == []

    def test_doubtful_is_no_answer_or_an_alarm(self) -> None:
        quiet = replace(JUDGED, divergence=Score(0.5, 1.5))
        assert FOUND.doubtful
        assert not replace(FOUND, judgement=quiet).doubtful
        assert replace(FOUND, judgement=replace(quiet, uncertainty=Score(0.6, 0.5))).doubtful
        assert not replace(FOUND, judgement=UNCALIBRATED).doubtful
