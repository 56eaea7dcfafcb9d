"""The light is found as the formula says, and an image under another light comes back to the one wanted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import colour_constancy, image
from tests.conftest import draw

PICTURE = image.to_uint8(draw(48, 64))
LAMP = np.array([0.7, 0.5, 0.5099])


def light_twin(pixels: NDArray[np.uint8]) -> list[float]:
    """Shades of grey as it is written: the Minkowski mean of each channel, scaled to a unit vector."""
    means = []
    for channel in range(3):
        values = [int(level) / 255 for level in pixels[..., channel].ravel()]
        means.append((sum(value**6 for value in values) / len(values)) ** (1 / 6))
    length = sum(mean**2 for mean in means) ** 0.5
    return [mean / length for mean in means]


def relight_twin(pixels: NDArray[np.uint8], wanted: NDArray[np.float64]) -> NDArray[np.uint8]:
    gains = wanted / light_twin(pixels)
    return np.rint(np.clip(pixels / 255 * gains, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_the_light_is_that_of_its_slow_twin(seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (17, 23, 3), dtype=np.uint8)
    assert colour_constancy.light(pixels) == pytest.approx(light_twin(pixels), abs=1e-12)


def test_relighting_is_that_of_its_slow_twin() -> None:
    for wanted in (colour_constancy.WHITE, LAMP):
        found = colour_constancy.relight(PICTURE, wanted)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - relight_twin(PICTURE, wanted)).max() <= 1  # halves may round either way


def test_a_relit_image_is_under_the_light_wanted() -> None:
    relit = colour_constancy.relight(PICTURE, LAMP)
    assert colour_constancy.angle(colour_constancy.light(relit), LAMP / np.linalg.norm(LAMP)) < 0.5


def test_two_lamps_give_the_same_image_but_for_its_brightness() -> None:
    other = np.rint(PICTURE * np.array([1.0, 0.8, 0.7])).astype(np.uint8)
    first, second = (colour_constancy.relight(pixels, LAMP).astype(float) for pixels in (PICTURE, other))
    assert second.mean() < first.mean() - 5
    assert np.abs(second * first.mean() / second.mean() - first).max() <= 3


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 0, 0)])
def test_flat_frames_are_no_trouble(colour: tuple[int, int, int]) -> None:
    flat = np.broadcast_to(np.array(colour, np.uint8), (32, 32, 3))
    found = colour_constancy.light(flat)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert colour_constancy.relight(flat).shape == flat.shape


def test_an_angle_is_in_degrees() -> None:
    assert colour_constancy.angle(np.array([1.0, 0, 0]), np.array([0, 1.0, 0])) == pytest.approx(90)
    assert colour_constancy.angle(LAMP / np.linalg.norm(LAMP), LAMP / np.linalg.norm(LAMP)) == pytest.approx(
        0, abs=1e-5
    )
