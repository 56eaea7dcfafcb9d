"""Fifteen numbers say what an image looks like: of its colours, its spread, its detail, and not of its file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_mdda import appearance, image, model
from edge_mdda.calibration import NUMBERS
from tests.conftest import draw

PICTURE = image.to_uint8(draw(224, 224))


@pytest.mark.parametrize("shape", [(224, 224), (32, 32), (33, 57), (160, 192)])
def test_every_size_has_the_same_numbers(shape: tuple[int, int]) -> None:
    numbers = appearance.describe(image.to_uint8(draw(*shape)))
    assert numbers.shape == (NUMBERS,)
    assert numbers.dtype == np.float64
    assert np.isfinite(numbers).all()


def test_a_blank_frame_has_finite_numbers() -> None:
    assert np.isfinite(appearance.describe(np.full((224, 224, 3), 255, np.uint8))).all()


def test_the_first_three_are_the_mean_colour() -> None:
    numbers = appearance.describe(np.full((64, 64, 3), (200, 100, 50), np.uint8))
    assert numbers[:3] * 255 == pytest.approx([350 / 3, 100, 100], abs=2)


def test_blur_takes_detail_at_fine_scales_and_leaves_the_colour() -> None:
    sharp, blurred = map(appearance.describe, (PICTURE, cv2.GaussianBlur(PICTURE, (0, 0), 3)))
    assert (blurred[6:8] < sharp[6:8] - 0.3).all()
    assert blurred[:3] == pytest.approx(sharp[:3], abs=0.01)


def test_compressing_an_image_once_more_changes_little() -> None:
    """Else the score would tell how a file was kept."""
    again = image.decode(image.encode_jpeg(PICTURE, appearance.JPEG_QUALITY))
    assert appearance.describe(again) == pytest.approx(appearance.describe(PICTURE), abs=0.06)


@pytest.mark.data
def test_camera_images_look_like_those_of_the_data_set(data_folder: Path) -> None:
    files = sorted((data_folder / "native").glob("*.jpg"))
    if not files:
        pytest.skip("needs images as the camera wrote them, in native/ of the data set's folder")
    bundle = model.load()
    assert bundle.calibration is not None
    look = bundle.calibration.appearance
    strange = 0
    for file in files:
        fitted = image.fit(image.decode(file.read_bytes()), bundle.height, bundle.width)
        strange += look.distance(appearance.describe(fitted)) > look.most
    assert strange <= len(files) // 10
