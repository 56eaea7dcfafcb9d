"""One block of MDDA in one pass over memory: x = mean of scales, y = x + σ n, u = D(y), clip to [0, 1] (eq. 8 to 15).

Everything works on rows. A row that enters is mixed from the planes of the block before and diffused on its way in, so
neither the aggregated scales nor the noise are ever stored. The TV denoiser is the primal-dual iteration of Chambolle
and Pock (J. Math. Imaging Vis. 40, 2011) for the ROF model, with step sizes given for each iteration
(`coefficients.steps`). An iteration needs only the rows above and below, so all iterations run as a wavefront: while
row r enters, iteration t works on row r - 1 - t, and the last iteration writes the row that leaves. The solver's state
is a ring of iterations + 2 rows, which stays in the first cache levels at every image size.

Kept, with what it brought on a Zen 3: the first iteration apart, where p = 0 and u = f need not be read or written, 5
to 12 % of the solver; rows passed by their number instead of as slices, 3 to 9 %; mixing, noise, solver and projection
in one pass instead of three, and one hash for two samples instead of two, together 21 % of `PAPER_SMALL` and 27 % of
`EDGE`; threads that meet in here instead of in a thread pool, and take pieces of a stage instead of a half of it each:
two threads are 1.5 times as fast as one for `EDGE` and 1.8 for `PAPER_SMALL`, instead of 1.1 and 1.6. One Newton step
instead of a root and a division is as fast there, at the same energy; it is for cores that divide slowly: by llvm-mca's
model of a cortex-a72, 68 cycles for 4 pixels of `_ascend` become 18.

Tried and left out: one `_ascend` that is told which iteration is the first, 5 to 20 % slower; both row loops of an
iteration fused into one, 0.9 ns a pixel instead of 0.75; three Newton steps, 0.55 ns instead of 0.39 in `_ascend`; the
dual variable kept from the block before, which holds that block's noise: twice the energy gap of p = 0 after 3 to 5
iterations.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge_mdda.kernels.meeting import meet, take

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Mixture = tuple[Integers, Integers, Floats, Integers]
ZERO, ONE = np.float32(0), np.float32(1)
TWO_LN2 = np.float32(2 * math.log(2))
TURN = np.float32(2**-32)
# Minimax polynomials (Lawson iteration): 2 ln(1 + t) / t on [0, 1], error of the product 2.8e-6; sin(πx) / x and
# cos(πx) in x² for |x| ≤ 1/2, errors 6e-7 and 7e-6. `edge_mdda.reference` restates them; the tests hold the two equal.
L0, L1, L2 = np.float32(1.99980334), np.float32(-0.99575072), np.float32(0.63529966)
L3, L4, L5 = np.float32(-0.38752338), np.float32(0.17114012), np.float32(-0.03667754)
S0, S1, S2, S3 = np.float32(3.14158202), np.float32(-5.16714279), np.float32(2.54189901), np.float32(-0.55463616)
C0, C1, C2, C3 = np.float32(0.9999933), np.float32(-4.93393801), np.float32(4.04128382), np.float32(-1.22212706)
GUESS, NEWTON = np.int32(0x5F0B3871), np.float32(1.89099034)
# How a source comes to the target's size (first column of `sources`).
SAME, NEAREST, NEAREST_HALF, BICUBIC, BICUBIC_DOUBLE, BICUBIC_QUADRUPLE = 0, 1, 2, 3, 4, 5


@njit(inline="always")
def _pair(counter: np.uint32, low: np.uint32, high: np.uint32) -> tuple[np.float32, np.float32]:
    """Two standard normal samples for a position: Box and Muller on a hash, so drawn in any order and again.

    16 bits of the hash are the radius and 16 the angle. So no sample is beyond 4.86, where one in a million should be,
    and a plane draws from 2^32 pairs. The hash is the lowbias32 mixer (C. Wellons, 2018) with the key's other half
    entered between its multiplications, so no two keys give shifted copies of each other.
    """
    h = np.uint32(counter ^ low)
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D))
    h = np.uint32((h ^ (h >> np.uint32(15))) + high)
    h = np.uint32(h * np.uint32(0x846CA68B))
    h = np.uint32(h ^ (h >> np.uint32(16)))
    # Radius: the upper 16 bits make an odd number below 2^17, so u = odd / 2^17 is exact and neither 0 nor 1.
    odd = np.float32(np.int32((h >> np.uint32(15)) | np.uint32(1)))
    bits = odd.view(np.int32)
    exponent = np.float32(np.int32(144) - (bits >> np.int32(23)))  # 127 + 17: log2 of 2^17 / 2^exponent(odd)
    t = np.float32(np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32) - ONE)
    logarithm = t * (L0 + t * (L1 + t * (L2 + t * (L3 + t * (L4 + t * L5)))))
    radius = np.float32(math.sqrt(exponent * TWO_LN2 - logarithm))
    # Angle: 15 bits are the middle of a step of [-π/2, π/2); the last one turns the cosine's sign.
    x = np.float32(np.int32((h << np.uint32(17)) | np.uint32(1 << 16))) * TURN
    q = x * x
    sine = x * (S0 + q * (S1 + q * (S2 + q * S3)))
    cosine = np.float32(C0 + q * (C1 + q * (C2 + q * C3)))
    turned = np.int32(cosine.view(np.int32) ^ np.int32((h << np.uint32(16)) & np.uint32(0x80000000))).view(np.float32)
    return radius * sine, radius * turned


@njit(cache=True, nogil=True)
def _diffuse_row(
    row: int,
    width: int,
    low: np.uint32,
    high: np.uint32,
    sigma: np.float32,
    pixels: Floats,
    scale: np.float32,
    out: Floats,
) -> None:
    """out[:width] = scale pixels + sigma n. Samples j and half a row further are a pair."""
    pairs, half = width // 2, (width + 1) // 2
    start = np.uint32(row * half)
    # Views, since LLVM does not see that `half + j` is not negative, and an index that might be is no vector loop.
    more_pixels, more = pixels[half:width], out[half:width]
    for j in range(pairs):
        first, second = _pair(np.uint32(start + np.uint32(j)), low, high)
        out[j] = scale * pixels[j] + sigma * first
        more[j] = scale * more_pixels[j] + sigma * second
    if pairs < half:
        first, second = _pair(np.uint32(start + np.uint32(pairs)), low, high)
        out[pairs] = scale * pixels[pairs] + sigma * first


@njit(cache=True, nogil=True)
def _nearest_half(row: Floats, width: int, total: Floats) -> None:
    """Halve exactly: pixel 2j + 1, nearest to the centre of pixel j (ties go up, as in PIL and INTER_NEAREST_EXACT)."""
    for j in range(width):
        total[j] += row[2 * j + 1]


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
def _bicubic_double(row: Floats, even: Floats, odd: Floats, width: int, total: Floats) -> None:
    """Horizontal half of bicubic for exactly twice the width: two sets of weights, no table of columns."""
    e0, e1, e2, e3 = even[0], even[1], even[2], even[3]
    o0, o1, o2, o3 = odd[0], odd[1], odd[2], odd[3]
    for j in range(width // 2):
        total[2 * j] += e0 * row[j] + e1 * row[j + 1] + e2 * row[j + 2] + e3 * row[j + 3]
        total[2 * j + 1] += o0 * row[j + 1] + o1 * row[j + 2] + o2 * row[j + 3] + o3 * row[j + 4]


@njit(cache=True, nogil=True)
def _bicubic_quadruple(row: Floats, weights: Floats, width: int, total: Floats) -> None:
    """The same for exactly four times the width: weights float32 (4, 4), a row for each of four target columns."""
    a0, a1, a2, a3 = weights[0, 0], weights[0, 1], weights[0, 2], weights[0, 3]
    b0, b1, b2, b3 = weights[1, 0], weights[1, 1], weights[1, 2], weights[1, 3]
    c0, c1, c2, c3 = weights[2, 0], weights[2, 1], weights[2, 2], weights[2, 3]
    d0, d1, d2, d3 = weights[3, 0], weights[3, 1], weights[3, 2], weights[3, 3]
    for j in range(width // 4):
        total[4 * j] += a0 * row[j] + a1 * row[j + 1] + a2 * row[j + 2] + a3 * row[j + 3]
        total[4 * j + 1] += b0 * row[j] + b1 * row[j + 1] + b2 * row[j + 2] + b3 * row[j + 3]
        total[4 * j + 2] += c0 * row[j + 1] + c1 * row[j + 2] + c2 * row[j + 3] + c3 * row[j + 4]
        total[4 * j + 3] += d0 * row[j + 1] + d1 * row[j + 2] + d2 * row[j + 3] + d3 * row[j + 4]


@njit(cache=True, nogil=True)
def _sum_row(
    source: Floats,
    sources: Integers,
    taps: Integers,
    weights: Floats,
    first: int,
    last: int,
    row: int,
    width: int,
    scratch: Floats,
) -> Floats:
    """A row of the sum of resampled source planes, those on the lines `first` to `last` - 1 of `sources`: (width,).

    source: float32 flat planes. sources: int64 (m, 6), how it is resampled, its plane's offset, height and width, and
    where its tables for rows and for columns begin; the plane of the target's own size, if any, first of all. taps:
    int64 (k, 4), source positions of a target position. weights: float32 (k, 4). scratch: float32 (2 or more, widest +
    4); the sum may lie in its first row.
    """
    total: Floats = scratch[0]
    mixed = scratch[1]
    if sources[first, 0] == SAME:
        start = sources[first, 1] + row * width
        own: Floats = source[start : start + width]
        if last == first + 1:
            return own
        for j in range(width):
            total[j] = own[j]
        first += 1
    else:
        total[:width] = ZERO
    for m in range(first, last):
        how, start, size, columns = sources[m, 0], sources[m, 1], sources[m, 3], sources[m, 5]
        tap, weight = taps[sources[m, 4] + row], weights[sources[m, 4] + row]
        if how == NEAREST_HALF:
            _nearest_half(source[start + tap[0] * size : start + (tap[0] + 1) * size], width, total)
        elif how == NEAREST:
            pixels = source[start + tap[0] * size : start + (tap[0] + 1) * size]
            for j in range(width):
                total[j] += pixels[taps[columns + j, 0]]
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
                _bicubic_double(mixed, weights[columns], weights[columns + 1], width, total)
            elif how == BICUBIC_QUADRUPLE:
                _bicubic_quadruple(mixed, weights[columns : columns + 4], width, total)
            else:
                for j in range(width):
                    c = columns + j
                    total[j] += (
                        weights[c, 0] * mixed[taps[c, 0] + 2]
                        + weights[c, 1] * mixed[taps[c, 1] + 2]
                        + weights[c, 2] * mixed[taps[c, 2] + 2]
                        + weights[c, 3] * mixed[taps[c, 3] + 2]
                    )
    return total


@njit(inline="always")
def _shrink(squared: np.float32) -> np.float32:
    """min(1, 1 / √squared) within 0.09 %: what brings a vector onto the unit disc.

    A step of Newton's method from a shifted exponent (Lomont, "Fast inverse square root", 2003), as y (c - squared y²),
    which starts at 0.79 / √squared and needs no factor; both constants by search over [1, 4).
    """
    bits = np.float32(squared).view(np.int32)
    y = np.float32(np.int32(GUESS - (bits >> np.int32(1))).view(np.float32))
    return min(ONE, y * (NEWTON - (squared * y) * y))


@njit(cache=True, nogil=True)
def _ascend(
    bar: Floats, px: Floats, py: Floats, row: int, below: int, step: np.float32, isotropic: bool, width: int
) -> None:
    """Dual step: p = Π(p + step ∇ū), Π onto the unit disc, or the unit square for anisotropic TV."""
    if isotropic:
        for j in range(width):
            a = px[row, j] + step * (bar[below, j] - bar[row, j])
            b = py[row, j + 1] + step * (bar[row, j + 1] - bar[row, j])
            scale = _shrink(a * a + b * b)
            px[row, j] = a * scale
            py[row, j + 1] = b * scale
    else:
        for j in range(width):
            a = px[row, j] + step * (bar[below, j] - bar[row, j])
            b = py[row, j + 1] + step * (bar[row, j + 1] - bar[row, j])
            px[row, j] = min(ONE, max(-ONE, a))
            py[row, j + 1] = min(ONE, max(-ONE, b))


@njit(cache=True, nogil=True)
def _descend(
    px: Floats,
    py: Floats,
    data: Floats,
    u: Floats,
    bar: Floats,
    row: int,
    above: int,
    keep: np.float32,
    push: np.float32,
    pull: np.float32,
    momentum: np.float32,
    first: bool,
    width: int,
) -> None:
    """Primal step: u = keep u + push div p + pull f, and ū = u + momentum (u - u before); at `first` u before is f."""
    for j in range(width):
        before = data[row, j] if first else u[row, j]
        divergence = (px[row, j] - px[above, j]) + (py[row, j + 1] - py[row, j])
        after = keep * before + push * divergence + pull * data[row, j]
        u[row, j] = after
        bar[row, j] = after + momentum * (after - before)
    bar[row, width] = bar[row, width - 1]  # zero flux: the last column's forward difference is 0


@njit(cache=True, nogil=True)
def _first_ascend(
    data: Floats, px: Floats, py: Floats, row: int, below: int, step: np.float32, isotropic: bool, width: int
) -> None:
    """`_ascend` from p = 0 and ū = f."""
    for j in range(width):
        a = step * (data[below, j] - data[row, j])
        b = step * (data[row, j + 1] - data[row, j])
        if isotropic:
            scale = _shrink(a * a + b * b)
            px[row, j] = a * scale
            py[row, j + 1] = b * scale
        else:
            px[row, j] = min(ONE, max(-ONE, a))
            py[row, j + 1] = min(ONE, max(-ONE, b))
    py[row, 0] = ZERO


@njit(cache=True, nogil=True)
def _finish(
    px: Floats,
    py: Floats,
    data: Floats,
    u: Floats,
    row: int,
    above: int,
    keep: np.float32,
    push: np.float32,
    pull: np.float32,
    first: bool,
    width: int,
    out: Floats,
) -> None:
    """The last primal step, projected to [0, 1]: nothing follows that would need u or ū."""
    for j in range(width):
        before = data[row, j] if first else u[row, j]
        divergence = (px[row, j] - px[above, j]) + (py[row, j + 1] - py[row, j])
        out[j] = min(ONE, max(ZERO, keep * before + push * divergence + pull * data[row, j]))


@njit(cache=True, nogil=True)
def diffuse_denoise(
    source: Floats,
    sources: Integers,
    taps: Integers,
    weights: Floats,
    keys: NDArray[np.uint32],
    sigma: np.float32,
    steps: Floats,
    isotropic: bool,
    segments: Integers,
    scratch: Floats,
    target: Floats,
) -> None:
    """Write the rows named by `segments`: the mean of source planes, diffused, denoised and projected.

    source, target: float32 flat planes. sources, taps, weights: the mixture, as in `_sum_row`. keys: uint32
    (planes, 2). steps: float32 (iterations, 5), dual step, keep, push, pull, momentum of each iteration. segments:
    int64 (n, 8), as in `combine`. scratch: float32 (6, iterations + 3, widest + 4).
    """
    iterations = steps.shape[0]
    depth = iterations + 2
    data, u, bar, px, py = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    px[depth, :] = ZERO  # what is above a first row
    for s in range(segments.shape[0]):
        offset, height, width = segments[s, 1], segments[s, 2], segments[s, 3]
        low, high = keys[segments[s, 0], 0], keys[segments[s, 0], 1]
        share = ONE / np.float32(segments[s, 7] - segments[s, 6])
        # Rows within `iterations` of a cut influence the rows beyond it: they are computed on both sides.
        first = max(0, segments[s, 4] - iterations)
        last = min(height, segments[s, 5] + iterations)
        for front in range(first, last + iterations):
            k = front % depth
            if front < last:
                total = _sum_row(
                    source, sources, taps, weights, segments[s, 6], segments[s, 7], front, width, scratch[5]
                )
                _diffuse_row(front, width, low, high, sigma, total, share, data[k])
                data[k, width] = data[k, width - 1]
            for t in range(iterations):
                row, below = front - 1 - t, k
                k = k - 1 if k > 0 else depth - 1
                if first <= row < last:
                    above = (k - 1 if k > 0 else depth - 1) if row > first else depth
                    below = below if row + 1 < last else k
                    step, keep, push, pull, momentum = steps[t, 0], steps[t, 1], steps[t, 2], steps[t, 3], steps[t, 4]
                    if t == 0:
                        _first_ascend(data, px, py, k, below, step, isotropic, width)
                    else:
                        _ascend(bar, px, py, k, below, step, isotropic, width)
                    if t < iterations - 1:
                        _descend(px, py, data, u, bar, k, above, keep, push, pull, momentum, t == 0, width)
                    elif segments[s, 4] <= row < segments[s, 5]:
                        start = offset + row * width
                        out = target[start : start + width]
                        _finish(px, py, data, u, k, above, keep, push, pull, t == 0, width, out)
            if iterations == 0 and segments[s, 4] <= front < segments[s, 5]:
                start = offset + front * width
                for j in range(width):
                    target[start + j] = min(ONE, max(ZERO, data[k, j]))


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

    source, target: float32 flat planes. sources, taps, weights, scratch: as in `_sum_row`. segments: int64 (n, 8), a
    plane's number, offset, height and width, first and last + 1 row, first and last + 1 line of `sources`.
    """
    for s in range(segments.shape[0]):
        offset, width, first, last = segments[s, 1], segments[s, 3], segments[s, 6], segments[s, 7]
        share = ONE / np.float32(last - first)
        for row in range(segments[s, 4], segments[s, 5]):
            total = _sum_row(source, sources, taps, weights, first, last, row, width, scratch)
            start = offset + row * width
            if clip:
                for j in range(width):
                    target[start + j] = min(ONE, max(ZERO, total[j] * share))
            else:
                for j in range(width):
                    target[start + j] = total[j] * share


