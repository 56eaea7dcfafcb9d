"""Reverse adversarial perturbations: the whole of MDDA on an image, over the kernels."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image, whole_planes
from edge_mdda.errors import ImageError, ParameterError
from edge_mdda.kernels import mdda
from edge_mdda.limits import MIN_SIDE
from edge_mdda.parameters import EDGE, Parameters
from edge_mdda.workspace import CHANNELS, Mixture, Workspace

MAX_THREADS = 64
Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])


class Purifier:
    """Purifies images with one set of parameters; a class because it keeps the workspace of the last image size.

    May be shared between threads: a lock lets one image through at a time, since one image already uses all threads.
    Memory is 128 bytes a pixel of the image for the buffers of the default scales (two, each 3 channels of float32 on
    1 + 4 + 1/4 + 1/16 times the pixels); nothing is allocated for a second image of the same size when `out` is given.

    Args:
        parameters: what to do.
        threads: how many threads work on an image, at least 1; by default the processors allowed, 4 at most. The result
            does not depend on it.
        on_stage: called with the name of each stage that was finished, to measure them: load, then block for each
            block (resampling, averaging, noise and denoising in one), then aggregate, fuse and store. It must not call
            `purify`, which is not done yet.

    Raises:
        ParameterError: `threads` out of range.
    """

    def __init__(
        self,
        parameters: Parameters = EDGE,
        *,
        threads: int | None = None,
        on_stage: Callable[[str], object] = lambda stage: None,
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
        with self._lock:
            workspace = self._prepare(*pixels.shape[:2])
            planes, spare = workspace.buffers
            keys = workspace.noise_keys(seed, self.parameters.blocks)
            self._load(workspace, pixels, planes)
            self._on_stage("load")
            mixture = workspace.build
            for block in range(self.parameters.blocks):
                self._block(workspace, mixture, keys[block], planes, spare)
                planes, spare, mixture = spare, planes, workspace.aggregate
                self._on_stage("block")
            self._mix(workspace, mixture, planes, spare)
            self._on_stage("aggregate")
            self._mix(workspace, workspace.fuse, spare, planes, clip=True)
            self._on_stage("fuse")
            self._store(workspace, planes, out)
            self._on_stage("store")
        return out

    def _prepare(self, height: int, width: int) -> Workspace:
        if self._workspace is None or (self._workspace.height, self._workspace.width) != (height, width):
            self._workspace = None  # let the old buffers go before the new ones come
            self._workspace = Workspace(height, width, self.parameters, self.threads)
        return self._workspace

    def _load(self, workspace: Workspace, pixels: NDArray[Any], planes: NDArray[np.float32]) -> None:
        for plane in workspace.image_planes:
            if pixels.dtype == np.uint8:
                np.divide(pixels[..., plane.channel], np.float32(255), out=plane.of(planes))
            else:
                np.copyto(plane.of(planes), pixels[..., plane.channel])

    def _store(self, workspace: Workspace, planes: NDArray[np.float32], out: NDArray[Any]) -> None:
        for plane in workspace.image_planes:
            result = plane.of(planes)
            if out.dtype == np.uint8:
                np.multiply(result, np.float32(255), out=result)
                np.rint(result, out=result)
            np.copyto(out[..., plane.channel], result, casting="unsafe")

    def _mix(
        self,
        workspace: Workspace,
        mixture: Mixture,
        source: NDArray[np.float32],
        target: NDArray[np.float32],
        clip: bool = False,
    ) -> None:
        tables = mixture.sources, mixture.taps, mixture.weights
        self._run(
            lambda part: mdda.combine(source, *tables, clip, mixture.segments[part], workspace.rows[part, 5], target)
        )

    def _block(
        self,
        workspace: Workspace,
        mixture: Mixture,
        keys: NDArray[np.uint32],
        source: NDArray[np.float32],
        target: NDArray[np.float32],
    ) -> None:
        """Bring all scales together, diffuse, denoise and project them: eq. 14, then eq. 8 to 12."""
        parameters = self.parameters
        if parameters.channels == "joint" or parameters.solver == "split-bregman":
            self._mix(workspace, mixture, source, target)
            self._run(
                lambda part: whole_planes.diffuse_denoise(workspace, parameters, keys, part, self.threads, target)
            )
            return
        tables = mixture.sources, mixture.taps, mixture.weights
        sigma = np.float32(parameters.standard_deviation)
        isotropic = parameters.total_variation == "isotropic"
        self._run(
            lambda part: mdda.diffuse_denoise(
                source,
                *tables,
                keys,
                sigma,
                workspace.steps,
                isotropic,
                mixture.segments[part],
                workspace.rows[part],
                target,
            )
        )

    def _run(self, work: Callable[[int], None]) -> None:
        """Call work(0) … work(threads - 1) at the same time and wait for all."""
        if self.threads == 1:
            work(0)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1, "edge-mdda")
        others = [self._pool.submit(work, part) for part in range(1, self.threads)]
        work(0)
        for other in others:
            other.result()


def purify(pixels: Pixels, parameters: Parameters = EDGE, seed: int | None = None) -> Pixels:
    """Purify one image: `Purifier(parameters).purify(pixels, seed)`. For many images keep a Purifier."""
    return Purifier(parameters).purify(pixels, seed)


def draw_seed() -> int:
    """A fresh seed from the operating system, in [0, 2^64): a seed that can be guessed hands an attacker the noise."""
    return secrets.randbits(64)


def warm_up() -> None:
    """Compile every kernel, or load it from the cache."""
    pixels = np.full((MIN_SIDE, MIN_SIDE, CHANNELS), 128, np.uint8)
    for parameters in (
        Parameters(blocks=1, iterations=1),
        Parameters(blocks=1, iterations=1, solver="split-bregman"),
        Parameters(blocks=1, iterations=1, channels="joint"),
    ):
        Purifier(parameters, threads=1).purify(pixels, seed=0)
