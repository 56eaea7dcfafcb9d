"""One service and one browser for all tests of the page; each test has a visit of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.page import browser
from tests.page.browser import Visit


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Playwright; not for the whole session, since no other test can run a loop of its own while this one's runs."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs edge-mdda[develop]")
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the service."""
    pytest.importorskip("uvicorn", reason="needs edge-mdda[serve]")
    with browser.service(tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture(scope="module")
def plain_browser(driver: Any) -> Iterator[Any]:
    """A browser on a device without a camera."""
    with browser.launched(driver) as started:
        yield started


@pytest.fixture
def visit(plain_browser: Any, address: str) -> Iterator[Callable[..., Visit]]:
    """Begins a visit to the page, which is not loaded yet; takes what `browser.visit` does."""
    with ExitStack() as stack:
        yield lambda *screen, **options: stack.enter_context(browser.visit(plain_browser, address, *screen, **options))
