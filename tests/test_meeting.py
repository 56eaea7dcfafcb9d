"""Threads meet in compiled code, and nobody waits for one who will not come."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edge_mdda import EDGE, Purifier
from edge_mdda.kernels import meeting
from tests.conftest import draw


def attend(threads: int, times: int, counters: np.ndarray) -> list[list[int]]:
    """What each thread sees of the others' steps after each of its meetings."""
    steps = np.zeros(threads, np.int64)
    seen: list[list[int]] = [[] for _ in range(threads)]

    def work(part: int) -> None:
        for time in range(times):
            steps[part] = time + 1
            if not meeting.meet(counters, threads):
                return
            seen[part].append(int(steps.min()))

    workers = [threading.Thread(target=work, args=(part,)) for part in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    return seen


@pytest.mark.parametrize("threads", [2, 5])
def test_after_a_meeting_everybody_has_done_his_step(threads):
    times = 50
    for seen in attend(threads, times, np.zeros(meeting.SIZE, np.int64)):
        assert len(seen) == times
        assert all(least >= time + 1 for time, least in enumerate(seen))


def test_each_piece_of_work_is_taken_once_and_again_after_a_meeting():
    counters = np.zeros(meeting.SIZE, np.int64)
    assert [meeting.take(counters) for _ in range(3)] == [0, 1, 2]
    assert meeting.meet(counters, 1)
    taken: list[int] = []
    workers = [threading.Thread(target=lambda: taken.extend(meeting.take(counters) for _ in range(200))) for _ in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(taken) == list(range(600))


def test_nobody_comes_to_a_meeting_that_is_called_off():
    counters = np.zeros(meeting.SIZE, np.int64)
    counters[meeting.OVER] = meeting.CALLED_OFF
    assert attend(2, 3, counters) == [[], []]


def test_who_waits_is_let_go_when_the_meeting_is_called_off():
    counters = np.zeros(meeting.SIZE, np.int64)
    came = []
    waiting = threading.Thread(target=lambda: came.append(meeting.meet(counters, 2)))
    waiting.start()
    while counters[meeting.COME] == 0:
        pass
    counters[meeting.OVER] = meeting.CALLED_OFF
    waiting.join(60)
    assert came == [False]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_thread_that_fails_ends_the_image_and_not_the_purifier(failing, monkeypatch):
    image = draw(64, 64)
    purifier = Purifier(EDGE, threads=2)
    expected = purifier.purify(image, seed=1)
    stages = Purifier._stages

    def interrupted(self, *arguments):
        if arguments[-1] == failing:
            raise KeyboardInterrupt
        stages(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Purifier, "_stages", interrupted)
        with pytest.raises(KeyboardInterrupt):
            purifier.purify(image, seed=1)
    np.testing.assert_array_equal(purifier.purify(image, seed=1), expected)
