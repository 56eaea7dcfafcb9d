"""Corruptions grow with their severity, keep an image's shape and repeat themselves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import draw
from tools.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupt

PIXELS = np.rint(draw(224, 224) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_severer_corruption_changes_more(name):
    changes = []
    for severity in SEVERITIES:
        corrupted = corrupt(name, PIXELS, severity, np.random.default_rng(0))
        assert (corrupted.dtype, corrupted.shape) == (np.uint8, PIXELS.shape)
        np.testing.assert_array_equal(corrupted, corrupt(name, PIXELS, severity, np.random.default_rng(0)))
        changes.append(np.abs(corrupted.astype(int) - PIXELS).mean())
    assert changes[0] > 0
    assert changes == sorted(changes)


def test_another_severity_is_refused():
    with pytest.raises(ValueError, match="expected a severity out of"):
        corrupt("blur", PIXELS, 6, np.random.default_rng(0))
