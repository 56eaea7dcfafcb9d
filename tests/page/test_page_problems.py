"""Whatever goes wrong, the page says what and what to do, and never leaves an old answer beside a new picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mdda import image
from tests import chromium
from tests.page import browser
from tests.page.browser import Visit
from tests.page.pictures import ATTACKED, png
from tests.program import CHECKOUT

pytestmark = [chromium.needed, pytest.mark.programs]

WORDS = json.loads((CHECKOUT / "edge_mdda/server/page/strings.en.json").read_text())
BY_STATUS = [400, 401, 403, 404, 408, 413, 415, 422, 500, 503, 504, 507]


def answering(status: int, **headers: str) -> Callable[[Any], None]:
    body = json.dumps({"error": "code", "detail": "<i>what</i> the service says"})
    return lambda route: route.fulfill(status=status, body=body, content_type="application/json", headers=headers)


def refused(visit: Visit, kind: object, status: object = "") -> str:
    """The problem shown, which has the heading and the words of its kind; no answer is beside it."""
    text = visit.problem()
    assert WORDS[f"problem.{kind}.heading"].replace("{status}", str(status)) in text
    assert WORDS[f"problem.{kind}.words"] in text
    assert visit.page.locator("#verdict").count() == 0
    assert visit.page.locator("#busy").is_hidden()
    assert visit.page.get_by_role("button", name="Cancel").count() == 0
    return text


@pytest.mark.parametrize(
    ("file", "kind", "detail"),
    [
        (("cut.png", "image/png", ATTACKED.read_bytes()[:5000]), 400, "got a truncated one"),
        (("notes.txt", "text/plain", b"no image"), 415, "'text/plain'"),
        (("said.png", "image/png", b"RIFF1234WEBP"), 400, "got WebP"),
        (png(np.zeros((4900, 4900, 3), np.uint8)), 413, "got 4900×4900"),
    ],
    ids=["truncated", "text", "webp", "pixels"],
)
def test_what_the_service_refuses_is_named(
    visit: Callable[..., Visit], file: tuple[str, str, bytes], kind: int, detail: str
) -> None:
    seen = visit().open().ask(ATTACKED)
    text = refused(seen.give(file), kind)
    assert detail in text
    assert seen.page.get_by_role("button", name="Try again").count() == 0  # it would be refused again
    seen.ask(ATTACKED)
    assert seen.page.locator("#problem").is_hidden()


def test_a_file_beyond_the_limit_is_named_though_it_is_not_read_to_its_end(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    (tmp_path / "big.png").write_bytes(bytes(2**25 + 1))
    assert "bytes, got more" in refused(visit().open().give(tmp_path / "big.png"), 413)


@pytest.mark.parametrize("status", BY_STATUS)
def test_every_status_has_its_words_and_the_services_detail(visit: Callable[..., Visit], status: int) -> None:
    seen = visit().open()
    seen.page.route("**/v1/assess*", answering(status))
    seen.give(ATTACKED)
    if status == 401:
        seen.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert "The service says: <i>what</i> the service says" in refused(seen, status)


def test_another_status_is_shown_by_its_number(visit: Callable[..., Visit]) -> None:
    seen = visit().open()
    seen.page.route("**/v1/assess*", lambda route: route.fulfill(status=418, body="not JSON"))
    assert "(418)" in refused(seen.give(ATTACKED), "other", 418)


def test_a_busy_service_is_asked_again_when_it_said_and_not_before(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.page.clock.install()
    seen.open()
    seen.page.clock.pause_at("2100-01-01")
    seen.page.route("**/v1/assess*", answering(503, **{"Retry-After": "3"}), times=1)
    seen.give(ATTACKED)
    assert "It can be tried again in 3 s." in refused(seen, 503)
    again = seen.page.locator("#problem button")
    assert again.inner_text() == "Try again in 3 s"
    again.dispatch_event("click")  # too early: nothing happens
    seen.page.clock.run_for(1000)
    assert again.inner_text() == "Try again in 2 s"
    assert again.get_attribute("aria-disabled") == "true"
    seen.page.clock.run_for(2000)
    assert again.inner_text() == "Try again"
    again.click()
    seen.answered()
    assert sum("/v1/assess" in url for url in seen.requests) == 2
    assert seen.page.locator("#problem").is_hidden()


def test_offline_is_said_and_seen_to_end(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.page.clock.install()
    seen.open()
    seen.page.context.set_offline(True)
    refused(seen.give(ATTACKED), "offline")
    seen.page.clock.run_for(6000)
    seen.page.locator("#health", has_text="Not reachable").wait_for()
    seen.page.context.set_offline(False)
    seen.page.clock.run_for(6000)
    seen.page.locator("#health", has_text="Ready").wait_for()
    seen.page.get_by_role("button", name="Try again").click()
    seen.answered()


def test_an_answer_cut_off_or_of_something_else_is_not_understood(visit: Callable[..., Visit]) -> None:
    seen = visit().open()
    seen.page.route("**/v1/assess*", lambda route: route.fulfill(body='{"schema": "edge-', content_type="text/html"))
    refused(seen.give(ATTACKED), "garbled")


def test_no_answer_for_two_minutes_is_given_up(visit: Callable[..., Visit]) -> None:
    seen = visit()
    # Playwright's clock does not hold AbortSignal.timeout.
    seen.page.add_init_script(
        "const t = AbortSignal.timeout; AbortSignal.timeout = (ms) => t.call(AbortSignal, ms / 100)"
    )
    seen.open()
    seen.page.route("**/v1/assess*", lambda route: None)
    refused(seen.give(ATTACKED), "impatient")


def test_without_the_pictures_the_answer_stands(visit: Callable[..., Visit]) -> None:
    seen = visit().open()
    seen.page.route("**/v1/purify*", answering(503, **{"Retry-After": "1"}), times=1)
    seen.give(ATTACKED)
    assert WORDS["problem.pictures.words"] in seen.problem()
    assert seen.page.locator("#verdict").is_visible()
    assert seen.page.locator("input[value=difference]").is_disabled()
    seen.page.get_by_role("button", name="Try again").click()
    seen.page.locator("#after").wait_for()
    assert seen.page.locator("input[value=difference]").is_enabled()


def test_cancelling_goes_back_to_the_start_and_no_late_answer_comes(visit: Callable[..., Visit]) -> None:
    seen = visit().open()
    held: list[Any] = []
    seen.page.route("**/v1/assess*", lambda route: held.append(route))
    seen.give(ATTACKED)
    seen.page.get_by_role("button", name="Cancel").click()
    seen.page.locator("#welcome").wait_for()
    assert seen.page.locator("#problem").is_hidden()
    assert seen.page.locator("#session li").count() == 0
    assert len(held) == 1


def test_a_second_picture_takes_the_place_of_one_that_is_asked_about(visit: Callable[..., Visit]) -> None:
    seen = visit().open()
    seen.page.route("**/v1/assess*", lambda route: None, times=1)
    with seen.page.expect_request("**/v1/assess*"):  # or it is the second one that is never answered
        seen.give(ATTACKED)
    seen.page.locator("#busy").wait_for()
    seen.ask(png(np.full((64, 64, 3), 128, np.uint8), "second.png"))
    assert "second.png" in seen.page.locator("#which").inner_text()
    assert seen.page.locator("#session li").count() == 1


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The address of a service that wants a token, and the token."""
    pytest.importorskip("uvicorn", reason="needs edge-mdda[serve]")
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(token := "correct-horse-battery-staple")
    (folder / "token").chmod(0o600)
    with browser.service(folder, "--token-file", str(folder / "token")) as address:
        yield address, token


