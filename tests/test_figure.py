"""The figure shows what the report says: three panels, and bars as long as the probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import EDGE, Report, figure, image
from edge_mdda.judgement import Judgement, Score
from edge_mdda.quality import Quality
from edge_mdda.report import Verdict
from tests.conftest import draw

RAW = image.to_uint8(draw(224, 224))
PURIFIED = image.to_uint8(np.clip(draw(224, 224) + np.float32(0.05), 0, 1))
UNCALIBRATED = Judgement("always", "purified", 0.9, None, None, None, None)
FOUND = Report(
    image="lesion.png",
    raw=Verdict({"MEL": 0.75, "NV": 0.25}),
    purified=Verdict({"MEL": 0.5, "NV": 0.5}),
    seed=1,
    parameters=EDGE,
    model_name="mobilenet_v2",
    model_sha256="0" * 64,
    runtime="litert",
    purifier_threads=1,
    classifier_threads=1,
    milliseconds={"total": 12.0},
    raw_pixels=RAW,
    purified_pixels=PURIFIED,
    judgement=UNCALIBRATED,
    quality=Quality({"focus": 0.25}, ()),
)


def bars(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> list[int]:
    """Lengths in pixels of the bars of a colour, top to bottom, the square of the legend left out."""
    runs = (picture == colour).all(axis=2).sum(axis=1)
    starts = [row for row in range(1, len(runs)) if runs[row] > 2 * figure._BAR and runs[row - 1] <= 2 * figure._BAR]
    return [int(runs[row + 2]) for row in starts]


def corner(column: int) -> tuple[int, int]:
    """Row and column of a panel's upper left corner."""
    return figure._MARGIN + 62, figure._MARGIN + column * (figure._PANEL + figure._MARGIN)


def panel(picture: NDArray[np.uint8], column: int) -> NDArray[np.uint8]:
    top, left = corner(column)
    return picture[top : top + figure._PANEL, left : left + figure._PANEL]


def test_it_is_an_rgb_picture_a_screen_can_hold() -> None:
    picture = figure.draw(FOUND)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert all(400 < side < 1200 for side in picture.shape[:2])


def test_the_png_is_the_picture() -> None:
    assert np.array_equal(image.decode(figure.to_png(FOUND)), figure.draw(FOUND))


def test_bars_are_as_long_as_the_probabilities() -> None:
    picture = figure.draw(FOUND)
    before, after = bars(picture, figure._BEFORE), bars(picture, figure._AFTER)
    assert len(before) == len(after) == 2
    assert before[0] == pytest.approx(3 * before[1], abs=3)
    assert after[0] == pytest.approx(2 * before[1], abs=3)
    assert after[1] == after[0]


def test_the_panels_are_the_two_images() -> None:
    picture = figure.draw(FOUND)
    for column, pixels in enumerate((RAW, PURIFIED)):
        expected = image.fit(pixels, figure._PANEL, figure._PANEL)
        assert np.abs(panel(picture, column).astype(int) - expected).mean() < 4


def test_the_difference_is_amplified_around_grey() -> None:
    shifted = replace(FOUND, raw_pixels=np.full_like(RAW, 100), purified_pixels=np.full_like(RAW, 110))
    assert (panel(figure.draw(shifted), 2) == 128 + 10 * figure.AMPLIFICATION).all()
    alike = replace(FOUND, purified_pixels=RAW)
    assert (panel(figure.draw(alike), 2) == 128).all()


def test_a_large_difference_is_cut_off_not_wrapped() -> None:
    black, white = np.zeros_like(RAW), np.full_like(RAW, 255)
    assert (panel(figure.draw(replace(FOUND, raw_pixels=black, purified_pixels=white)), 2) == 255).all()
    assert (panel(figure.draw(replace(FOUND, raw_pixels=white, purified_pixels=black)), 2) == 0).all()


def test_a_disagreement_is_drawn_in_the_alarm_colour() -> None:
    def alarmed(report: Report) -> bool:
        title = figure.draw(report)[: figure._MARGIN + 30]
        return bool((title == figure._ALARM).all(axis=2).any())

    assert not alarmed(FOUND)
    assert alarmed(replace(FOUND, purified=Verdict({"MEL": 0.1, "NV": 0.9})))


def test_without_purification_one_panel_and_one_bar_a_class_remain() -> None:
    picture = figure.draw(replace(FOUND, purified=None, purified_pixels=None, seed=None, parameters=None))
    assert len(bars(picture, figure._BEFORE)) == 2
    assert bars(picture, figure._AFTER) == []
    assert (panel(picture, 1) == 255).all()


def test_wide_images_keep_their_aspect() -> None:
    black = np.zeros((50, 100, 3), np.uint8)
    wide = panel(figure.draw(replace(FOUND, raw_pixels=black, purified_pixels=black)), 0)
    assert (wide == 0).all(axis=(1, 2)).sum() == pytest.approx(figure._PANEL / 2, abs=1)


@pytest.mark.parametrize("count", [2, 8, 20])
def test_any_number_of_classes_and_long_names_fit(count: int) -> None:
    verdict = Verdict({f"a class with a long name {index}": 1 / count for index in range(count)})
    picture = figure.draw(replace(FOUND, raw=verdict, purified=verdict, model_name="x" * 64))
    assert len(bars(picture, figure._BEFORE)) == count
    assert (picture[:, -figure._MARGIN // 2 :] == 255).all()


def test_each_sentence_of_advice_has_a_line_above_the_panels() -> None:
    judged = Judgement("auto", "raw", 0.9, ("MEL",), Score(0.2, 0.5), Score(1.0, 2.0), Score(0.1, 1.0))
    plain, advised = figure.draw(FOUND), figure.draw(replace(FOUND, judgement=judged))
    lines = len(replace(FOUND, judgement=judged).advice())
    assert lines == 2
    assert len(advised) == len(plain) + lines * figure._LINE
    assert not (advised == figure._ALARM).all(axis=2).any()
    unsure = replace(judged, uncertainty=Score(0.6, 0.5))
    assert (figure.draw(replace(FOUND, judgement=unsure)) == figure._ALARM).all(axis=2).any()
