"""How far the TV kernel is from what this machine's core can do: peak rates, measured in the same run, and its share.

One iteration of `kernels.mdda` on one pixel takes `OPERATIONS` operations on 32-bit lanes, and `BYTES` read from or
written to the ring of rows. Whichever of the units doing these would be busy longest bounds the time (Williams,
Waterman, Patterson, "Roofline", CACM 2009). The peaks are those of loops that Numba compiles, as it does the kernel,
not the data sheet's. An operation counts as half a fused multiply-add. The kernel fuses none, since that would change
its bits from machine to machine, so where additions and multiplications share their units it can reach half of this
bound at most. The rate of a root and a division is there to show what an exact projection would cost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge_mdda import Parameters
from edge_mdda.kernels import mdda
from edge_mdda.workspace import Workspace

Floats = NDArray[np.float32]
HALF, ONE = np.float32(0.5), np.float32(1)
# Of `_ascend` and `_descend` together, for each pixel: additions, multiplications, a shift and a minimum (18 + 11), and
# float32 values loaded (5 + 6) and stored (2 + 2).
OPERATIONS = 29
BYTES = 15 * 4
SIDE, ITERATIONS = 448, (4, 10)  # the largest planes of a 224 × 224 image; two counts, whose difference is iterations
REPEATS = 15
CHAINS = 32  # dependent multiply-adds on each value of the FMA loop
TWO_THREADS = "two threads of multiply-adds against one"


# Each loop goes `times` over its values, so that the call itself does not count.
@njit(nogil=True, fastmath={"contract"})
def _multiply_add(row: Floats, scale: np.float32, shift: np.float32, times: int) -> None:
    part = len(row) // 4
    for _ in range(times):
        for j in range(part):
            # Four chains, so that none waits for the one before it; with eight LLVM gives up vectors.
            a, b, c, d = row[j], row[part + j], row[2 * part + j], row[3 * part + j]
            for _ in range(CHAINS):
                a, b, c, d = a * scale + shift, b * scale + shift, c * scale + shift, d * scale + shift
            row[j] = a + b + c + d


@njit(nogil=True)
def _root(row: Floats, out: Floats, times: int) -> None:
    for _ in range(times):
        for j in range(len(row)):
            out[j] = ONE / max(ONE, math.sqrt(row[j]))


@njit(nogil=True)
def _move(a: Floats, b: Floats, c: Floats, out: Floats, times: int) -> None:
    for _ in range(times):
        for j in range(len(out)):
            out[j] = (a[j] + b[j]) + c[j]


def fastest(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Nanoseconds of the fastest of some calls: a peak is what the machine does when nobody disturbs it."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return float(min(times[1:]))


def scaling(repeats: int = REPEATS) -> float:
    """How much more two threads do than one where nothing is shared but the machine: the ceiling of two threads."""
    rows = np.ones((2, 2048), np.float32)

    def work(row: Floats) -> None:
        _multiply_add(row, HALF, ONE, 3000)

    quotients = []
    with ThreadPoolExecutor(len(rows)) as pool:
        for _ in range(repeats + 1):
            start = time.perf_counter_ns()
            work(rows[0])
            alone = time.perf_counter_ns() - start
            start = time.perf_counter_ns()
            list(pool.map(work, rows))
            quotients.append(2 * alone / (time.perf_counter_ns() - start))
    return float(np.median(quotients[1:]))


def measure() -> dict[str, float]:
    """Peaks of this machine, nanoseconds of the kernels with one thread, and the share of the roofline."""
    random = np.random.default_rng(0)
    near, chained, out = random.random((3, 2048), np.float32)  # they stay in the first cache
    streams = list(random.random((4, 512), np.float32))
    times = 1000
    count = times * near.size
    multiply_add = fastest(lambda: _multiply_add(chained, HALF, ONE, times)) / (count * CHAINS)
    root = fastest(lambda: _root(near, out, times)) / count
    move = fastest(lambda: _move(*streams, times)) / (count * 4)

    def denoise(iterations: int) -> float:
        workspace = Workspace(SIDE, SIDE, Parameters(scales=(0,), iterations=iterations), threads=1)
        source, target = workspace.buffers
        source[:] = random.random(source.size, np.float32)
        jobs = workspace.aggregate
        tables = source, jobs.sources, jobs.taps, jobs.weights, workspace.noise_keys(1, 1)[0], np.float32(0)
        numbers = workspace.steps, True, jobs.segments[0], workspace.rows[0], target
        return fastest(lambda: mdda.diffuse_denoise(*tables, *numbers)) / source.size

    few, many = ITERATIONS
    iteration = (denoise(many) - denoise(few)) / (many - few)
    samples = np.empty((SIDE, SIDE), np.float32)
    noise = fastest(lambda: mdda.normal(np.uint32(1), np.uint32(2), samples)) / samples.size
    bounds = {"operations": OPERATIONS * multiply_add / 2, "bytes": BYTES * move}
    return {
        "multiply-add, ns each": multiply_add,
        "root and division, ns each pair": root,
        "loads and stores, GB/s": 1 / move,
        **{f"bound by {name}, ns a pixel and iteration": bound for name, bound in bounds.items()},
        "TV kernel, ns a pixel and iteration": iteration,
        "TV kernel, percent of the roofline": 100 * max(bounds.values()) / iteration,
        "noise, ns a sample": noise,
        TWO_THREADS: scaling(),
    }
