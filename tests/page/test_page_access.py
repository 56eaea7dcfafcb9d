"""For everybody, on every screen: keyboard, screen reader, light and dark, small and large, in any language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tests import chromium
from tests.page.browser import SCREENS, Visit
from tests.page.pictures import ATTACKED, STRIPES, png
from tests.program import CHECKOUT

pytestmark = [chromium.needed, pytest.mark.programs]

PAGE = CHECKOUT / "edge_mdda" / "server" / "page"
WORDS: dict[str, str] = json.loads((PAGE / "strings.en.json").read_text())
SCRIPTS = "\n".join(path.read_text() for path in sorted(PAGE.glob("*.js")))


def violations(seen: Visit) -> list[str]:
    """What axe-core finds against the page as it stands: rule, element and why."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs edge-mdda[develop]")
    found = axe.Axe().run(seen.page).response["violations"]
    return [f"{of['id']}: {node['target']} {node['failureSummary']}" for of in found for node in of["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["5 inch", "phone"])
def test_axe_finds_nothing_in_any_state(visit: Callable[..., Visit], screen: str, scheme: str) -> None:
    seen = visit(screen, color_scheme=scheme, reduced_motion="reduce").open()
    warnings = [{"name": "focus", "message": "hold still"}]
    states: dict[str, Callable[[], Any]] = {
        "start": lambda: None,
        "alarm": lambda: seen.overhear(lambda report: report.update(quality={"warnings": warnings})).ask(ATTACKED),
        "both": lambda: seen.view("both"),
        "difference": lambda: seen.view("difference"),
        "all of it": lambda: [
            details.evaluate("d => (d.open = true)") for details in seen.page.locator("details").all()
        ],
        "session": lambda: seen.page.locator("input[value=session]").check(),
        "no answer": lambda: seen.ask(png(STRIPES)),
        "problem": lambda: (seen.give(("a.txt", "text/plain", b"")), seen.problem()),
        "token": lambda: seen.page.evaluate("() => document.getElementById('token').showModal()"),
    }
    for state, reach in states.items():
        reach()
        assert violations(seen) == [], state


def focused(seen: Visit) -> str:
    return str(seen.page.evaluate("() => document.activeElement.value || document.activeElement.id"))


def test_everything_can_be_done_with_the_keyboard_alone(visit: Callable[..., Visit]) -> None:
    seen = visit().open()
    choosers: list[Any] = []
    # Long before a key opens one: Playwright does not wait until Chromium is told to leave them to the test.
    seen.page.on("filechooser", lambda chooser: choosers.append(chooser))
    press = seen.page.keyboard.press
    order = []
    for _ in range(4):
        press("Tab")
        order.append(focused(seen))
        # Of a radio button the label beside it shows the focus.
        outline = "e => getComputedStyle(e.type === 'radio' ? e.nextElementSibling : e).outlineStyle"
        assert seen.page.locator(":focus").evaluate(outline) == "solid"
    assert order == ["camera", "act", "choose", "answer"]  # as they are seen, from left to right
    press("Shift+Tab")
    press("Enter")
    for _ in range(500):
        if choosers:
            break
        seen.page.wait_for_timeout(20)
    choosers[0].set_files(ATTACKED)
    seen.answered()
    seen.page.locator("input[value=compare]").focus()
    press("Tab")
    assert focused(seen) == seen.page.locator("#cut").input_value() == "50"
    press("ArrowLeft")
    assert seen.page.locator("#cut").input_value() == "49"
    press("Shift+Tab")
    for view in ["both", "difference"]:
        press("ArrowRight")
        assert seen.page.locator("#stage").get_attribute("data-view") == view
    press("Tab")
    assert focused(seen) == "act"
    press("Enter")  # New picture
    assert seen.page.locator("#stage").get_attribute("data-view") == "camera"
    assert focused(seen) == "act"
    press("Tab")
    press("Tab")
    press("ArrowRight")
    assert seen.page.locator("#side-session").is_visible()
    press("Tab")
    press("Enter")
    assert seen.page.locator("#verdict").is_visible()
    assert seen.page.locator("#stage").get_attribute("data-view") == "compare"


def test_focus_is_never_lost(visit: Callable[..., Visit]) -> None:
    """Not even where what had it goes away."""
    seen = visit().open().ask(ATTACKED)
    seen.page.locator("input[value=session]").check()
    seen.page.locator("#session button").focus()
    seen.page.keyboard.press("Enter")
    assert focused(seen) == "answer"
    seen.give(("a.txt", "text/plain", b"")).problem()
    seen.page.route("**/v1/assess*", lambda route: route.abort(), times=1)
    seen.give(ATTACKED)
    again = seen.page.get_by_role("button", name="Try again")
    again.focus()
    seen.page.keyboard.press("Enter")
    seen.answered()
    assert focused(seen) == "act"
    seen.page.locator("input[value=session]").check()
    seen.page.locator("#clear").focus()
    seen.page.keyboard.press("Enter")
    assert focused(seen) == "answer"


def test_a_screen_reader_is_told_of_the_answer_and_of_problems(visit: Callable[..., Visit]) -> None:
    seen = visit().open()
    news = seen.page.locator("#news")
    assert news.get_attribute("role") == "status"
    seen.ask(ATTACKED)
    assert news.inner_text().startswith("NV, ")
    assert seen.page.locator("#problem").get_attribute("role") == "alert"
    tree = seen.page.locator("body").aria_snapshot()
    for part in ("- banner:", "- main:", "- contentinfo:", 'heading "Answer"', 'slider "How much is shown as it came"'):
        assert part in tree
    seen.view("difference")
    label = seen.page.locator("#map").evaluate("canvas => canvas.ariaLabel")
    assert label.startswith("Heat map of what purification changed: ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_every_screen(visit: Callable[..., Visit], screen: str, scheme: str) -> None:
    seen = visit(screen, color_scheme=scheme).open().ask(ATTACKED)
    width, height = SCREENS[screen]
    for view in ("compare", "both", "difference"):
        seen.view(view)
        assert seen.page.evaluate("() => document.documentElement.scrollWidth") <= width
        stage = seen.page.locator("#stage").bounding_box()
        for canvas in seen.page.locator(f"#{view} canvas[role=img]:visible").all():
            box = canvas.bounding_box()
            assert box["width"] == pytest.approx(box["height"], abs=1)
            assert box["width"] >= min(stage["width"] / 2 - 16, stage["height"] - 100)
            assert stage["x"] <= box["x"]
            assert box["x"] + box["width"] <= stage["x"] + stage["width"] + 1
            assert stage["y"] <= box["y"]
            assert box["y"] + box["height"] <= stage["y"] + stage["height"] + 1
    for button in seen.page.locator("button:visible, .choice label").all():
        box = button.bounding_box()
        assert box["height"] >= 40  # a finger's width on these screens
        assert box["width"] >= 40
    for button in seen.page.locator("#actions button").all():
        box = button.bounding_box()
        assert box["y"] + box["height"] <= height  # in reach without scrolling
    light = seen.screenshot()[-8:, :8].mean()
    assert light > 200 if scheme == "light" else light < 60


def test_nothing_moves_where_that_is_asked_for(visit: Callable[..., Visit]) -> None:
    for motion, name in (("reduce", "none"), ("no-preference", "turn")):
        seen = visit(reduced_motion=motion).open()
        found = seen.page.locator(".spinner").evaluate("spinner => getComputedStyle(spinner).animationName")
        assert found == name


def test_it_needs_nothing_but_its_own_service(visit: Callable[..., Visit]) -> None:
    """And holds to a policy of its own that allows nothing else: what it would break is a fault of the visit."""
    seen = visit().open().ask(ATTACKED)
    assert {url.split("/")[2] for url in seen.requests} == {seen.address.split("/")[2]}
    policy = seen.page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    text = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", text)


def test_nothing_is_stored_and_a_reload_forgets(visit: Callable[..., Visit]) -> None:
    seen = visit().open().ask(ATTACKED)
    assert seen.page.locator("#session-count").inner_text() == "Session (1)"
    stored = """async () => [
        localStorage.length, sessionStorage.length, document.cookie.length,
        (await caches.keys()).length, (await indexedDB.databases()).length,
    ]"""
    assert seen.page.evaluate(stored) == [0] * 5
    seen.page.reload()
    seen.page.locator("#model", has_text="mobilenet").wait_for()
    assert seen.page.locator("#session-count").inner_text() == "Session (0)"


def test_the_session_lists_what_was_asked_and_shows_it_again(visit: Callable[..., Visit]) -> None:
    seen = visit().open().ask(ATTACKED).ask(png(STRIPES, "<b>stripes</b>.png"))
    stripes = seen.pixels("#before")
    seen.page.locator("input[value=session]").check()
    entries = seen.page.locator("#session button")
    assert entries.count() == 2
    assert "No answer" in entries.nth(0).inner_text()  # the newest first
    assert "<b>stripes</b>.png" in entries.nth(0).inner_text()
    assert "Attack alarm" in entries.nth(1).inner_text()
    assert [entry.get_attribute("aria-current") for entry in entries.all()] == ["true", None]
    thumbnail = seen.pixels("#session li:nth-child(2) canvas")
    assert thumbnail.std() > 10
    entries.nth(1).click()
    assert "lesion_adversarial.png" in seen.page.locator("#which").inner_text()
    assert np.abs(seen.pixels("#before").astype(int) - stripes).mean() > 10
    assert seen.page.locator("#alarm").is_visible()
    seen.page.locator("input[value=session]").check()
    seen.page.get_by_role("button", name="Forget all pictures").click()
    assert seen.page.locator("#session-count").inner_text() == "Session (0)"
    assert seen.page.locator("#verdict").count() == 0
    assert seen.page.locator("input[value=compare]").is_disabled()


def test_a_picture_is_dropped_anywhere(visit: Callable[..., Visit]) -> None:
    seen = visit("desk").open()
    content = list(ATTACKED.read_bytes())
    dropped = seen.page.evaluate_handle(
        """(content) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(content)], "dropped.png", { type: "image/png" }));
            return data;
        }""",
        content,
    )
    seen.page.dispatch_event("#findings", "dragover", {"dataTransfer": dropped})
    assert seen.page.locator("body.dropping").count() == 1
    seen.page.dispatch_event("#findings", "drop", {"dataTransfer": dropped})
    assert seen.page.locator("body.dropping").count() == 0
    assert "dropped.png" in seen.answered().page.locator("#which").inner_text()


def test_every_word_on_the_page_is_translated_with_the_strings(visit: Callable[..., Visit]) -> None:
    """Behind strings that are marked, whatever stands unmarked is a name, a number or a code."""
    seen = visit()
    marked = {key: f"⟦{words}⟧" for key, words in WORDS.items()}
    seen.page.route("**/strings.en.json", lambda route: route.fulfill(json=marked))
    warnings = [{"name": "focus", "message": "⟦hold still⟧"}]
    seen.overhear(lambda report: report.update(quality={"warnings": warnings})).open().ask(ATTACKED)
    seen.give(("a.txt", "text/plain", b"")).problem()
    seen.page.locator("input[value=session]").check()
    text = seen.page.evaluate(
        """() => {
            const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const found = [];
            while (walk.nextNode()) found.push(walk.currentNode.textContent.trim());
            for (const element of document.querySelectorAll("[aria-label]")) found.push(element.ariaLabel);
            return found.filter(Boolean);
        }"""
    )
    assert len(text) > 40
    bare = [words for words in text if not words.startswith("⟦")]
    names = r"edge-mdda|litert|mobilenet_v2|✓|[A-Z]{2,4}|[\d.,]+ ?%?|[0-9a-f]{64}|[\d:]+ [AP]M|lesion_adversarial.png"
    assert [words for words in bare if not re.fullmatch(names, words)] == []


class _Words(HTMLParser):
    """Collects what an HTML file itself has to read; a class because HTMLParser is one."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found += [data.strip()] if data.strip() else []


def test_the_strings_are_all_there_and_all_used() -> None:
    html = (PAGE / "index.html").read_text()
    words = _Words()
    words.feed(html)
    assert [data for data in words.found if data not in ("edge-mdda", "0")] == []
    asked = set(re.findall(r'data-(?:text|label)="([^"]+)"', html)) | set(re.findall(r'say\("([\w.-]+)"', SCRIPTS))
    assert asked <= WORDS.keys()
    # Keys put together: say(`problem.${kind}.words`).
    pieces = {
        re.sub(r"\$\{[^}]*\}", ".+", key.replace(".", r"\.")) for key in re.findall(r"`([a-z.-]+\.\$[^`\s]*)`", SCRIPTS)
    }
    others = set(re.findall(r'"([a-z][\w-]*(?:[.][\w-]+)*)"', SCRIPTS))
    unused = [key for key in WORDS.keys() - asked - others if not any(re.fullmatch(one, key) for one in pieces)]
    assert unused == []


def test_every_label_of_the_shipped_models_has_a_name() -> None:
    for labels in (CHECKOUT / "models").glob("*/labels.txt"):
        assert all(f"class.{label}" in WORDS for label in labels.read_text().split())
