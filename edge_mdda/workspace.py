"""Everything one purification needs, allocated once: buffers, tables, and each thread's share of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_mdda import coefficients
from edge_mdda.kernels import mdda
from edge_mdda.parameters import Parameters

CHANNELS = 3
# What a row takes beside its pixels, in pixels: 170 in a block of PAPER_SMALL, 110 in one of EDGE (Zen 3).
ROW_OVERHEAD = 128
#: Of work for a thread, about.
PIECES = 4
Table = NDArray[np.int64]


@dataclass(frozen=True)
class Plane:
    """One channel of one pyramid level, and where it lies in the flat buffers."""

    scale: int
    channel: int
    offset: int
    height: int
    width: int

    def of(self, buffer: NDArray[np.float32]) -> NDArray[np.float32]:
        return buffer[self.offset : self.offset + self.height * self.width].reshape(self.height, self.width)


#: Rows of a plane: the first, and the last + 1.
Rows = tuple[Plane, int, int]


@dataclass(frozen=True)
class Mixture:
    """Target planes as means of source planes: tables for all, and tables of segments, rows to write.

    Of segments there is one table for all threads, or one for each.
    """

    sources: Table
    taps: Table
    weights: NDArray[np.float32]
    segments: list[Table]

    def tables(self, part: int) -> mdda.Mixture:
        """What the kernels take, for one thread."""
        return self.sources, self.taps, self.weights, self.segments[part % len(self.segments)]


class Workspace:
    """Buffers and job tables for one image size; a class because a Purifier reuses all of it for every image.

    Attributes:
        planes: all levels' channels, in the order of the buffers.
        buffers: two of float32, flat, one plane after the other: what a block reads and what it writes.
        build, aggregate, fuse: all planes from the image's, all planes from those of the near scales, the image's
            planes from all scales.
        rows: for each thread, the kernels' scratch.
    """

    def __init__(self, height: int, width: int, parameters: Parameters, threads: int):
        self.height, self.width = height, width
        self.planes = list(_planes(height, width, parameters.scales))
        self._coordinates = np.array([(plane.scale, plane.channel) for plane in self.planes]).T
        size = sum(plane.height * plane.width for plane in self.planes)
        self.buffers = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.steps = coefficients.steps(parameters.weight, parameters.iterations, parameters.step_sizes)
        widest = max(plane.width for plane in self.planes)
        self.rows = np.zeros((threads, 6, len(self.steps) + 3, widest + 4), np.float32)

        self.image_planes = [plane for plane in self.planes if plane.scale == 0]
        near = (-1, 0, 1) if parameters.own_scale else (-1, 1)
        cut = [pieces(self.planes, threads)]
        self.build = self._mixture(cut, lambda target, source: source.scale == 0)
        self.aggregate = self._mixture(cut, lambda target, s: s.scale - target.scale in near)
        self.fuse = self._mixture(share(self.image_planes, threads), lambda target, source: True)

    def noise_keys(self, seed: int, blocks: int) -> NDArray[np.uint32]:
        """Keys of the planes' noise in each block: uint32 (blocks, planes, 2)."""
        return coefficients.noise_keys(seed, np.arange(blocks), *self._coordinates)

    def _mixture(self, parts: list[list[Rows]], wanted: Callable[[Plane, Plane], bool]) -> Mixture:
        tables = _Tables()
        lines: dict[Plane, tuple[int, int]] = {}
        for target in dict.fromkeys(plane for part in parts for plane, _, _ in part):
            start = len(tables.sources)
            # The plane of the target's own size first: the kernel starts with it.
            for source in sorted(self.planes, key=lambda plane: plane.scale != target.scale):
                if source.channel == target.channel and wanted(target, source):
                    tables.add(source, target)
            lines[target] = (start, len(tables.sources))
        segments = [
            _table(
                [
                    (self.planes.index(p), p.offset, p.height, p.width, first, last, *lines[p])
                    for p, first, last in part
                ],
                8,
            )
            for part in parts
        ]
        return Mixture(_table(tables.sources, 6), *tables.stacked(), segments)


