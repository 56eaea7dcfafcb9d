"""The cost of a model, told from its file."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert", reason="needs the LiteRT runtime")
from edge_mdda import model
from tools import cost


def test_the_shipped_network_takes_as_many_as_its_paper_says():
    """MobileNetV2 1.0 at 224 takes 300 million (Sandler et al. 2018, table 4), 1.3 of them in its 1000 classes."""
    content = (Path(__file__).parent.parent / "models" / model.DEFAULT / "model.tflite").read_bytes()
    assert cost.multiply_adds(content) == pytest.approx(300e6 - 1280 * 992, rel=0.003)
