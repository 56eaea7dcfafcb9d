"""A real Chromium, driven by Playwright, and the real service that gives it its page."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image
from tests import chromium
from tests.program import CHECKOUT, PROGRAM

#: Screens the page is made for: both usual touch displays, a phone, and a desk.
SCREENS = {"5 inch": (800, 480), "7 inch": (1024, 600), "phone": (390, 844), "desk": (1440, 900)}
#: Seconds to wait at most, for a machine that is busy with much else.
PATIENCE = 120


@contextmanager
def service(folder: Path, *options: str) -> Iterator[str]:
    """The address of a service of its own in a child process, its model loaded, until the block ends."""
    ready = folder / "address"
    command = [*PROGRAM, "serve", "--port", "0", "--ready-file", str(ready), *options]
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log)
    try:
        end = time.monotonic() + PATIENCE
        while not (ready.exists() and _is_ready(ready.read_text().strip())):
            assert process.poll() is None, (folder / "service.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        yield ready.read_text().strip()
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(address: str) -> bool:
    with urllib.request.urlopen(f"{address}/v1/health") as answer:
        return bool(json.load(answer)["ready"])


@contextmanager
def launched(driver: Any, *arguments: str) -> Iterator[Any]:
    """A browser; without a sandbox, which cannot be had as root, as tests run in a container."""
    options = {"executable_path": chromium.PROGRAM, "args": ["--no-sandbox", "--disable-gpu", *arguments]}
    browser = driver.chromium.launch(**options)
    try:
        yield browser
    finally:
        browser.close()


@dataclass
class Visit:
    """A page of its own, and what went wrong in it by itself: a class because both are collected while it is used."""

    page: Any
    address: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: Any) -> None:
        # The browser itself writes a line for each answer that is an error, which the page shows in its own words.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def open(self) -> Visit:
        """Load the page, until it knows the model."""
        self.page.goto(self.address)
        self.page.locator("#model", has_text="mobilenet").wait_for()
        return self

    def give(self, file: Path | tuple[str, str, bytes]) -> Visit:
        """Choose a file: a path, or name, type and content."""
        if isinstance(file, tuple):
            name, kind, content = file
            self.page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})
        else:
            self.page.set_input_files("#file", file)
        return self

    def answered(self) -> Visit:
        """Wait until the answer and the pictures are there."""
        self.page.locator("#verdict, #problem:not([hidden])").first.wait_for()
        assert self.page.locator("#verdict").count() == 1, self.problem()
        self.page.locator("#busy").wait_for(state="hidden")
        return self

    def ask(self, file: Path | tuple[str, str, bytes]) -> Visit:
        """Choose a file and wait for its answer."""
        return self.give(file).answered()

    def overhear(self, change: Callable[[dict[str, Any]], None] = lambda report: None, query: str = "") -> Visit:
        """Keep the next reports in `report`, after a change to each; `query` is added to what the page asks for."""

        def answer(route: Any) -> None:
            found = route.fetch(url=route.request.url + query)
            self.report = json.loads(found.text())
            change(self.report)
            route.fulfill(response=found, body=json.dumps(self.report))

        self.page.route("**/v1/assess*", answer)
        return self

    def problem(self) -> str:
        """The problem that is shown, once there is one."""
        alert = self.page.locator("#problem:not([hidden])")
        alert.wait_for()
        return str(alert.inner_text())

    def view(self, name: str) -> Visit:
        """Show a view of the picture."""
        self.page.locator(f"input[name=view][value={name}]").check()
        return self

    def pixels(self, canvas: str) -> NDArray[np.uint8]:
        """What is drawn on a canvas, uint8 RGB (height, width, 3)."""
        url = self.page.locator(canvas).evaluate("canvas => canvas.toDataURL('image/png')")
        return image.decode(base64.b64decode(url.partition(",")[2]))

    def screenshot(self) -> NDArray[np.uint8]:
        """What is seen, uint8 RGB."""
        return image.decode(self.page.screenshot())


@contextmanager
def visit(browser: Any, address: str, screen: str = "7 inch", **options: Any) -> Iterator[Visit]:
    """A page in a browser's session of its own; at the end nothing may have gone wrong by itself."""
    width, height = SCREENS[screen]
    touch = screen != "desk"
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch, **options)
    context.set_default_timeout(PATIENCE * 1000)
    try:
        visiting = Visit(context.new_page(), address)
        yield visiting
        assert visiting.faults == []
    finally:
        context.close()
