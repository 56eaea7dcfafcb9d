"""The benchmark times what it says it times; the pipeline it compares with is the same method."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("skimage", reason="needs scikit-image (the benchmark extra)")
from edge_mdda import PAPER_LARGE, PAPER_SMALL, Parameters, purify
from tests.conftest import draw
from tools import benchmark, roofline
from tools import scikit_image_pipeline as pipeline


# scikit-image's Bregman stays 3 % above the minimal energy, so its images differ more.
@pytest.mark.parametrize(("denoise", "factor"), [(pipeline.chambolle, 1.5), (pipeline.bregman, 4)])
def test_the_scikit_image_pipeline_is_the_same_method(denoise, factor):
    image = draw(96, 96)
    theirs = pipeline.purify(image, PAPER_LARGE, denoise, np.random.default_rng(0))
    ours = purify(image, PAPER_LARGE, seed=1)
    # Different noise: two of our own seeds differ as much.
    assert np.abs(ours - theirs).mean() < factor * np.abs(ours - purify(image, PAPER_LARGE, seed=2)).mean()


def test_without_noise_and_denoising_it_is_the_same_image():
    image = draw(96, 96)
    parameters = Parameters(blocks=0)
    theirs = pipeline.purify(image, parameters, pipeline.chambolle, np.random.default_rng(0))
    np.testing.assert_allclose(purify(image, parameters, seed=1), theirs, atol=1e-4)


@pytest.mark.parametrize("preset", [PAPER_SMALL, PAPER_LARGE], ids=["paper-small", "paper-large"])
def test_our_energy_gap_is_no_larger_than_that_of_scikit_image(preset):
    gaps, iterations = benchmark.energy_gaps(draw(64, 64), preset)
    assert 0 < gaps[f"edge_mdda, {iterations} iterations"] <= gaps["scikit-image Chambolle"]
    assert gaps["scikit-image Chambolle"] < gaps["scikit-image Bregman"]
    assert gaps[f"edge_mdda, {preset.iterations} iterations"] < 0.9


def test_contenders_take_turns_and_the_first_round_is_not_counted(monkeypatch):
    monkeypatch.setattr(benchmark, "TURN", 0)
    calls: list[str] = []
    times = benchmark.interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}


def test_a_turn_of_a_short_call_is_the_median_of_several(monkeypatch):
    clock = iter([0, 0.010, 1, 1.030, 2, 2.020])
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: next(clock))
    assert benchmark._turn(lambda: None) == pytest.approx(20)


def test_ratios_are_taken_round_by_round_and_only_of_what_is_comparable():
    times = {
        "edge, 1 thread": [1.0, 2.0],
        "paper-small, 1 thread": [16.0, 30.0],
        "paper-small, 2 threads": [10.0, 20.0],
        "paper-small, scikit-image Chambolle": [100.0, 600.0],
        "int8 inference (litert), 1 thread": [2.0, 1.0],
        "int8 inference (litert), 2 threads": [1.0, 1.0],
    }
    theirs = "paper-small, scikit-image Chambolle"
    assert benchmark.ratios(times) == {
        "edge, 1 thread against int8 inference (litert), 1 thread": {"median": 1.25, "min": 0.5, "max": 2.0},
        f"paper-small, 1 thread against {theirs}": {"median": 13.125, "min": 6.25, "max": 20.0},
        "paper-small, 2 threads against paper-small, 1 thread": {"median": 1.55, "min": 1.5, "max": 1.6},
        f"paper-small, 2 threads against {theirs}": {"median": 20.0, "min": 10.0, "max": 30.0},
    }


@pytest.mark.parametrize(
    ("median", "largest", "lost"), [(20.0, 30.0, False), (12.0, 14.0, False), (9.0, 21.0, False), (9.0, 14.0, True)]
)
def test_only_a_ratio_that_fell_beyond_its_spread_is_a_regression(median, largest, lost):
    before = {"times_faster": {"edge": {"median": 20.0, "min": 10.0, "max": 25.0}, "gone": {"median": 1.0, "min": 1.0}}}
    now = {"times_faster": {"edge": {"median": median, "min": 5.0, "max": largest}}}
    found = benchmark.regressions(now, before)
    gone = "gone: expected about 1.0, got no such ratio"
    assert found == (["edge: expected about 20.0, got 9.0", gone] if lost else [gone])


@pytest.mark.parametrize(("gain", "lost"), [(1.8, True), (0.9, False)])
def test_where_a_second_thread_brings_less_two_threads_may_be_slower(gain, lost):
    two, one = "edge, 2 threads against edge, 1 thread", "edge, 1 thread against another"
    before = {name: {"median": 1.8, "min": 1.7, "max": 1.9} for name in (two, one)}
    after = {name: {"median": 1.0, "min": 0.9, "max": 1.1} for name in (two, one)}
    found = benchmark.regressions(
        {"times_faster": after, "roofline": {roofline.TWO_THREADS: gain}},
        {"times_faster": before, "roofline": {roofline.TWO_THREADS: 1.8}},
    )
    assert found == [f"{name}: expected about 1.8, got 1.0" for name in ([two, one] if lost else [one])]