@njit(cache=True, nogil=True)
def load(pixels: NDArray[Any], segments: Integers, planes: Floats) -> None:
    """Write the rows named by `segments`, planes of red, green and blue in this order, from an image.

    pixels: (height, width, 3), contiguous, uint8, or float32 in [0, 1]. segments: as in `combine`.
    """
    whole = np.float32(255) if pixels.itemsize == 1 else ONE
    for s in range(segments.shape[0]):
        channel, offset, width = segments[s, 0] % 3, segments[s, 1], segments[s, 3]
        for row in range(segments[s, 4], segments[s, 5]):
            out = planes[offset + row * width : offset + (row + 1) * width]
            for j in range(width):
                out[j] = np.float32(pixels[row, j, channel]) / whole


@njit(cache=True, nogil=True)
def store(planes: Floats, segments: Integers, pixels: NDArray[Any]) -> None:
    """The way back of `load`; uint8 is rounded to the nearest level, ties to even."""
    for s in range(segments.shape[0]):
        channel, offset, width = segments[s, 0] % 3, segments[s, 1], segments[s, 3]
        for row in range(segments[s, 4], segments[s, 5]):
            values = planes[offset + row * width : offset + (row + 1) * width]
            for j in range(width):
                if pixels.itemsize == 1:
                    pixels[row, j, channel] = np.uint8(np.rint(values[j] * np.float32(255)))
                else:
                    pixels[row, j, channel] = values[j]


