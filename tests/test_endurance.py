"""What a long run says: when a board was slowed, why, and what it cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_mdda.device import endurance
from edge_mdda.device.endurance import Point
from edge_mdda.device.sensors import Reading, Sensors
from edge_mdda.device.system import System


def line(seconds: int, at: Callable[[int], tuple[float, Reading]]) -> list[Point]:
    """A time line of one image and one reading a second."""
    images, readings = [], []
    for second in range(seconds):
        milliseconds, reading = at(second)
        images.append((second + 0.5, milliseconds))
        readings.append((second + 0.1, reading))
    return endurance.time_line(images, readings, 1.0)


def cool(second: int) -> tuple[float, Reading]:
    return 100.0, Reading(2400, 60.0, 6.0, ())


def hot_after_100(second: int) -> tuple[float, Reading]:
    if second < 100:
        return 100.0, Reading(2400, 40 + second * 0.4, 6.0, ())
    return 150.0, Reading(1600, 81.0, 5.0, ("soft temperature limit",))


def test_a_board_that_stays_cool_was_not_throttled() -> None:
    found = endurance.judge(line(200, cool))
    assert found["throttled"] == []
    assert found["statement"] == (
        "It was not throttled; the last minute's median is 100.0 ms, the first one's 100.0 ms, no change worth telling."
    )


def test_when_it_was_throttled_why_and_what_it_cost() -> None:
    found = endurance.judge(line(200, hot_after_100))
    assert found["throttled"] == [
        {"start_s": 100, "end_s": 200, "reasons": ["soft temperature limit"], "median_ms": 150, "cost": 0.5}
    ]
    assert (found["first_minute_ms"], found["last_minute_ms"]) == (100, 150)
    assert found["statement"] == (
        "It was throttled for 100 s, first after 100 s (soft temperature limit): at worst +50% latency; "
        "the last minute's median is 150.0 ms, the first one's 100.0 ms (+50%)."
    )


def test_two_spells_are_told_apart_and_the_worse_one_is_named() -> None:
    def twice(second: int) -> tuple[float, Reading]:
        if 50 <= second < 60:
            return 120.0, Reading(None, None, None, ("under-voltage",))
        if 90 <= second < 100:
            return 200.0, Reading(None, None, None, ("throttled",))
        return 100.0, Reading(None, None, None, ())

    found = endurance.judge(line(150, twice))
    assert [(spell["start_s"], spell["end_s"], spell["cost"]) for spell in found["throttled"]] == [
        (50, 60, 0.2),
        (90, 100, 1.0),
    ]
    assert (
        "throttled for 20 s, first after 50 s (under-voltage, throttled): at worst +100% latency" in found["statement"]
    )


def test_a_board_without_flags_is_judged_by_its_clock() -> None:
    found = endurance.judge(
        line(200, lambda second: (100.0, Reading(2400 if second < 150 else 1500, None, None, None)))
    )
    (spell,) = found["throttled"]
    assert (spell["start_s"], spell["reasons"]) == (150, ["clock below 95% of 2400 MHz"])
    assert spell["cost"] == 0  # a lower clock that cost nothing is told as that


def test_a_board_that_tells_nothing_is_not_called_well() -> None:
    found = endurance.judge(line(130, lambda second: (100.0 + second, Reading(None, None, None, None))))
    assert found["throttled"] is None
    assert found["statement"].startswith("This board tells neither clocks nor throttling; the last minute's median is ")
    assert "(+" in found["statement"]


def test_throttled_all_of_the_time_has_no_cost_that_could_be_known() -> None:
    found = endurance.judge(line(80, lambda second: (100.0, Reading(600, 70.0, None, ("under-voltage",)))))
    assert found["throttled"][0]["cost"] is None
    assert "the cost is unknown" in found["statement"]


def test_a_stretch_has_the_lowest_clock_the_highest_temperature_and_every_flag() -> None:
    images = [(0.2, 10.0), (0.4, 30.0), (2.5, 20.0)]
    readings = [
        (0.1, Reading(2400, 50.0, 4.0, ())),
        (0.3, Reading(1500, 55.0, 6.0, ("throttled",))),
    ]
    first, second = endurance.time_line(images, readings, 1.0)
    assert first == Point(0, 2, 20, 29, 1500, 55, 5, ("throttled",))
    # Nothing was finished in the second in between; the last reading holds until there is another.
    assert (second.at_s, second.clock_mhz, second.flags) == (2, 1500, ("throttled",))


def test_a_real_run_has_a_time_line() -> None:
    counted = iter(range(10**9))

    def once() -> dict[str, float]:
        next(counted)
        return {"total": 1.0}

    found = endurance.run(once, Sensors(System("/nowhere", lambda command: None)), 0.002, 1)
    assert found["images"] == next(counted) > 0
    assert sum(point["images"] for point in found["points"]) == found["images"]
    assert found["throttled"] is None


@pytest.mark.parametrize("seconds", [1, 2, 3])
def test_a_run_too_short_for_two_minutes_is_halved(seconds: int) -> None:
    found = endurance.judge(line(seconds, lambda second: (100.0 + 100 * second, Reading(None, None, None, ()))))
    assert found["last_minute_ms"] >= found["first_minute_ms"]
