"""The roofline: its loops do what they say, and no kernel is faster than the bound."""

from __future__ import annotations

import numpy as np

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


def test_the_kernel_stays_below_the_bound(monkeypatch):
    monkeypatch.setattr(roofline, "REPEATS", 5)
    measured = roofline.measure()
    assert all(value > 0 for value in measured.values())
    assert 5 < measured["TV kernel, percent of the roofline"] <= 110  # 100, and the noise of the machine
