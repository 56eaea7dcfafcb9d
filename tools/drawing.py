"""Draw a small dermoscopic-looking image: skin, a pigmented lesion, hairs, the dermatoscope's vignette.

Nothing of a photograph is in it, so a drawn image is free of licence and of patients. It is for demonstrations and
tests; no class is meant, and what a classifier says about it has no medical meaning.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

FINENESS = 2  # drawn this many times larger, then averaged down: smooth edges without a thought about them

# RGB in [0, 1], by eye from published dermoscopic images.
SKIN = np.array([0.87, 0.68, 0.61], np.float32)
BLOOD = np.array([-0.02, -0.10, -0.08], np.float32)  # what redder skin adds
LIGHT_BROWN = np.array([0.64, 0.42, 0.31], np.float32)
DARK_BROWN = np.array([0.25, 0.14, 0.12], np.float32)
BLUE_GREY = np.array([0.42, 0.40, 0.45], np.float32)
HAIR = np.array([0.20, 0.13, 0.10], np.float32)


def draw(seed: int, side: int = 224) -> NDArray[np.uint8]:
    """One drawing, the same for the same seed: uint8 RGB (side, side, 3), a lesion in the middle of skin."""
    random = np.random.default_rng(seed)
    size = side * FINENESS
    skin = _skin(random, size)
    inside = _lesion(random, size)
    picture = skin + inside[..., None] * (_pigment(random, inside) - skin)
    picture = hairs(random, picture, int(random.integers(2, 7))) * _vignette(random, size)[..., None]
    picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    picture += random.normal(0, 0.006, picture.shape)  # the sensor's grain
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _clouds(random: np.random.Generator, size: int, coarsest: float, octaves: int = 4) -> Plane:
    """Fractal noise of mean 0 and standard deviation 1 whose largest features span `coarsest` of the picture."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        cells = min(size, max(2, round(2**octave / coarsest)))
        noise = random.standard_normal((cells + 3, cells + 3)).astype(np.float32)
        # Enlarged with a margin that is cut off: at a border the interpolation has nothing to look at.
        margin = size // cells
        smooth = cv2.resize(noise, (size + 2 * margin, size + 2 * margin), interpolation=cv2.INTER_CUBIC)
        total += 0.55**octave * smooth[margin : margin + size, margin : margin + size]
    return (total - total.mean()) / total.std()


def _step(values: Plane) -> Plane:
    """Smooth step from 0 to 1, at one half where the value is 0."""
    return (1 / (1 + np.exp(-np.clip(values, -30, 30)))).astype(np.float32)


def _mesh(random: np.random.Generator, size: int, cell: float) -> Plane:
    """Lines of a honeycomb with irregular cells of about `cell` pixels: 0 inside the cells, up to 1 on the lines."""
    seeds = np.full((size, size), 255, np.uint8)
    grid = np.stack(np.mgrid[0:size:cell, 0:size:cell], axis=-1).reshape(-1, 2)
    points = np.clip(grid + random.uniform(0, 0.85 * cell, grid.shape), 0, size - 1).astype(int)
    seeds[points[:, 0], points[:, 1]] = 0
    _, cells = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    lines = np.zeros((size, size), np.float32)
    lines[:-1] += cells[:-1] != cells[1:]
    lines[:, :-1] += cells[:, :-1] != cells[:, 1:]
    lines = cv2.GaussianBlur(np.minimum(lines, 1), (0, 0), cell / 7)
    return lines / lines.max()


