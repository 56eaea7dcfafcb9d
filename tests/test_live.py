"""The loop of a camera: one answer after the other, none to a bad frame, and what a person sees of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mdda import image
from edge_mdda.camera import view, window
from edge_mdda.camera.live import Ask, Found, Live, Sight
from edge_mdda.camera.newest import Frame, Newest
from edge_mdda.camera.view import LineView
from edge_mdda.errors import CameraError, InferenceError
from edge_mdda.terminal import render
from tests.conftest import draw
from tests.recordings import Scripted, grey

FAULT = {"name": "focus", "message": "out of focus: focus again"}


def found(warnings: list[dict[str, str]] | None = None, frames: int = 1, flag: bool = False) -> Found:
    return Found(
        {
            "raw": {"probabilities": {"MEL": 0.25, "NV": 0.75}, "top": "NV"},
            "purified": {"probabilities": {"MEL": 0.5, "NV": 0.5}, "top": "MEL"},
            "answer": {"from": "raw", "class": "NV", "abstained": False, "reasons": []},
            "alarm": {"score": 1.0, "threshold": 2.0, "flag": flag},
            "quality": {"measures": {}, "warnings": warnings or []},
            "frames": frames,
        },
        ("Answer: NV, as it came.",),
    )


@dataclass
class Recorder:
    """A view, and everything else the loop tells: keeps it."""

    sights: list[Sight] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    leave: bool = False

    def show(self, sight: Sight) -> None:
        self.sights.append(sight)

    def closed(self) -> bool:
        return self.leave

    def close(self) -> None:
        pass


def loop(newest: Newest, ask: Ask, seen: Recorder, gate: bool = True) -> Live:
    return Live(
        "0",
        newest,
        ask,
        seen,
        on_answer=seen.answers.append,
        complain=seen.complaints.append,
        gate=gate,
        stopped=lambda: False,
    )


class Rolling:
    """A camera of a thousand frames a second, each of the level of its number."""

    def __init__(self, count: int = 10_000) -> None:
        self.levels: Iterator[int] = iter(range(count))

    def read(self) -> NDArray[np.uint8] | None:
        time.sleep(0.001)
        level = next(self.levels, None)
        return None if level is None else grey(level % 256)

    def close(self) -> None:
        pass


def test_a_camera_faster_than_the_answers_has_each_answer_to_its_newest_frame_and_the_rest_counted() -> None:
    def slow(pixels: NDArray[np.uint8], average: bool) -> Found:
        time.sleep(0.03)
        return found()

    seen = Recorder()
    newest = Newest(Rolling)
    loop(newest, slow, seen).run(count=5)
    newest.close()
    moments = [answer["live"] for answer in seen.answers]
    numbers = [moment["frame"] for moment in moments]
    assert len(numbers) == 5
    assert numbers == sorted(set(numbers))
    assert numbers[-1] >= 20  # of a slow machine too: each answer takes the time of many frames
    for answered, moment in enumerate(moments):
        assert moment["dropped"] == moment["frame"] - answered
        assert moment["age"] >= 30
        assert moment["captured"] <= moment["answered"]
    assert seen.answers[0]["image"] == "0"
    assert [moment["counts"]["answered"] for moment in moments] == [1, 2, 3, 4, 5]


def test_a_frame_that_was_taken_badly_gets_its_hint_and_no_answer() -> None:
    answers = iter([found([FAULT]), found()])
    seen = Recorder()
    newest = Newest(Rolling)
    live = loop(newest, lambda pixels, average: next(answers), seen)
    live.run(count=1)
    newest.close()
    assert (live.counts.answered, live.counts.refused) == (1, 1)
    refused, answered = seen.sights
    assert refused.found is None
    assert refused.sentences == ("No answer: out of focus: focus again.",)
    assert answered.sentences == ("Answer: NV, as it came.",)
    (report,) = seen.answers
    assert report["live"]["counts"] == {"answered": 1, "refused": 1, "failed": 0}


def test_a_frame_that_moved_since_the_one_right_before_gets_none_and_is_not_averaged() -> None:
    still = image.to_uint8(draw(112, 112))
    camera, averaged = Scripted([still, still, np.roll(still, 20, axis=1)]), []
    seen = Recorder()
    newest = Newest(lambda: camera)

    def ask(pixels: NDArray[np.uint8], average: bool) -> Found:
        averaged.append(average)
        return found()

    live = loop(newest, ask, seen)
    thread = threading.Thread(target=live.run)
    thread.start()
    for number in range(1, 4):
        camera.next()
        while live.counts.answered + live.counts.refused < number and thread.is_alive():
            time.sleep(0.005)
    camera._wanted.release()  # the end
    thread.join(20)
    assert averaged == [True, True, False]
    assert (live.counts.answered, live.counts.refused) == (2, 1)
    assert seen.sights[-1].sentences == ("No answer: smeared by movement: hold still and take it again.",)


def test_without_the_gate_it_gets_an_answer() -> None:
    seen = Recorder()
    newest = Newest(Rolling)
    loop(newest, lambda pixels, average: found([FAULT]), seen, gate=False).run(count=2)
    newest.close()
    assert len(seen.answers) == 2


def test_an_assessment_that_fails_costs_one_frame_and_is_told() -> None:
    outcomes: Iterator[Any] = iter([InferenceError("expected an answer, got a crash (SIGSEGV)"), found()])

    def ask(pixels: NDArray[np.uint8], average: bool) -> Found:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    seen = Recorder()
    newest = Newest(Rolling)
    live = loop(newest, ask, seen)
    live.run(count=1)
    newest.close()
    assert (live.counts.answered, live.counts.failed) == (1, 1)
    (complaint,) = seen.complaints
    assert "0, frame " in complaint
    assert complaint.endswith("expected an answer, got a crash (SIGSEGV)")
    assert seen.sights[0].sentences == ("No answer: expected an answer, got a crash (SIGSEGV).",)


def test_it_ends_with_the_recording_with_the_seconds_and_when_the_view_is_closed() -> None:
    seen = Recorder()
    live = loop(Newest(lambda: Rolling(3)), lambda pixels, average: found(), seen)
    live.run()
    assert 1 <= live.counts.answered <= 3
    start = time.monotonic()
    newest = Newest(Rolling)
    loop(newest, lambda pixels, average: found(), Recorder()).run(seconds=0.1)
    assert 0.1 <= time.monotonic() - start < 10
    closed = Recorder(leave=True)
    loop(newest, lambda pixels, average: found(), closed).run()
    assert closed.answers == []
    newest.close()


def test_a_camera_that_is_lost_and_found_is_told_once_each() -> None:
    lost, back = Scripted([grey(1)], CameraError("it is unplugged")), Scripted([grey(2)])
    cameras = iter([lost, back])
    seen = Recorder()
    newest = Newest(lambda: next(cameras), pause=0.5)
    live = loop(newest, lambda pixels, average: found(), seen)
    thread = threading.Thread(target=live.run)
    thread.start()
    lost.next()
    lost._wanted.release()
    back.next()
    back._wanted.release()  # the end
    thread.join(20)
    assert not thread.is_alive()
    assert seen.complaints == ["0: it is unplugged; looking for it", "0: the camera is back"]
    assert [answer["live"]["reconnects"] for answer in seen.answers] == [0, 1]
    assert ("No camera: it is unplugged.",) in [sight.sentences for sight in seen.sights]


FRAME = Frame(7, grey(90), 0.0, 0.0, 3)


class TestViews:
    def test_a_terminal_gets_the_answers_classes_the_sentences_and_the_status(self) -> None:
        text = render(view.draw(Sight(FRAME, found(), ("Answer: NV, as it came.",), "frame 7, 30 ms old")))
        lines = [line.split() for line in text.splitlines() if line.strip()]
        assert [line[:2] for line in lines[:2]] == [["NV", "75.0%"], ["MEL", "25.0%"]]
        assert len(lines[0][2]) == 18
        assert lines[2] == ["Answer:", "NV,", "as", "it", "came."]
        assert "frame 7, 30 ms old" in text
        assert "Research software" in text

    def test_without_an_answer_there_are_no_classes(self) -> None:
        text = render(view.draw(Sight(FRAME, None, ("No answer: hold still.",), "frame 7\x1b[2J")))
        assert "%" not in text
        assert "No answer: hold still." in text
        assert "\x1b[2J" not in text

    def test_lines_say_each_answer_and_each_message_once(self) -> None:
        lines: list[str] = []
        shown = LineView(lines.append)
        for sight in (
            Sight(FRAME, None, ("No answer: hold still.",), "frame 1"),
            Sight(FRAME, None, ("No answer: hold still.",), "frame 2"),
            Sight(FRAME, found(), ("Answer: NV.",), "frame 3"),
            Sight(FRAME, found(), ("Answer: NV.",), "frame 4"),
        ):
            shown.show(sight)
        assert lines == ["frame 1: No answer: hold still.", "frame 3: Answer: NV.", "frame 4: Answer: NV."]


class TestWindow:
    def test_the_overlay_darkens_the_foot_writes_on_it_and_leaves_the_rest(self) -> None:
        picture = window.overlay(grey(90, 480, 640), ["Answer: NV", "frame 7"])
        assert picture.shape == (480, 640, 3)
        assert (picture[:400] == 90).all()
        foot = picture[-40:]
        assert (foot == 30).any()
        assert foot.max() == 255
        alarm = window.overlay(grey(90, 480, 640), ["No answer: ärgerlich"], alarm=True)
        assert alarm[-40:, :, 0].max() > alarm[-40:, :, 1].max()

    def test_a_small_picture_is_enlarged_and_a_long_line_fits(self) -> None:
        picture = window.overlay(grey(90), ["x" * 300])
        assert picture.shape == (480, 640, 3)
        assert (picture[:, -8:] <= 90).all()

    def test_without_a_display_or_an_opencv_with_windows_it_says_which(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        assert window.missing() == "expected a display for a window, got none"
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setattr(window.cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")
        assert "headless" in (window.missing() or "")
        monkeypatch.setattr(window.cv2, "getBuildInformation", lambda: "  GUI:                           QT5\n")
        assert window.missing() is None
