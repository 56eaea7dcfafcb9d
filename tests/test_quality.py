"""Each measure rises with its fault and says what to do, a good image has no warning, and fast ones have twins."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import image, quality
from edge_mdda.quality import shapes, sharpness
from edge_mdda.quality.sharpness import DIRECTIONS
from tests.conftest import draw
from tools import drawing, spoil

SAMPLE = Path(__file__).parent.parent / "models" / "samples" / "lesion.png"
LESION = image.decode(SAMPLE.read_bytes())


def blank(level: int) -> NDArray[np.uint8]:
    return np.full((224, 224, 3), level, np.uint8)


def plane(seed: int, side: int = 64) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


class TestExamine:
    def test_a_well_taken_image_has_no_warning(self) -> None:
        assert quality.examine(LESION).warnings == ()

    @pytest.mark.parametrize("name", spoil.FAULTS)
    def test_most_copies_with_a_fault_are_warned_of_with_what_to_do(self, name: str) -> None:
        random = np.random.default_rng(0)
        found = [quality.examine(spoil.spoil(name, LESION, 5, random)).warnings for _ in range(5)]
        assert sum(quality.Fault(name, quality.ADVICE[name]) in warnings for warnings in found) >= 3

    def test_a_warning_is_a_measure_above_its_threshold(self) -> None:
        most = quality.thresholds()
        for pixels in (LESION, blank(0), blank(255), spoil.spoil("hair", LESION, 4, np.random.default_rng(1))):
            found = quality.examine(pixels)
            above = [name for name, value in found.measures.items() if value > most[name]]
            assert [fault.name for fault in found.warnings] == above

    def test_names_thresholds_and_advice_are_of_the_same_measures(self) -> None:
        assert list(quality.examine(LESION).measures) == list(quality.ADVICE)
        assert set(quality.thresholds()) == set(quality.ADVICE)
        for name in quality.ADVICE:
            assert f"\n    {name} " in (quality.__doc__ or "")


class TestMeasure:
    @pytest.mark.parametrize("shape", [(32, 32), (33, 57), (450, 600)])
    def test_any_size_has_all_measures(self, shape: tuple[int, int]) -> None:
        measures = quality.measure(image.to_uint8(draw(*shape)))
        assert list(measures) == list(quality.ADVICE)
        assert np.isfinite(list(measures.values())).all()

    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_a_blank_frame_has_finite_measures(self, level: int) -> None:
        assert np.isfinite(list(quality.measure(blank(level)).values())).all()

    @pytest.mark.parametrize("name", spoil.FAULTS)
    def test_a_measure_rises_with_its_fault(self, name: str) -> None:
        pictures = [drawing.draw(seed) for seed in range(4)]
        means = [np.mean([quality.measure(picture)[name] for picture in pictures])]
        for severity in (2, 5):
            random = np.random.default_rng(severity)
            spoilt = [spoil.spoil(name, picture, severity, random) for picture in pictures]
            means.append(np.mean([quality.measure(picture)[name] for picture in spoilt]))
        assert means == sorted(means)
        assert means[2] > means[0]

    def test_dark_and_bright_are_read_off_flat_frames(self) -> None:
        dark, white = quality.measure(blank(102)), quality.measure(blank(255))
        assert dark["dark"] == pytest.approx(1 - 102 / 255, abs=0.005)
        assert (dark["bright"], white["bright"]) == (0, 1)

    def test_the_rim_is_the_part_that_is_black_to_a_border(self) -> None:
        pixels = blank(180)
        pixels[:, :56] = 0
        pixels[100:120, 100:120] = 0  # a dark spot in the middle is none
        assert quality.measure(pixels)["mask"] == pytest.approx(0.25, abs=0.01)

    def test_a_dark_image_is_no_rim(self) -> None:
        assert quality.measure(spoil.spoil("dark", LESION, 5, np.random.default_rng(0)))["mask"] < 0.05

    def test_the_light_that_is_usual_has_no_angle(self) -> None:
        usual = quality.usual_light()
        colour = np.rint(usual / usual.max() * 230).astype(np.uint8)
        assert quality.measure(np.broadcast_to(colour, (224, 224, 3)))["colour"] < 0.5
        assert np.linalg.norm(usual) == pytest.approx(1, abs=1e-5)


class TestTwins:
    @pytest.mark.parametrize("step", DIRECTIONS)
    def test_the_blur_effect_is_that_of_a_mean_of_nine(self, step: tuple[int, int]) -> None:
        picture = plane(0).astype(np.float32)
        down, right = step
        kernel = np.zeros((9, 9), np.float32)
        kernel[[4 + place * down for place in range(-4, 5)], [4 + place * right for place in range(-4, 5)]] = 1 / 9
        mean = cv2.filter2D(picture, -1, kernel)
        sharp = left = 0.0
        for y in range(5, 59):
            for x in range(5, 59):
                # The pixels whose means have all their nine: with the twin's crop these are the same pairs.
                before, after = (y, x), (y + down, x + right)
                if not all(4 <= each < 60 for each in (*after,)):
                    continue
                difference = abs(float(picture[after] - picture[before]))
                sharp += difference
                left += min(difference, abs(float(mean[after] - mean[before])))
        assert sharpness.blur_effect(picture, down, right) == pytest.approx(left / sharp, rel=0.05)

    @pytest.mark.parametrize("length", [3, 7, 17])
    def test_closings_are_those_of_opencv(self, length: int) -> None:
        picture = plane(1)
        middle = np.arange(length)
        for (down, right), found in zip(DIRECTIONS, shapes.closings(picture, length), strict=True):
            line = np.zeros((length, length), np.uint8)
            rows = middle if down else np.full(length, length // 2)
            columns = middle[:: right or 1] if right else np.full(length, length // 2)
            line[rows, columns] = 1
            padded = cv2.copyMakeBorder(picture, *[length - 1] * 4, cv2.BORDER_REPLICATE)
            closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, line)
            assert np.array_equal(found, closed[length - 1 : 1 - length, length - 1 : 1 - length])

    def test_the_rim_is_that_of_a_walk_from_each_border(self) -> None:
        levels = np.where(plane(2, 24) < 200, 0, 255).astype(np.uint8)
        expected = np.zeros(levels.shape, bool)
        for turn in range(4):
            turned, seen = np.rot90(levels, turn), np.rot90(expected, turn)
            for row in range(24):
                for column in range(24):
                    if turned[row, column] > 0:
                        break
                    seen[row, column] = True
        assert np.array_equal(quality._rim(levels), expected)

    @pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 1.0])
    def test_a_quantile_is_that_of_numpy(self, part: float) -> None:
        levels = plane(3)
        assert quality._quantile(levels, part) == np.quantile(levels, part, method="inverted_cdf")
        assert quality._quantile(levels[:0], part) == 0


class TestMovement:
    @pytest.mark.parametrize("shift", [(0, 0), (8, 0), (-12, 16), (30, -22)])
    def test_it_is_the_shift_between_two_frames(self, shift: tuple[int, int]) -> None:
        scene = cv2.resize(drawing.draw(3), (320, 320))
        first = scene[40:264, 40:264]
        second = scene[40 + shift[0] : 264 + shift[0], 40 + shift[1] : 264 + shift[1]]
        assert quality.movement(first, second) == pytest.approx(np.hypot(*shift) / 224, abs=0.01)

    def test_grain_alone_is_no_movement(self) -> None:
        random = np.random.default_rng(0)
        frames = [np.clip(LESION + random.normal(0, 4, LESION.shape), 0, 255).astype(np.uint8) for _ in range(2)]
        assert quality.movement(*frames) < quality.STILL

    def test_blank_frames_do_not_move(self) -> None:
        assert quality.movement(blank(0), blank(0)) == 0


@pytest.mark.data
def test_images_of_the_data_set_seldom_have_a_warning(data_folder: Path) -> None:
    from tools import dataset

    samples = dataset.select(dataset.read(data_folder), "val")[::10]
    pixels, _ = dataset.load(samples, quality.SIDE)
    warned = [bool(quality.examine(picture).warnings) for picture in pixels]
    assert np.mean(warned) < 0.1


@pytest.mark.data
def test_images_as_a_camera_wrote_them_seldom_have_a_warning(data_folder: Path) -> None:
    files = sorted((data_folder / "native").glob("*.jpg"))
    if not files:
        pytest.skip("needs images as the camera wrote them, in native/ of the data set's folder")
    warned = [bool(quality.examine(image.decode(file.read_bytes())).warnings) for file in files]
    assert np.mean(warned) < 0.15
