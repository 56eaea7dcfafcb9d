"""The choice of presets: the cheapest candidate that is about as good as the best."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("foolbox", reason="needs the workstation extra")
from edge_mdda import Parameters, model
from edge_mdda.parameters import PRESETS
from tools import presets

REPORT = Path(__file__).resolve().parent.parent / "models" / "presets.json"


def row(score: float, cost: float) -> dict[str, float]:
    return {"score": score, "cost": cost}


def test_the_cheapest_within_the_tolerance_is_chosen():
    rows = [row(0.80, 20.0), row(0.795, 5.0), row(0.78, 1.0), row(0.792, 4.0), row(0.793, 4.0)]
    assert presets.choose(rows, tolerance=0.01) == row(0.793, 4.0)
    assert presets.choose(rows, tolerance=0.0) == row(0.80, 20.0)


def test_only_the_most_promising_are_measured_on_all_images(monkeypatch):
    """More iterations are more promising to this stand-in, which records how many images it saw."""
    seen = []

    def measure(parameters, bundle, images):
        seen.append({name: (len(pixels), len(labels)) for name, (pixels, labels) in images.items()})
        return {"score": parameters.iterations}

    monkeypatch.setattr(presets, "measure", measure)
    images = {"clean": (np.zeros((100, 2, 2, 3), np.uint8), np.zeros(100, np.int64))}
    many = [Parameters(iterations=count) for count in range(1, presets.FINALISTS + 3)]
    assert presets.screen(many, model.load(), images) == many[:1:-1]
    assert seen == [{"clean": (30, 30)}] * len(many)
    few = many[: presets.FINALISTS]
    assert presets.screen(few, model.load(), images) == few


@pytest.mark.parametrize("preset", PRESETS)
def test_every_candidate_is_different_and_keeps_what_the_paper_says(preset):
    found = presets.CANDIDATES[preset]
    assert len(set(found)) == len(found) > 1
    if preset != "edge":
        assert {(p.sigma, p.blocks, p.scales) for p in found} == {
            (PRESETS[preset].sigma, PRESETS[preset].blocks, Parameters().scales)
        }


def test_more_work_costs_more():
    less = Parameters(blocks=1, iterations=4, scales=(-1, 0))
    assert presets.cost(less) < presets.cost(Parameters(blocks=2, iterations=4, scales=(-1, 0)))
    assert presets.cost(less) < presets.cost(Parameters(blocks=1, iterations=5, scales=(-1, 0)))
    assert presets.cost(less) < presets.cost(Parameters(blocks=1, iterations=4, scales=(-1, 0, 1)))


def test_more_iterations_come_closer_to_the_minimum():
    few, many = (presets.excess(Parameters(blocks=1, iterations=count)) for count in (3, 10))
    assert 0 < many < presets.MOST_EXCESS < few


@pytest.mark.parametrize("preset", PRESETS)
def test_the_package_has_the_presets_that_were_chosen_for_its_model(preset):
    report = json.loads(REPORT.read_text())
    chosen = report["presets"][preset]["chosen"]["parameters"]
    assert Parameters(**{**chosen, "scales": tuple(chosen["scales"])}) == PRESETS[preset]
    assert report["sha256"] == model.load().sha256