class _Tables:
    """Collects the sources of a mixture, and each pair of sizes' taps and weights once."""

    def __init__(self) -> None:
        self.sources: list[tuple[int, ...]] = []
        self._taps: list[Table] = [np.zeros((1, 4), np.int64)]
        self._weights: list[NDArray[np.float32]] = [np.zeros((1, 4), np.float32)]
        self._places: dict[tuple[int, int], int] = {}
        self._length = 1

    def add(self, source: Plane, target: Plane) -> None:
        rows = self._place(source.height, target.height)
        columns = self._place(source.width, target.width)
        self.sources.append((_how(source, target), source.offset, source.height, source.width, rows, columns))

    def stacked(self) -> tuple[Table, NDArray[np.float32]]:
        return np.concatenate(self._taps), np.concatenate(self._weights)

    def _place(self, source: int, target: int) -> int:
        if (source, target) not in self._places:
            if source < target:
                taps, weights = coefficients.bicubic_taps(source, target)
            else:
                taps = np.repeat(coefficients.nearest_taps(source, target)[:, None], 4, axis=1)
                weights = np.zeros(taps.shape, np.float32)
            self._places[source, target] = self._length
            self._length += len(taps)
            self._taps.append(taps)
            self._weights.append(weights)
        return self._places[source, target]


def pieces(planes: list[Plane], threads: int) -> list[Rows]:
    """Cut the rows of planes into pieces for threads that take one after the other, the largest first.

    A thread that another program holds up takes fewer. Each cut costs a block twice its iterations in rows.
    """
    work = [plane.height * (plane.width + ROW_OVERHEAD) for plane in planes]
    largest = sum(work) / (PIECES * threads)
    cut: list[tuple[float, Rows]] = []
    for plane, all_of_it in zip(planes, work, strict=True):
        count = 1 if threads == 1 else max(1, round(all_of_it / largest))
        edges = [plane.height * k // count for k in range(count + 1)]
        cut += [(all_of_it / count, (plane, first, last)) for first, last in pairwise(edges)]
    return [rows for _, rows in sorted(cut, key=lambda each: -each[0])]


def share(planes: list[Plane], threads: int) -> list[list[Rows]]:
    """Cut the rows of planes into one run of equal work a thread."""
    work = [plane.width + ROW_OVERHEAD for plane in planes]  # of a row
    total = sum(plane.height * row for plane, row in zip(planes, work, strict=True))
    cuts = [total * k / threads for k in range(threads + 1)]
    parts: list[list[Rows]] = [[] for _ in range(threads)]
    done = 0
    for plane, row in zip(planes, work, strict=True):
        rows = [min(plane.height, max(0, round((cut - done) / row))) for cut in cuts]
        for part, first, last in zip(parts, rows, rows[1:], strict=False):
            if first < last:
                part.append((plane, first, last))
        done += plane.height * row
    return parts


def _planes(height: int, width: int, scales: tuple[int, ...]) -> Iterator[Plane]:
    offset = 0
    for scale in scales:
        rows, columns = coefficients.level_size(height, scale), coefficients.level_size(width, scale)
        for channel in range(CHANNELS):
            yield Plane(scale, channel, offset, rows, columns)
            offset += rows * columns


def _how(source: Plane, target: Plane) -> int:
    if source.scale == target.scale:
        return mdda.SAME
    if source.scale > target.scale:
        return mdda.NEAREST_HALF if source.width == 2 * target.width else mdda.NEAREST
    ratio = target.width / source.width
    return {2.0: mdda.BICUBIC_DOUBLE, 4.0: mdda.BICUBIC_QUADRUPLE}.get(ratio, mdda.BICUBIC)


def _table(rows: list[tuple[int, ...]], columns: int) -> Table:
    return np.array(rows, np.int64).reshape(len(rows), columns)
