"""The roofline: its loops do what they say, and no kernel is faster than the bound."""

from __future__ import annotations

import numpy as np
import pytest

from tools import roofline


def test_the_loops_compute_what_their_rates_are_called_after():
    row = np.arange(16, dtype=np.float32)
    roofline._multiply_add(row, np.float32(0.5), np.float32(1), 1)
    # x / 2 + 1 tends to 2 from anywhere, and each of the first four values is the sum of four chains.
    np.testing.assert_allclose(row[:4], 8, atol=1e-4)
    np.testing.assert_array_equal(row[4:], np.arange(4, 16))
    out = np.empty(3, np.float32)
    roofline._root(np.array([0.25, 4, 16], np.float32), out, 1)
    np.testing.assert_array_equal(out, [1, 0.5, 0.25])
    roofline._move(out, out, out, out, 1)
    np.testing.assert_array_equal(out, [3, 1.5, 0.75])


def test_the_share_is_that_of_the_unit_that_is_busy_longest(monkeypatch):
    # In the order of measurement: multiply-add, root, move, ten iterations, four iterations, noise.
    count, pixels = 1000 * 2048, roofline.SIDE**2
    peaks = [0.01 * count * roofline.CHAINS, 0.4 * count, 0.001 * 4 * count]
    few, many = (iterations * 3 * pixels for iterations in roofline.ITERATIONS)  # three channels
    times = iter([*peaks, many, few, 2 * pixels])
    monkeypatch.setattr(roofline, "fastest", lambda call: next(times))
    measured = roofline.measure()
    assert measured["root and division, ns each pair"] == pytest.approx(0.4)
    assert measured["bound by operations, ns a pixel and iteration"] == pytest.approx(0.005 * roofline.OPERATIONS)
    assert measured["bound by bytes, ns a pixel and iteration"] == pytest.approx(0.001 * roofline.BYTES)
    assert measured["TV kernel, ns a pixel and iteration"] == pytest.approx(1)
    assert measured["TV kernel, percent of the roofline"] == pytest.approx(14.5)
    assert measured["noise, ns a sample"] == pytest.approx(2)
    assert 0.5 < measured["two threads of multiply-adds against one"] < 2.5


def test_the_fastest_call_counts_and_the_first_does_not():
    calls = []
    assert roofline.fastest(lambda: calls.append(0), repeats=3) >= 0
    assert len(calls) == 4
