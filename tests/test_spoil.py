"""Spoilt copies grow worse with their severity, keep an image's shape and repeat themselves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import draw
from tools import spoil

PIXELS = np.rint(draw(224, 224) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", spoil.FAULTS)
def test_a_severer_fault_changes_more(name: str) -> None:
    changes = []
    for severity in spoil.SEVERITIES:
        copy = spoil.spoil(name, PIXELS, severity, np.random.default_rng(0))
        assert (copy.dtype, copy.shape) == (np.uint8, PIXELS.shape)
        np.testing.assert_array_equal(copy, spoil.spoil(name, PIXELS, severity, np.random.default_rng(0)))
        changes.append(np.abs(copy.astype(int) - PIXELS).mean())
    assert changes[0] > 0
    assert changes == sorted(changes)


def test_a_smear_is_along_one_line() -> None:
    dot = np.zeros((65, 65, 3), np.uint8)
    dot[32, 32] = 255
    smeared = spoil.spoil("motion", dot, 4, np.random.default_rng(1))[..., 0].astype(float)
    places = np.argwhere(smeared > 0) - 32
    _, spreads, _ = np.linalg.svd(places - places.mean(axis=0), full_matrices=False)
    assert spreads[0] > 6 * spreads[1]


def test_a_cast_is_never_the_same_for_all_channels() -> None:
    grey = np.full((32, 32, 3), 100, np.uint8)
    for seed in range(20):
        colour = spoil.spoil("colour", grey, 3, np.random.default_rng(seed))[0, 0]
        assert len(set(colour.tolist())) == 2


def test_another_severity_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a severity out of"):
        spoil.spoil("focus", PIXELS, 6, np.random.default_rng(0))
