"""A report says in JSON exactly what its documentation lists, and in a table what a person needs."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from edge_mdda import EDGE, Parameters, Report, report
from edge_mdda.report import Verdict
from edge_mdda.terminal import render

STAGES = ("decode", "fit", "raw_inference", "purify", "purified_inference", "total")
BEFORE = Verdict({"MEL": 0.7, "NV": 0.25, "BCC": 0.05})
AFTER = Verdict({"MEL": 0.1, "NV": 0.85, "BCC": 0.05})
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
)
UNPURIFIED = replace(
    FOUND,
    purified=None,
    seed=None,
    parameters=None,
    purifier_threads=None,
    purified_pixels=None,
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
            "seed": 2**64 - 1,
            "parameters": {**asdict(EDGE), "scales": list(EDGE.scales)},
            "model": {"name": "mobilenet_v2", "sha256": "0123456789abcdef" * 4},
            "runtime": "litert",
            "threads": {"purify": 2, "inference": 1},
            "milliseconds": dict.fromkeys(STAGES, 1.235),
        }

    def test_the_documentation_lists_every_key(self) -> None:
        documented = report.__doc__ or ""
        for key in json.loads(FOUND.to_json()):
            assert f"\n    {key} " in documented

    def test_without_purification_its_half_is_null(self) -> None:
        written = json.loads(UNPURIFIED.to_json())
        assert set(written) == set(json.loads(FOUND.to_json()))
        assert [written[key] for key in ("purified", "disagree", "seed", "parameters")] == [None] * 4
        assert written["threads"]["purify"] is None
        assert written["milliseconds"]["purify"] is None
        assert written["milliseconds"]["total"] == 1.235

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
        assert "mobilenet_v2 (0123456789ab), litert, 1 ms, seed 18446744073709551615" in text

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
