"""What the page shows is what the report says, and the pictures are those that were classified."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import edge_mdda
from edge_mdda import EDGE, Purifier, image
from tests import chromium
from tests.conftest import draw
from tests.page.browser import Visit
from tests.page.pictures import ATTACKED, STRIPES, png

pytestmark = [chromium.needed, pytest.mark.programs]


def share(value: float) -> str:
    return f"{value:.1%}"


def test_every_number_of_the_report_is_on_the_page(visit: Callable[..., Visit]) -> None:
    seen = visit().overhear().open().ask(ATTACKED)
    report = seen.report
    rows = seen.page.locator("#probabilities tbody tr")
    ranking = sorted(report["purified"]["probabilities"].items(), key=lambda item: -item[1])
    assert rows.count() == len(ranking) == 8
    for row, (code, purified) in zip(rows.all(), ranking, strict=True):
        cells = row.locator("th, td").all_inner_texts()
        raw = report["raw"]["probabilities"][code]
        assert cells[0].split("\n")[0] == code
        assert cells[1:3] == [share(raw), share(purified)]
        assert ("✓" in cells[3]) == (code in report["prediction_set"]["classes"])
        assert ("in-set" in (row.get_attribute("class") or "")) == (code in report["prediction_set"]["classes"])
        bars = row.locator("td.bar").evaluate_all(
            "all => all.map((td) => Number(td.style.getPropertyValue('--share')))"
        )
        assert bars == [raw, purified]
    answer = seen.page.locator("#verdict").inner_text()
    assert f"{report['answer']['class']} {share(report['purified']['probabilities']['NV'])}" in answer
    assert f"At 90% coverage it is one of: {', '.join(report['prediction_set']['classes'])}." in answer
    for detail in seen.page.locator("details").all():
        detail.evaluate("details => (details.open = true)")
    text = seen.page.locator("#answer").inner_text()
    for score in (report["uncertainty"], report["out_of_distribution"], report["alarm"]):
        assert f"{score['score']:.2f}\t{score['threshold']:.2f}" in text
    assert report["model"]["sha256"] in text
    assert report["runtime"] in text
    stages = seen.page.locator("#times tr").count()
    assert stages == sum(value is not None for value in report["milliseconds"].values()) + 1
    header = seen.page.locator("#model").inner_text()
    assert header == f"mobilenet_v2 {edge_mdda.__version__} ({report['model']['sha256'][:12]})"


def test_an_attacked_image_rings_the_alarm_and_names_both_verdicts(visit: Callable[..., Visit]) -> None:
    seen = visit().overhear().open().ask(ATTACKED)
    report = seen.report
    alarm = seen.page.locator("#alarm").inner_text()
    assert "Attack alarm" in alarm
    assert f"by {report['alarm']['score']:.2f}, more than {report['alarm']['threshold']:.2f}" in alarm
    assert "disagree: SCC, " in seen.page.locator("#verdict").inner_text()
    assert "Attack alarm" in seen.page.locator("#news").inner_text()


def test_the_pictures_are_the_pixels_that_were_classified(visit: Callable[..., Visit]) -> None:
    """Of an image that is neither square nor of the model's size, with the report's own seed of 64 bits."""
    seen = visit().open()
    drawn = image.to_uint8(draw(300, 400))
    seen.ask(png(drawn))
    fitted = image.fit(drawn, 224, 224)
    np.testing.assert_array_equal(seen.pixels("#before"), fitted)
    seed = int(seen.page.locator("#origin dd").all_text_contents()[6])
    purified = Purifier(EDGE).purify(fitted, seed)
    np.testing.assert_array_equal(seen.pixels("#after"), purified)
    for one, other in (("#left", "#before"), ("#right", "#after")):
        np.testing.assert_array_equal(seen.pixels(one), seen.pixels(other))


def test_a_seed_beyond_a_double_is_kept_to_the_last_digit(visit: Callable[..., Visit]) -> None:
    seen = visit().overhear(query=f"?seed={2**64 - 1}").open().ask(ATTACKED)
    assert any(f"seed={2**64 - 1}" in url for url in seen.requests if "/v1/purify" in url)
    assert str(2**64 - 1) in (seen.page.locator("#origin").text_content() or "")


def test_the_heat_map_is_the_largest_change_amplified(visit: Callable[..., Visit]) -> None:
    seen = visit().open().ask(ATTACKED)
    change = np.abs(seen.pixels("#after").astype(int) - seen.pixels("#before")).max(2)
    seen.view("difference")
    words = seen.page.locator("#map-words").inner_text()
    assert words == (
        f"Change of each pixel, amplified ×8: {change.mean():.1f} of 255 levels on average, {change.max()} at most"
    )
    heat = seen.pixels("#map").astype(int).sum(2)
    assert heat[change == 0].max(initial=0) <= 4  # black
    assert heat[change >= 32].min() >= 650  # the bright end
    order = np.argsort(change, axis=None)
    assert (np.diff(heat.ravel()[order]) >= -6).all()  # ever brighter, but for rounding


def test_the_slider_shows_one_picture_left_and_the_other_right_of_it(visit: Callable[..., Visit]) -> None:
    seen = visit().open().ask(ATTACKED)
    box = seen.page.locator("#compare").bounding_box()
    x, y, side = box["x"], box["y"], box["width"]

    def shown() -> Any:
        return image.fit(image.decode(seen.page.screenshot(clip=box)), 224, 224)[:60].astype(int)

    def closer(part: Any, columns: slice) -> str:
        away = {one: np.abs(part - seen.pixels(one)[:60])[:, columns].mean() for one in ("#before", "#after")}
        return min(away, key=lambda one: away[one])

    assert closer(shown(), slice(0, 100)) == "#before"
    assert closer(shown(), slice(124, 224)) == "#after"
    seen.page.mouse.move(x + side / 2, y + side / 3)
    seen.page.mouse.down()
    seen.page.mouse.move(x + 0.9 * side, y + side / 3, steps=3)
    seen.page.mouse.up()
    slider = seen.page.locator("#cut")
    assert slider.input_value() == "90"
    assert closer(shown(), slice(124, 190)) == "#before"
    seen.page.mouse.move(x + 0.1 * side, y + side / 3)  # let go: it stays
    assert slider.input_value() == "90"
    for key in ["Home", "ArrowRight", "ArrowRight"]:
        slider.press(key)
    assert slider.input_value() == "2"
    assert slider.evaluate("slider => slider.ariaValueText") == "2 % as it came, the rest purified"
    assert closer(shown(), slice(10, 100)) == "#after"
    seen.page.touchscreen.tap(x + 0.7 * side, y + side / 3)
    assert slider.input_value() == "70"


def test_no_answer_is_shown_as_an_answer_with_its_reasons(visit: Callable[..., Visit]) -> None:
    seen = visit().overhear().open().ask(png(STRIPES))
    report = seen.report
    assert report["answer"]["abstained"]
    assert "not dermoscopic" in report["answer"]["reasons"]
    verdict = seen.page.locator("#verdict")
    assert verdict.locator(".headline").inner_text() == "No answer"
    assert "This does not look like a dermoscopic image." in verdict.inner_text()
    assert f"Most probable, without being an answer: {report['answer']['class']}" in verdict.inner_text()
    assert "coverage" not in verdict.inner_text()  # the set holds for dermoscopic images alone
    assert seen.page.locator("#news").inner_text().startswith("No answer")
    assert seen.page.locator("#problem").is_hidden()


def test_being_unsure_says_how_sure_and_how_sure_it_had_to_be(visit: Callable[..., Visit]) -> None:

    def change(report: dict[str, Any]) -> None:
        report["answer"].update(abstained=True, reasons=["unsure", "something new"])
        report["uncertainty"] = {"score": 0.55, "threshold": 0.3, "flag": True}

    seen = visit().overhear(change).open().ask(ATTACKED)
    assert "Too unsure: 45.0%, where 70.0% is needed." in seen.page.locator("#verdict").inner_text()
    assert "something new" in seen.page.locator("#verdict").inner_text()


def test_warnings_of_the_pictures_quality_are_shown(visit: Callable[..., Visit]) -> None:
    warnings = [{"name": "focus", "message": "hold still"}, {"name": "new", "message": "<b>clean</b> the lens"}]
    quality = {"measures": {"focus": 1.0}, "warnings": warnings}
    seen = visit().overhear(lambda report: report.update(quality=quality)).open().ask(ATTACKED)
    assert seen.page.locator("#quality li").all_text_contents() == ["hold still", "<b>clean</b> the lens"]
    assert "Picture quality" in seen.page.locator("#news").inner_text()


def test_a_service_that_does_not_purify_shows_one_picture(visit: Callable[..., Visit]) -> None:
    seen = visit().overhear(query="?purify=never").open().ask(ATTACKED)
    assert seen.report["purified"] is None
    assert "The image was not purified." in seen.page.locator("#verdict").inner_text()
    assert seen.page.locator("#probabilities tr").first.locator("th").count() == 3
    assert seen.page.locator("#cut").is_hidden()
    assert seen.page.locator("input[value=difference]").is_disabled()
    assert not any("seed=null" in url for url in seen.requests)


def test_a_model_without_calibration_says_that_it_always_answers(visit: Callable[..., Visit]) -> None:

    def change(report: dict[str, Any]) -> None:
        report.update(prediction_set=None, uncertainty=None, out_of_distribution=None, alarm=None)
        report["answer"].update(abstained=None, reasons=[])

    seen = visit().overhear(change).open().ask(ATTACKED)
    assert "it always answers, however unsure" in seen.page.locator("#verdict").inner_text()
    assert seen.page.locator("#doubts").count() == 0
    assert seen.page.locator("#alarm").count() == 0
    assert seen.page.locator("#probabilities tr").first.locator("th").count() == 3


def test_the_research_statement_is_always_in_sight_and_with_each_answer(visit: Callable[..., Visit]) -> None:
    seen = visit().open()
    footer = seen.page.get_by_role("contentinfo")
    assert re.search("not a medical device, and no guarantee against an attacker", footer.inner_text())
    seen.ask(ATTACKED)
    assert "Not a diagnosis" in seen.page.locator("#verdict").inner_text()
    box = footer.bounding_box()
    assert box["y"] + box["height"] <= seen.page.viewport_size["height"]
