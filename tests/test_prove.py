"""The proof on emulated ARM: what it compares, what it would not let pass, and what it says. The run is a command."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from deploy.arm64 import prove
from edge_mdda import image
from tests.program import PICTURE

REPORT: dict[str, Any] = {
    "image": "lesion.png",
    "raw": {"probabilities": {"MEL": 0.25, "NV": 0.75}, "top": "NV"},
    "prediction_set": {"classes": ["NV", "MEL"]},
    "out_of_distribution": {"score": 6.138058, "flag": False},
}
RESULT: dict[str, Any] = {"reports": {"edge": REPORT}, "purified": {"edge/lesion.png": image.encode_png(PICTURE)}}


def changed(**reports: Any) -> dict[str, Any]:
    result = copy.deepcopy(RESULT)
    result["reports"]["edge"].update(reports)
    return result


def record(compared: dict[str, Any], failed: int = 0, model: str = "ok") -> dict[str, Any]:
    names = ("architecture", "userland", "runtime", "numpy", "kernel cache", "model", "camera")
    libraries = {"python": "3.13.5", "numpy": "2.4.6", "numba": "0.68.1", "ai-edge-litert": "2.3.0"}
    guest = {
        "board": "raspberry-pi-os-13",
        "core": "cortex-a76",
        "versions": libraries,
        "doctor": {**dict.fromkeys(names, "ok"), "model": model, "camera": "warning"},
        "compared": compared,
        "tests": {"passed": 9, "failed": failed, "skipped": 1},
    }
    return {"machine": "a machine", "here": libraries, "guests": {"trixie": guest}}


def test_the_same_answers_pass() -> None:
    found = prove.compare(RESULT, copy.deepcopy(RESULT))
    assert (found["reports"], found["purified_images"], found["bytes"]) == (1, 1, PICTURE.size)
    assert prove.verdict(json.loads(json.dumps(record(found)))) == []


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (changed(raw={"probabilities": {"MEL": 0.25, "NV": 0.75}, "top": "MEL"}), "got different words 1"),
        (
            changed(raw={"probabilities": {"MEL": 0.250001, "NV": 0.75}, "top": "NV"}),
            "got largest difference of probabilities 1e-06",
        ),
        (changed(out_of_distribution={"score": 6.1, "flag": False}), "expected scores within 0.0001 of this machine's"),
        (changed(out_of_distribution={"score": 6.138058, "flag": True}), "got different words 1"),
    ],
)
def test_another_answer_is_told(there: dict[str, Any], message: str) -> None:
    (wrong,) = prove.verdict(record(prove.compare(RESULT, there)))
    assert message in wrong


def test_sums_in_another_order_pass() -> None:
    there = changed(out_of_distribution={"score": 6.138068, "flag": False})
    found = prove.compare(RESULT, there)
    assert found["largest_difference_of_scores"] == 1e-5
    assert prove.verdict(record(found)) == []


def test_one_purified_byte_is_told() -> None:
    there = copy.deepcopy(RESULT)
    pixels = np.array(PICTURE)
    pixels[3, 4, 1] ^= 1
    there["purified"]["edge/lesion.png"] = image.encode_png(pixels)
    found = prove.compare(RESULT, there)
    assert (found["different_files"], found["largest_difference_of_bytes"]) == (1, 1)
    (wrong,) = prove.verdict(record(found))
    assert "got different bytes 1" in wrong


def test_a_report_of_another_form_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match=r"expected the keys of edge as here, got \['.more'\] apart"):
        prove.compare(RESULT, changed(more=1))


def test_failed_tests_and_doctors_problems_are_told() -> None:
    found = prove.compare(RESULT, RESULT)
    assert prove.verdict(record(found, failed=2)) == ["trixie: expected no failed test, got 2"]
    assert prove.verdict(record(found, model="problem")) == ["trixie: expected doctor to say ok of model, got problem"]


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("…\n683 passed, 2 skipped, 2 deselected in 384.40s (0:06:24)\n", (683, 0, 2)),
        ("…\n1 failed, 8 passed in 3.1s\n", (8, 1, 0)),
        ("…\n8 passed, 1 error in 3.1s\n", (8, 1, 0)),
    ],
)
def test_what_pytest_counts(said: str, counts: tuple[int, int, int]) -> None:
    assert tuple(prove.outcomes(said).values()) == counts


def test_tests_that_did_not_run_are_no_success() -> None:
    with pytest.raises(RuntimeError, match="expected pytest's last line, got 'Segmentation fault'"):
        prove.outcomes("…\nSegmentation fault")


def test_every_test_it_names_is_there() -> None:
    assert [name for name in prove.TESTS if not (prove.PROJECT / "tests" / f"test_{name}.py").is_file()] == []


def test_the_page_has_a_column_a_guest() -> None:
    lines = prove.markdown(record(prove.compare(RESULT, RESULT))).splitlines()
    assert lines[2] == "| | trixie |"
    assert "| reports compared, largest difference of a probability | 1, 0 |" in lines
    assert f"| bytes of purified images, different ones | {PICTURE.size:,}, 0 |" in lines
    assert "| doctor: ok, warning, problem | 6, 1, 0 |" in lines
    assert "| quick tests: passed, failed, skipped | 9, 0, 1 |" in lines
