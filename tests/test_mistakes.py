"""Pictures shown by mistake are of the model's size and repeat themselves; those measured on were not chosen on."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
pytest.importorskip("foolbox", reason="needs the workstation extra")
pytest.importorskip("skimage", reason="needs the workstation extra")

from edge_mdda import image  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tools import mistakes  # noqa: E402

DERMOSCOPIC = np.stack([image.to_uint8(draw(64, 64, seed)) for seed in range(4)])
OTHERS = np.stack([image.to_uint8(draw(64, 64, seed)) for seed in range(4, 8)])
CHOSEN, MEASURED = mistakes.to_choose(DERMOSCOPIC), mistakes.to_measure(OTHERS)


@pytest.mark.parametrize("kinds", [CHOSEN, MEASURED])
def test_all_are_pictures_of_the_models_size(kinds):
    for pixels in kinds.values():
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == DERMOSCOPIC.shape[1:]
        assert len(pixels) >= 4


def test_every_kind_chosen_on_is_measured_with_other_pictures():
    assert set(CHOSEN) < set(MEASURED)
    for kind, pixels in CHOSEN.items():
        seen = {picture.tobytes() for picture in pixels if picture.std() > 0}
        assert not seen & {picture.tobytes() for picture in MEASURED[kind]}


def test_they_repeat_themselves():
    again = mistakes.to_choose(DERMOSCOPIC)
    for kind, pixels in CHOSEN.items():
        np.testing.assert_array_equal(pixels, again[kind])


def test_spoiling_changes_what_it_says():
    random = np.random.default_rng(0)
    picture = DERMOSCOPIC[0]
    assert mistakes.defocused(picture, random).astype(float).std() < picture.astype(float).std()
    assert np.abs(np.diff(mistakes.shaken(picture, random).astype(int), axis=1)).mean() < (
        np.abs(np.diff(picture.astype(int), axis=1)).mean()
    )
    lit = [mistakes.badly_lit(picture, random).mean() for _ in range(8)]
    assert all(level < 0.25 * picture.mean() or level > 1.2 * picture.mean() for level in lit)
    assert mistakes.corner(picture, random).shape == picture.shape


def test_transparency_is_laid_on_white():
    clear = np.zeros((2, 2, 4), np.uint8)
    clear[0, 0] = (10, 20, 30, 255)
    assert mistakes._rgb(clear).tolist() == [[[10, 20, 30], [255] * 3], [[255] * 3] * 2]