def _skin(random: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Pale to pink skin: uneven blood, fine furrows, a few small freckles. Float32 (size, size, 3)."""
    base = SKIN + random.uniform(-0.05, 0.05) + random.uniform(-0.025, 0.025, 3)
    blood = 0.35 * _clouds(random, size, 0.5) + 0.2 * _clouds(random, size, 0.06)
    light = 0.018 * _clouds(random, size, 0.7) + 0.012 * _clouds(random, size, 0.03)
    furrows = 0.02 * _mesh(random, size, size / 38)
    freckles = 0.09 * _step(4 * (_clouds(random, size, 0.06, octaves=3) - 2.6))
    return (base + blood[..., None] * BLOOD + (light - furrows - freckles)[..., None]).astype(np.float32)


def _lesion(random: np.random.Generator, size: int) -> Plane:
    """Where the lesion is: 1 inside, 0 outside, with an uneven border that is sharp here and blurred there."""
    y, x = (np.mgrid[:size, :size] / size - 0.5).astype(np.float32)
    x, y = x - random.uniform(-0.05, 0.05), y - random.uniform(-0.05, 0.05)
    angle, stretch = random.uniform(0, np.pi), random.uniform(1.05, 1.4)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    distance = np.hypot(along / stretch, across * stretch)
    turn = np.arctan2(y, x)
    radius = np.full_like(turn, random.uniform(0.2, 0.27))
    for lobes in range(2, 7):
        radius *= 1 + random.normal(0, 0.16 / lobes) * np.cos(lobes * turn + random.uniform(0, 2 * np.pi))
    radius += 0.018 * _clouds(random, size, 0.12)
    sharpness = 55 * np.exp(0.45 * _clouds(random, size, 0.6, octaves=2))
    return _step(sharpness * (radius - distance))


def _pigment(random: np.random.Generator, inside: Plane) -> NDArray[np.float32]:
    """Colours of the lesion: light to dark brown in blotches, a pigment network, dots, some blue-grey."""
    size = len(inside)
    depth = cv2.GaussianBlur(inside, (0, 0), size / 14)  # rises from the border to the middle
    amount = _step(1.1 * _clouds(random, size, 0.22) + 3.0 * (depth - 0.65) + random.uniform(-0.5, 0.3))
    network = _mesh(random, size, size / random.uniform(34, 44)) * _step(2 * _clouds(random, size, 0.3) + 0.5)
    dots = _step(6 * (_clouds(random, size, 0.035, octaves=2) - 1.9))
    amount = np.clip(0.78 * amount + 0.42 * network + 0.35 * dots + 0.05 * _clouds(random, size, 0.03), 0, 1.1)
    colours = LIGHT_BROWN + amount[..., None] * (DARK_BROWN - LIGHT_BROWN)
    veil = 0.45 * _step(3 * (_clouds(random, size, 0.3, octaves=2) - 1.2)) * depth
    return (colours + veil[..., None] * (BLUE_GREY - colours)).astype(np.float32)


def hairs(random: np.random.Generator, picture: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Lay thin dark hairs, each a bent line across the picture, over it: float32 (size, size, 3) in [0, 1]."""
    size = len(picture)
    cover = np.zeros((size, size), np.float32)
    for _ in range(count):
        start, bend, end = random.uniform(-0.1, 1.1, (3, 2)) * size
        bend = (start + end) / 2 + 0.5 * (bend - size / 2)
        t = np.linspace(0, 1, 40)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        hair = np.zeros((size, size), np.uint8)
        thickness = int(random.integers(FINENESS, 2 * FINENESS))
        cv2.polylines(hair, [np.rint(curve * 16).astype(np.int32)], False, 255, thickness, cv2.LINE_AA, shift=4)
        cover = np.maximum(cover, random.uniform(0.5, 0.85) / 255 * hair.astype(np.float32))
    return picture + cv2.GaussianBlur(cover, (0, 0), 0.6)[..., None] * (HAIR - picture)


def _vignette(random: np.random.Generator, size: int) -> Plane:
    """Light of the dermatoscope: full in the middle, dark only in the corners."""
    y, x = (np.mgrid[:size, :size] / size - 0.5).astype(np.float32)
    distance = np.hypot(x - random.uniform(-0.03, 0.03), y - random.uniform(-0.03, 0.03))
    return (1 - 0.22 * distance**2 / 0.5) * _step(38 * (random.uniform(0.62, 0.68) - distance))
