"""Multiply-adds come from shapes, and shares add up."""

from __future__ import annotations

import pytest

from edge_mdda import Classifier
from edge_mdda.device import operators
from edge_mdda.interpreter import Operator


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Operator("CONV_2D", ((1, 8, 8, 3), (16, 3, 3, 3), (16,)), ((1, 4, 4, 16),), 0), 4 * 4 * 16 * 27),
        (Operator("DEPTHWISE_CONV_2D", ((1, 8, 8, 16), (1, 3, 3, 16), (16,)), ((1, 8, 8, 16),), 0), 8 * 8 * 16 * 9),
        (Operator("FULLY_CONNECTED", ((1, 1280), (8, 1280), (8,)), ((1, 8),), 0), 8 * 1280),
        (Operator("TRANSPOSE_CONV", ((4,), (8, 2, 2, 3), (1, 4, 4, 3)), ((1, 8, 8, 8),), 0), 4 * 4 * 3 * 8 * 2 * 2),
        (Operator("BATCH_MATMUL", ((2, 5, 7), (2, 7, 3)), ((2, 5, 3),), 0), 2 * 5 * 3 * 7),
        (Operator("ADD", ((1, 4), (1, 4)), ((1, 4),), 0), 0),
        (Operator("UNHEARD_OF", (), (), 0), 0),
    ],
)
def test_multiply_adds_of_an_operator(operator: Operator, expected: int) -> None:
    assert operators.multiply_adds(operator) == expected


def test_the_shipped_mobilenet_has_the_work_of_its_paper() -> None:
    """Sandler et al. 2018: 300 million multiply-adds at 1.0/224; nearly all in 1×1 convolutions."""
    found = operators.describe(Classifier().operators())
    assert found is not None
    assert found["multiply_adds"] == pytest.approx(300e6, rel=0.02)
    assert (found["kinds"][0]["operator"], found["kinds"][0]["count"]) == ("CONV_2D", 35)
    assert sum(kind["count"] for kind in found["kinds"]) == found["count"] == 64
    assert sum(kind["share"] for kind in found["kinds"]) == pytest.approx(1, abs=1e-3)
    assert sum(kind["bytes_share"] for kind in found["kinds"]) == pytest.approx(1, abs=1e-3)
    assert len(found["largest"]) == operators.LARGEST


def test_a_runtime_that_does_not_tell() -> None:
    assert operators.describe([]) is None


def test_a_model_without_multiply_adds_has_shares_of_none() -> None:
    found = operators.describe([Operator("ADD", ((1, 4), (1, 4)), ((1, 4),), 48)])
    assert found is not None
    assert (found["kinds"][0]["share"], found["kinds"][0]["bytes_share"], found["largest"]) == (0.0, 1.0, [])
