"""The camera of the device that shows the page, a file played as one, and every way there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import image
from tests import chromium
from tests.page import browser
from tests.page.browser import Visit
from tests.page.pictures import ATTACKED

pytestmark = [chromium.needed, pytest.mark.programs]

HEIGHT, WIDTH = 240, 320
#: The picture of the camera: a lesion the size of a video frame.
FRAME = image.fit(image.decode(ATTACKED.read_bytes()), HEIGHT, WIDTH)


def y4m(frame: NDArray[np.uint8], frames: int = 4) -> bytes:
    """A video of one picture, uncompressed YUV 4:2:0, as Chromium plays it in place of a camera."""
    planes = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes()
    head = f"YUV4MPEG2 W{frame.shape[1]} H{frame.shape[0]} F15:1 Ip A1:1 C420jpeg\n".encode()
    return head + frames * (b"FRAME\n" + planes)


@pytest.fixture(scope="module")
def filmed(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser whose camera shows the lesion, and may be used."""
    film = tmp_path_factory.mktemp("film") / "lesion.y4m"
    film.write_bytes(y4m(FRAME))
    devices = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with browser.launched(driver, *devices, f"--use-file-for-fake-video-capture={film}") as started:
        yield started


@pytest.fixture
def camera(filmed: Any, address: str) -> Iterator[Visit]:
    with browser.visit(filmed, address) as seen:
        seen.open().page.locator("#stop").wait_for()  # it was allowed, and so starts by itself
        yield seen


def playing(seen: Visit) -> None:
    seen.page.locator("video").evaluate(
        "video => video.readyState > 2 || new Promise((resolve) => video.addEventListener('canplay', resolve))"
    )


def test_what_the_camera_sees_is_captured_and_answered(camera: Visit) -> None:
    playing(camera)
    assert camera.page.locator("video").evaluate("v => v.videoWidth / v.videoHeight") == pytest.approx(4 / 3, abs=0.01)
    sent: list[Any] = []
    camera.page.on("request", lambda request: sent.append(request) if "/v1/assess" in request.url else None)
    camera.page.get_by_role("button", name="Capture").click()
    camera.answered()
    assert sent[0].headers["content-type"] == "image/png"
    before = camera.pixels("#before").astype(int)
    # As near as brightness, and colour at half the resolution, let it.
    assert np.abs(before - image.fit(FRAME, 224, 224)).mean() < 4
    assert "camera" in camera.page.locator("#which").inner_text()
    assert camera.page.locator("#session li").count() == 1


def test_one_button_leads_from_picture_to_picture(camera: Visit) -> None:
    playing(camera)
    act = camera.page.locator("#act")
    for count in (1, 2):
        assert act.inner_text() == "Capture"
        act.click()
        camera.answered()
        assert act.inner_text() == "New picture"
        assert camera.page.locator("#stage").get_attribute("data-view") == "compare"
        act.click()
        assert camera.page.locator("video").is_visible()
        assert camera.page.locator("#session li").count() == count


def test_the_camera_can_be_stopped_and_is_released(camera: Visit) -> None:
    stream = camera.page.evaluate_handle("() => document.querySelector('video').srcObject")
    camera.page.get_by_role("button", name="Stop camera").click()
    assert stream.evaluate("stream => stream.getTracks().map((track) => track.readyState)") == ["ended"]
    assert camera.page.locator("video").is_hidden()
    assert camera.page.locator("#act").inner_text() == "Start camera"
    camera.page.locator("#act").click()
    camera.page.locator("video").wait_for()


def test_a_camera_that_is_unplugged_is_said_to_be_gone(camera: Visit) -> None:
    camera.page.locator("video").evaluate("v => v.srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    assert "The camera is gone" in camera.problem()
    camera.page.get_by_role("button", name="Try again").click()
    camera.page.locator("video").wait_for()
    assert camera.page.locator("#problem").is_hidden()


def test_one_of_several_cameras_is_chosen(driver: Any, address: str) -> None:
    devices = ("--use-fake-device-for-media-stream=device-count=2", "--use-fake-ui-for-media-stream")
    with browser.launched(driver, *devices) as started, browser.visit(started, address) as seen:
        seen.open().page.locator("#cameras").wait_for()
        choice = seen.page.locator("#cameras select")
        names = choice.locator("option").all_inner_texts()
        assert len(set(names)) == 2
        other = next(name for name in names if name != choice.locator("option:checked").inner_text())
        choice.select_option(label=other)
        seen.page.locator("#cameras option:checked", has_text=other).wait_for(state="attached")
        shown = "() => document.querySelector('video').srcObject?.getVideoTracks()[0].label"
        for _ in range(100):  # the new camera starts after the old one was stopped; waiting in the page needs eval
            if seen.page.evaluate(shown) == other:
                break
            seen.page.wait_for_timeout(100)
        assert seen.page.evaluate(shown) == other


def test_without_a_camera_there_is_a_file(visit: Callable[..., Visit]) -> None:
    seen = visit(permissions=["camera"]).open()
    assert "No camera found" in seen.problem()  # allowed, so it was tried by itself
    assert seen.ask(ATTACKED).page.locator("#problem").is_hidden()


def test_a_camera_that_is_not_allowed_says_so(driver: Any, address: str) -> None:
    with (
        browser.launched(driver, "--use-fake-device-for-media-stream", "--deny-permission-prompts") as started,
        browser.visit(started, address) as seen,
    ):
        seen.open().page.get_by_role("button", name="Start camera").click()
        assert "The camera is not allowed" in seen.problem()


@pytest.mark.parametrize(("error", "words"), [("NotReadableError", "is in use"), ("AbortError", "camera failed")])
def test_a_camera_that_does_not_start_says_why(visit: Callable[..., Visit], error: str, words: str) -> None:
    seen = visit()
    failing = f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{error}'); }}"
    seen.page.add_init_script(failing)
    seen.open().page.get_by_role("button", name="Start camera").click()
    assert words in seen.problem()


def test_over_http_from_another_machine_the_page_says_why_there_is_no_camera(driver: Any, tmp_path: Path) -> None:
    with (
        browser.service(tmp_path, "--name", "dermoscope.example") as address,
        browser.launched(driver, "--host-resolver-rules=MAP dermoscope.example 127.0.0.1") as started,
        browser.visit(started, address.replace("127.0.0.1", "dermoscope.example"), "phone") as seen,
    ):
        seen.open().page.get_by_role("button", name="Start camera").click()
        assert "https://" in seen.problem()
        assert seen.page.locator("#problem button").count() == 0
        seen.ask(ATTACKED)
