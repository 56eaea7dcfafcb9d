"""Reverse adversarial perturbations: the whole of MDDA on an image, over the kernels."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image, kernel_cache, whole_planes
from edge_mdda.errors import ImageError, ParameterError
from edge_mdda.kernels import mdda, meeting
from edge_mdda.limits import MIN_SIDE
from edge_mdda.parameters import EDGE, Parameters
from edge_mdda.workspace import CHANNELS, Workspace

MAX_THREADS = 64
Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])


class Purifier:
    """Purifies images with one set of parameters; a class because it keeps the workspace of the last image size.

    May be shared between threads: a lock lets one image through at a time, since one image already uses all threads.
    Memory is 128 bytes a pixel of the image for the buffers of the default scales (two, each 3 channels of float32 on
    1 + 4 + 1/4 + 1/16 times the pixels); nothing is allocated for a second image of the same size when `out` is given
    and both are contiguous.

    Args:
        parameters: what to do.
        threads: how many threads work on an image, at least 1; by default the processors allowed, 4 at most. The result
            does not depend on it.
        on_stage: called with the name of each stage that was finished, to measure them: load, then block for each
            block (resampling, averaging, noise and denoising in one), then aggregate, fuse and store. It must not call
            `purify`, which is not done yet. With it the threads part after each stage, which costs them some time.

    Raises:
        ParameterError: `threads` out of range.
    """

    def __init__(
        self,
        parameters: Parameters = EDGE,
        *,
        threads: int | None = None,
        on_stage: Callable[[str], object] | None = None,
    ):
        if threads is None:
            threads = min(4, len(os.sched_getaffinity(0)))
        if not 1 <= threads <= MAX_THREADS:
            raise ParameterError(f"expected threads in [1, {MAX_THREADS}], got {threads}")
        self.parameters = parameters
        self.threads = threads
        self._on_stage = on_stage
        self._lock = threading.Lock()
        self._workspace: Workspace | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._counters = np.zeros(meeting.SIZE, np.int64)
        #: Whether a block is one pass of the kernel; otherwise the kernel only mixes the scales.
        self._blocks_in_kernel = parameters.channels != "joint" and parameters.solver != "split-bregman"

    def purify(self, pixels: Pixels, seed: int | None = None, out: Pixels | None = None) -> Pixels:
        """Purify one image.

        Args:
            pixels: RGB (H, W, 3), uint8, or float32 in [0, 1]; sides of at least 32.
            seed: of the noise, in [0, 2^64); by default fresh from the operating system. The same seed gives the same
                bits, whatever the machine and the number of threads.
            out: array of the same shape and dtype to write into and return.

        Returns:
            The purified image, of the same shape and dtype.

        Raises:
            ImageError: `pixels` or `out` has the wrong type, dtype, shape or range.
            ParameterError: `seed` is out of range.
        """
        image.check(pixels)
        if seed is None:
            seed = draw_seed()
        if not 0 <= seed < 2**64:
            raise ParameterError(f"expected a seed in [0, 2^64), got {seed}")
        if out is None:
            out = np.empty_like(pixels)
        elif out.shape != pixels.shape or out.dtype != pixels.dtype:
            raise ImageError(f"expected out as {pixels.dtype} {pixels.shape}, got {out.dtype} {out.shape}")
        contiguous = np.ascontiguousarray(pixels)
        result = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        with self._lock:
            workspace = self._prepare(*pixels.shape[:2])
            try:
                self._purify(workspace, contiguous, seed, result)
            except kernel_cache.DAMAGED:
                kernel_cache.forget()
                self._purify(workspace, contiguous, seed, result)
        if result is not out:
            out[:] = result
        return out

    def _prepare(self, height: int, width: int) -> Workspace:
        if self._workspace is None or (self._workspace.height, self._workspace.width) != (height, width):
            self._workspace = None  # let the old buffers go before the new ones come
            self._workspace = Workspace(height, width, self.parameters, self.threads)
        return self._workspace

    def _purify(self, workspace: Workspace, pixels: NDArray[Any], seed: int, out: NDArray[Any]) -> None:
        """All stages: in one go, or one by one where each is to be measured, or where blocks are not the kernel's."""
        blocks = self.parameters.blocks
        keys = workspace.noise_keys(seed, blocks)
        names = ("load", *("block",) * blocks, "aggregate", "fuse", "store")
        if self._on_stage is None and self._blocks_in_kernel:
            spans = [(0, len(names))]
        else:
            spans = [(stage, stage + 1) for stage in range(len(names))]
        for first, last in spans:
            self._run(lambda part: self._stages(workspace, first, last, keys, pixels, out, part))  # noqa: B023
            if names[first] == "block" and not self._blocks_in_kernel:
                self._denoise(workspace, keys[first - 1], workspace.buffers[first % 2])
            if self._on_stage is not None:
                self._on_stage(names[first])

    def _stages(
        self,
        workspace: Workspace,
        first: int,
        last: int,
        keys: NDArray[np.uint32],
        pixels: NDArray[Any],
        out: NDArray[Any],
        part: int,
    ) -> None:
        """One thread's share of the stages `first` to `last` - 1: load, blocks, aggregate, fuse, store."""
        parameters, blocks = self.parameters, len(keys)
        own = workspace.fuse.segments[part]
        if first == 0:
            mdda.load(pixels, own, workspace.buffers[0])
        a, b = max(first, 1) - 1, min(last, blocks + 3) - 1
        if a < b:
            mdda.purify(
                a,
                b,
                (workspace.build.tables(part), workspace.aggregate.tables(part), workspace.fuse.tables(part)),
                keys,
                np.float32(parameters.standard_deviation),
                workspace.steps,
                parameters.total_variation == "isotropic",
                self._blocks_in_kernel,
                workspace.rows[part],
                *workspace.buffers,
                self._counters,
                self.threads,
            )
        if last == blocks + 4:
            # What a thread stores it fused itself.
            mdda.store(workspace.buffers[blocks % 2], own, out)

    def _denoise(self, workspace: Workspace, keys: NDArray[np.uint32], planes: NDArray[np.float32]) -> None:
        """Diffuse, denoise and project mixed scales with an optional solver."""
        self._run(
            lambda part: whole_planes.diffuse_denoise(workspace, self.parameters, keys, part, self.threads, planes)
        )

    def _run(self, work: Callable[[int], None]) -> None:
        """Call work(0) … work(threads - 1) at the same time and wait for all; they may meet in the kernel."""
        if self.threads == 1:
            work(0)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1, "edge-mdda")
        counters = self._counters

        def attend(part: int) -> None:
            try:
                work(part)
            except BaseException:
                counters[meeting.OVER] = meeting.CALLED_OFF
                raise

        others: list[Future[None]] = []
        try:
            others += (self._pool.submit(attend, part) for part in range(1, self.threads))
            work(0)
        except BaseException:
            # An interrupt may come between two lines: whoever waits for this thread is to be let go.
            counters[meeting.OVER] = meeting.CALLED_OFF
            raise
        finally:
            wait(others)
            if counters[meeting.OVER] < 0:
                self._counters = np.zeros(meeting.SIZE, np.int64)
        for other in others:
            other.result()


def purify(pixels: Pixels, parameters: Parameters = EDGE, seed: int | None = None) -> Pixels:
    """Purify one image: `Purifier(parameters).purify(pixels, seed)`. For many images keep a Purifier."""
    return Purifier(parameters).purify(pixels, seed)


def draw_seed() -> int:
    """A fresh seed from the operating system, in [0, 2^64): a seed that can be guessed hands an attacker the noise."""
    return secrets.randbits(64)


def warm_up() -> None:
    """Compile every kernel, or load it from the cache, which a power cut then leaves whole."""
    pixels = np.full((MIN_SIDE, MIN_SIDE, CHANNELS), 128, np.uint8)
    for parameters in (
        Parameters(blocks=1, iterations=1),
        Parameters(blocks=1, iterations=1, solver="split-bregman"),
        Parameters(blocks=1, iterations=1, channels="joint"),
    ):
        Purifier(parameters, threads=1).purify(pixels, seed=0)
    Purifier(Parameters(blocks=0), threads=1).purify(np.zeros(pixels.shape, np.float32), seed=0)
    kernel_cache.settle()