def test_the_token_is_asked_for_kept_for_the_tab_and_forgotten(plain_browser: Any, guarded: tuple[str, str]) -> None:
    address, token = guarded
    with browser.visit(plain_browser, address) as seen:
        page = seen.page
        page.goto(address)
        dialogue = page.get_by_role("dialog")
        dialogue.wait_for()
        assert page.locator("#token-value").evaluate("field => field === document.activeElement")
        page.keyboard.type("wrong-wrong-wrong-wrong")
        page.keyboard.press("Enter")
        dialogue.get_by_text("The service refused that token.").wait_for()
        page.keyboard.type(token)
        page.keyboard.press("Enter")
        page.locator("#model", has_text="mobilenet").wait_for()
        assert dialogue.is_hidden()
        seen.ask(ATTACKED)
        page.reload()
        page.locator("#model", has_text="mobilenet").wait_for()
        assert dialogue.is_hidden()  # it was kept
        assert page.evaluate("() => Object.keys(localStorage).length") == 0
        assert page.evaluate("() => Object.values(sessionStorage)") == [token]
        page.get_by_role("button", name="Forget token").click()
        assert page.evaluate("() => sessionStorage.length") == 0
        seen.give(ATTACKED)
        dialogue.wait_for()
        page.keyboard.press("Escape")
        refused(seen, 401)
        assert not any(token in url for url in seen.requests)


def test_the_page_is_ready_once_the_model_is(plain_browser: Any, address: str, tmp_path: Path) -> None:
    with browser.visit(plain_browser, address) as seen:
        seen.page.clock.install()
        seen.page.route("**/v1/health", lambda route: route.fulfill(json={"live": True, "ready": False}), times=1)
        seen.page.goto(address)
        seen.page.locator("#health", has_text="Starting").wait_for()
        seen.page.clock.run_for(6000)
        seen.page.locator("#health", has_text="Ready").wait_for()
        seen.page.locator("#model", has_text="mobilenet").wait_for()


def test_a_picture_of_zeros_is_still_answered(visit: Callable[..., Visit]) -> None:
    seen = visit().open().ask(png(np.zeros((32, 32, 3), np.uint8)))
    assert seen.page.locator("#verdict .headline").inner_text() == "No answer"
    np.testing.assert_array_equal(seen.pixels("#before"), image.fit(np.zeros((32, 32, 3), np.uint8), 224, 224))
