"""The stages that are timed are those of the real pipeline, and they add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_mdda import Parameters
from edge_mdda.device import memory, pipeline, subject, timing
from tests.flatbuffers_made import addition

CHEAP = Parameters(blocks=2, iterations=1, scales=(-1, 0))


@pytest.fixture(scope="module")
def taken() -> list[dict[str, float]]:
    ready = pipeline.prepare(subject.load(None), CHEAP, 1, "auto", subject.picture())
    return [ready.once() for _ in range(3)]


def test_every_stage_is_there_in_order_and_takes_time(taken: list[dict[str, float]]) -> None:
    for stages in taken:
        assert tuple(stages) == pipeline.STAGES
        assert all(stages[stage] >= 0 for stage in stages)
        assert min(stages[stage] for stage in ("decode", "raw_inference", "purify", "purified_inference")) > 0


def test_the_parts_of_a_purification_are_all_of_it(taken: list[dict[str, float]]) -> None:
    for stages in taken:
        assert sum(stages[part] for part in pipeline.PARTS) == pytest.approx(stages["purify"])


def test_the_stages_are_all_of_an_image_but_for_what_is_between_them(taken: list[dict[str, float]]) -> None:
    for stages in taken:
        between = stages["total"] - sum(
            stages[stage] for stage in pipeline.STAGES if stage not in (*pipeline.PARTS, "total")
        )
        assert 0 <= between < 0.25 * stages["total"]


def test_a_blocks_parts_are_parts_of_one() -> None:
    unit = np.full((64, 64, 3), 0.5, np.float32)
    shares = pipeline._shares(Parameters(blocks=2, iterations=20, scales=(0,)), 1, unit)
    assert shares.sum(axis=1) == pytest.approx([1, 1])
    assert (shares >= 0).all()
    assert (shares[:, 2] > 0.5).all()  # with twenty iterations most is total variation
    assert pipeline._shares(Parameters(blocks=0), 1, unit).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_of_a_model_that_takes_no_image_inference_alone_is_timed(tmp_path: Path) -> None:
    file = tmp_path / "addition.tflite"
    file.write_bytes(addition())
    ready = pipeline.prepare(subject.load(file), CHEAP, 1, "auto", b"")
    assert set(ready.once()) == {"raw_inference", "total"}
    assert [operator.name for operator in ready.operators] == ["ADD"]


def test_a_summary_of_times() -> None:
    assert timing.summary([float(value) for value in range(1, 102)]) == {
        "count": 101,
        "min": 1,
        "p5": 6,
        "median": 51,
        "p95": 96,
        "p99": 100,
        "max": 101,
    }


def test_memory_of_this_process() -> None:
    found = memory.resident()
    assert found.now_mib is not None
    assert found.peak_mib is not None
    assert 10 < found.now_mib <= found.peak_mib
