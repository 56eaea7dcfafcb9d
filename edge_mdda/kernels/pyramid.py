"""Weighted means over planes of other sizes: the pyramid, the aggregation of scales and the fusion (eq. 14 and 15).

All three are the same act. A target plane is the mean of some source planes, each brought to its size: nearest pixel
going down, bicubic going up. So one kernel serves, a row is written once, and no resampled plane is ever stored.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
ZERO, ONE = np.float32(0), np.float32(1)
# How a source comes to the target's size (first column of `sources`).
SAME, NEAREST, NEAREST_HALF, BICUBIC, BICUBIC_DOUBLE, BICUBIC_QUADRUPLE = 0, 1, 2, 3, 4, 5


@njit(cache=True, nogil=True)
def _nearest_half(row: Floats, width: int, mean: Floats) -> None:
    """Halve exactly: pixel 2j + 1, nearest to the centre of pixel j (ties go up, as in PIL and INTER_NEAREST_EXACT)."""
    for j in range(width):
        mean[j] += row[2 * j + 1]


@njit(cache=True, nogil=True)
def _mix_rows(
    first: Floats, second: Floats, third: Floats, fourth: Floats, weights: Floats, width: int, out: Floats
) -> None:
    """Vertical half of bicubic: out[2 : width + 2], with two columns repeated at either end."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for j in range(width):
        out[j + 2] = w0 * first[j] + w1 * second[j] + w2 * third[j] + w3 * fourth[j]
    out[0] = out[1] = out[2]
    out[width + 2] = out[width + 3] = out[width + 1]


@njit(cache=True, nogil=True)
def _bicubic_double(row: Floats, even: Floats, odd: Floats, width: int, mean: Floats) -> None:
    """Horizontal half of bicubic for exactly twice the width: two sets of weights, no table of columns."""
    e0, e1, e2, e3 = even[0], even[1], even[2], even[3]
    o0, o1, o2, o3 = odd[0], odd[1], odd[2], odd[3]
    for j in range(width // 2):
        mean[2 * j] += e0 * row[j] + e1 * row[j + 1] + e2 * row[j + 2] + e3 * row[j + 3]
        mean[2 * j + 1] += o0 * row[j + 1] + o1 * row[j + 2] + o2 * row[j + 3] + o3 * row[j + 4]


@njit(cache=True, nogil=True)
def _bicubic_quadruple(row: Floats, weights: Floats, width: int, mean: Floats) -> None:
    """The same for exactly four times the width: weights float32 (4, 4), a row for each of four target columns."""
    a0, a1, a2, a3 = weights[0, 0], weights[0, 1], weights[0, 2], weights[0, 3]
    b0, b1, b2, b3 = weights[1, 0], weights[1, 1], weights[1, 2], weights[1, 3]
    c0, c1, c2, c3 = weights[2, 0], weights[2, 1], weights[2, 2], weights[2, 3]
    d0, d1, d2, d3 = weights[3, 0], weights[3, 1], weights[3, 2], weights[3, 3]
    for j in range(width // 4):
        mean[4 * j] += a0 * row[j] + a1 * row[j + 1] + a2 * row[j + 2] + a3 * row[j + 3]
        mean[4 * j + 1] += b0 * row[j] + b1 * row[j + 1] + b2 * row[j + 2] + b3 * row[j + 3]
        mean[4 * j + 2] += c0 * row[j + 1] + c1 * row[j + 2] + c2 * row[j + 3] + c3 * row[j + 4]
        mean[4 * j + 3] += d0 * row[j + 1] + d1 * row[j + 2] + d2 * row[j + 3] + d3 * row[j + 4]


@njit(cache=True, nogil=True)
def combine(
    source: Floats,
    sources: Integers,
    taps: Integers,
    weights: Floats,
    clip: bool,
    segments: Integers,
    scratch: Floats,
    target: Floats,
) -> None:
    """Write the rows named by `segments` as means of resampled source planes.

    source, target: float32 flat planes. sources: int64 (m, 6), how it is resampled, its plane's offset, height and
    width, and where its tables for rows and for columns begin. taps: int64 (k, 4), source positions of a target
    position. weights: float32 (k, 4). segments: int64 (n, 7), a plane's offset, height and width, first and last + 1
    row, first and last + 1 line of `sources`. scratch: float32 (2, widest + 4).
    """
    mean, mixed = scratch[0], scratch[1]
    for s in range(segments.shape[0]):
        offset, width = segments[s, 0], segments[s, 2]
        share = ONE / np.float32(segments[s, 6] - segments[s, 5])
        for row in range(segments[s, 3], segments[s, 4]):
            mean[:width] = ZERO
            for m in range(segments[s, 5], segments[s, 6]):
                how, start, size, columns = sources[m, 0], sources[m, 1], sources[m, 3], sources[m, 5]
                tap, weight = taps[sources[m, 4] + row], weights[sources[m, 4] + row]
                if how == SAME:
                    pixels = source[start + row * size : start + (row + 1) * size]
                    for j in range(width):
                        mean[j] += pixels[j]
                elif how == NEAREST_HALF:
                    _nearest_half(source[start + tap[0] * size : start + (tap[0] + 1) * size], width, mean)
                elif how == NEAREST:
                    pixels = source[start + tap[0] * size : start + (tap[0] + 1) * size]
                    for j in range(width):
                        mean[j] += pixels[taps[columns + j, 0]]
                else:
                    _mix_rows(
                        source[start + tap[0] * size : start + (tap[0] + 1) * size],
                        source[start + tap[1] * size : start + (tap[1] + 1) * size],
                        source[start + tap[2] * size : start + (tap[2] + 1) * size],
                        source[start + tap[3] * size : start + (tap[3] + 1) * size],
                        weight,
                        size,
                        mixed,
                    )
                    if how == BICUBIC_DOUBLE:
                        _bicubic_double(mixed, weights[columns], weights[columns + 1], width, mean)
                    elif how == BICUBIC_QUADRUPLE:
                        _bicubic_quadruple(mixed, weights[columns : columns + 4], width, mean)
                    else:
                        for j in range(width):
                            c = columns + j
                            mean[j] += (
                                weights[c, 0] * mixed[taps[c, 0] + 2]
                                + weights[c, 1] * mixed[taps[c, 1] + 2]
                                + weights[c, 2] * mixed[taps[c, 2] + 2]
                                + weights[c, 3] * mixed[taps[c, 3] + 2]
                            )
            start = offset + row * width
            if clip:
                for j in range(width):
                    target[start + j] = min(ONE, max(ZERO, mean[j] * share))
            else:
                for j in range(width):
                    target[start + j] = mean[j] * share