@njit(cache=True, nogil=True)
def purify(
    first: int,
    last: int,
    mixtures: tuple[Mixture, Mixture, Mixture],
    keys: NDArray[np.uint32],
    sigma: np.float32,
    steps: Floats,
    isotropic: bool,
    denoise: bool,
    scratch: Floats,
    planes: Floats,
    spare: Floats,
    counters: NDArray[np.int64],
    threads: int,
) -> None:
    """Do one thread's share of the stages `first` to `last` - 1: a block for each of `keys`, then aggregate, then fuse.

    The threads meet before each stage, since its rows are made of rows of the stage before that others wrote; when a
    meeting is called off this returns at once. Stages read `planes` and write `spare`, then the other way round.

    mixtures: to build, aggregate and fuse, each sources, taps and weights, as in `_sum_row`, and segments: those of all
    threads, who take one after the other, but of fuse those of this thread. keys: uint32 (blocks, planes, 2). denoise:
    whether blocks do more than mixing. counters: as in `meeting.meet`.
    """
    blocks = keys.shape[0]
    for stage in range(first, last):
        if threads > 1 and not meet(counters, threads):
            return
        source, target = (planes, spare) if stage % 2 == 0 else (spare, planes)
        sources, taps, weights, segments = mixtures[0 if stage == 0 else 2 if stage > blocks else 1]
        piece = 0
        while True:
            # Of the fused image each thread has segments of its own, which it stores.
            number = take(counters) if threads > 1 and stage <= blocks else piece
            if number >= segments.shape[0]:
                break
            piece += 1
            rows = segments[number : number + 1]
            if denoise and stage < blocks:
                diffuse_denoise(
                    source, sources, taps, weights, keys[stage], sigma, steps, isotropic, rows, scratch, target
                )
            else:
                combine(source, sources, taps, weights, stage > blocks, rows, scratch[5], target)


@njit(cache=True, nogil=True)
def normal(low: np.uint32, high: np.uint32, out: Floats) -> None:
    """Standard normal samples of a plane, float32 (height, width): for the other solvers and for the tests."""
    nothing = np.zeros(out.shape[1], np.float32)
    for row in range(out.shape[0]):
        _diffuse_row(row, out.shape[1], low, high, ONE, nothing, ONE, out[row])
