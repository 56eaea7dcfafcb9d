"""A drawn lesion is the same for the same seed and looks like what a dermatoscope shows."""

from __future__ import annotations

import numpy as np
import pytest

from tools import drawing


def test_the_seed_decides():
    np.testing.assert_array_equal(drawing.draw(3, 64), drawing.draw(3, 64))
    assert (drawing.draw(3, 64) != drawing.draw(4, 64)).mean() > 0.5


@pytest.mark.parametrize("side", [64, 224])
def test_it_is_an_image_of_the_side_asked_for(side):
    pixels = drawing.draw(0, side)
    assert pixels.shape == (side, side, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("seed", range(4))
def test_a_dark_lesion_lies_on_lighter_skin_inside_dark_corners(seed):
    pixels = drawing.draw(seed, 112).astype(float)
    lesion, skin, corner = pixels[46:66, 46:66].mean(), pixels[50:62, 4:14].mean(), pixels[:4, :4].mean()
    assert lesion + 30 < skin
    assert corner + 60 < skin
    red, _, blue = pixels[50:62, 4:14].mean((0, 1))
    assert red > blue
