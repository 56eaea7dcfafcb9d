"""A calibration written by hand for two or more classes, as content of calibration.json and parsed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from edge_mdda import EDGE, Parameters, calibration
from edge_mdda.calibration import NUMBERS, SCHEMA, Calibration
from edge_mdda.judgement import COVERAGES

SHA256, TEMPERATURE = "0" * 64, 1.25


def answers(labels: tuple[str, ...], least: float, most_uncertainty: float) -> dict[str, Any]:
    """Every class belongs to a set from the probability `least` on, less for a larger coverage."""
    values = [least * (1 - percent / 100) for percent in COVERAGES]
    return {"least_probabilities": {code: list(values) for code in labels}, "most_uncertainty": most_uncertainty}


def content(
    labels: tuple[str, ...] = ("MEL", "NV"),
    *,
    sha256: str = SHA256,
    temperature: float = TEMPERATURE,
    parameters: Parameters = EDGE,
    most_distance: float = 4.0,
    most_divergence: float = 1.0,
    most_uncertainty: float = 0.5,
) -> dict[str, Any]:
    """What calibration.json holds; numbers of an appearance have mean 0 and variance 1."""
    whitening = [[float(row == column) for column in range(NUMBERS)] for row in range(NUMBERS)]
    return {
        "schema": SCHEMA,
        "model": sha256,
        "temperature": temperature,
        "appearance": {"means": [0.0] * NUMBERS, "whitening": whitening, "most": most_distance},
        "raw": answers(labels, 1.0, most_uncertainty),
        "purified": [
            {
                "parameters": asdict(parameters),
                "most_divergence": most_divergence,
                "always": answers(labels, 2.0, most_uncertainty),
                "auto": answers(labels, 3.0, most_uncertainty),
            }
        ],
    }


def parsed(labels: tuple[str, ...] = ("MEL", "NV"), **changes: Any) -> Calibration:
    found = content(labels, **changes)
    return calibration.parse(json.dumps(found).encode(), labels, found["model"], found["temperature"])
