"""A random view depends on its generator alone, and keeps what a lesion is recognised by."""

from __future__ import annotations

import numpy as np
import pytest

from tools import augment, drawing


def test_the_generator_decides():
    pixels = drawing.draw(0, 64)
    first, again, other = (augment.view(pixels, 48, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


@pytest.mark.parametrize("shape", [(64, 64), (48, 90), (101, 33)])
@pytest.mark.parametrize("side", [32, 80])
def test_every_view_is_uint8_rgb_of_the_side_asked_for(shape, side):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    before = pixels.copy()
    for seed in range(10):
        view = augment.view(pixels, side, np.random.default_rng(seed))
        assert view.shape == (side, side, 3)
        assert view.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)


def test_views_are_turned_and_mirrored():
    """A bright top left corner is found in every quarter, and the order of its two dark neighbours in both senses."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32] = 255  # the corner
    pixels[:32, 32:] = 120  # clockwise after it
    quarters, mirrored = set(), set()
    for seed in range(60):
        view = augment._warp(pixels, 64, np.random.default_rng(seed))
        assert view.dtype == np.uint8
        light = view[..., 0].astype(int)
        ring = [light[:32, :32].mean(), light[:32, 32:].mean(), light[32:, 32:].mean(), light[32:, :32].mean()]
        brightest = int(np.argmax(ring))
        quarters.add(brightest)
        mirrored.add(ring[(brightest + 1) % 4] < ring[(brightest - 1) % 4])
    assert quarters == {0, 1, 2, 3}
    assert mirrored == {False, True}


def test_nothing_but_the_picture_fills_a_view():
    """Reflection at the borders, so a white picture stays white: no black corner to learn from."""
    white = np.full((64, 64, 3), 255, np.uint8)
    for seed in range(20):
        assert augment._warp(white, 48, np.random.default_rng(seed)).min() == 255


def test_light_changes_but_a_view_stays_near_the_picture():
    pixels = drawing.draw(0, 64)
    means = np.array([augment._recolour(pixels, np.random.default_rng(seed)).mean() for seed in range(40)])
    assert means.std() > 5
    assert means.mean() == pytest.approx(pixels.mean(), abs=10)
    assert np.abs(means - pixels.mean()).max() < 70
