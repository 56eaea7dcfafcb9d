"""Always the newest frame; what nobody took is counted; a lost camera is looked for until it is back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest

from edge_mdda.camera.newest import Newest
from edge_mdda.errors import CameraError
from tests.recordings import Scripted, grey


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_it_is_always_the_newest_frame_and_the_others_are_counted() -> None:
    camera = Scripted([grey(level) for level in range(10)])
    newest = Newest(lambda: camera)
    camera.next()
    wait_until(lambda: (first := newest.take(1)) is not None and first.number == 0)
    camera.next(5)
    wait_until(lambda: newest._count == 6)  # the last of them is kept a moment after it was read
    frame = newest.take(1)
    assert frame is not None
    assert (frame.number, frame.pixels[0, 0, 0], frame.dropped) == (5, 5, 4)
    assert newest.take(0.01) is None
    assert time.time() - 20 < frame.captured <= time.time()
    assert time.monotonic() - 20 < frame.clock <= time.monotonic()
    newest._leave.set()
    camera.next()
    newest.close()
    assert camera.closed


def test_at_the_end_of_a_recording_the_last_frame_is_still_given_then_it_has_ended() -> None:
    camera = Scripted([grey(1)])
    newest = Newest(lambda: camera)
    camera.next()
    camera._wanted.release()  # the end
    newest._thread.join(10)
    assert camera.closed
    assert not newest.ended
    assert newest.take(1) is not None
    assert newest.ended
    assert newest.take(1) is None


def test_a_camera_that_is_lost_is_looked_for_less_and_less_often_until_it_is_back() -> None:
    lost, back = Scripted([grey(1)], CameraError("it is unplugged")), Scripted([grey(2)])
    tried: list[float] = []

    def open_camera() -> Scripted:
        tried.append(time.monotonic())
        if len(tried) == 1:
            return lost
        if len(tried) < 5:
            raise CameraError(f"still none, {len(tried)}")
        return back

    newest = Newest(open_camera, pause=0.05, longest_pause=0.1)
    lost.next()
    wait_until(lambda: newest.take(1) is not None)
    lost._wanted.release()
    wait_until(lambda: newest.trouble == "it is unplugged")
    wait_until(lambda: newest.trouble == "still none, 3")
    wait_until(lambda: newest.reconnects == 1)
    assert lost.closed
    assert newest.trouble is None
    back.next()
    wait_until(lambda: (frame := newest.take(1)) is not None and frame.number == 1 and frame.pixels[0, 0, 0] == 2)
    pauses = [after - before for before, after in itertools.pairwise(tried[1:])]
    assert tried[1] - tried[0] >= 0.05
    assert min(pauses) >= 0.1
    back._wanted.release()
    newest.close()


def test_a_camera_that_is_not_there_to_begin_with_is_an_error_at_once() -> None:
    def none() -> Scripted:
        raise CameraError("expected a camera, got none")

    with pytest.raises(CameraError, match="got none"):
        Newest(none)


def test_it_can_be_closed_while_it_looks_for_a_camera() -> None:
    lost = Scripted([], CameraError("it is unplugged"))
    cameras = iter([lost])

    def open_camera() -> Scripted:
        try:
            return next(cameras)
        except StopIteration:
            raise CameraError("none") from None

    newest = Newest(open_camera, pause=60)
    lost._wanted.release()
    wait_until(lambda: newest.trouble is not None)
    start = time.monotonic()
    newest.close()
    assert time.monotonic() - start < 2
    assert not newest._thread.is_alive()
