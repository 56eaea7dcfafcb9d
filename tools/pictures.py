"""Images of a folder for calibration or comparison: a labelled data set's split, or all the images of any folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image, sources
from tools import dataset

# Rare classes are drawn more often than they occur, as in training: (images of the class) ** -power.
BALANCE_POWER = 0.5


@dataclass(frozen=True)
class Pictures:
    """Images of one size, uint8 RGB (N, H, W, 3), and a class code of each, or None where nobody knows."""

    pixels: NDArray[np.uint8]
    labels: tuple[str, ...] | None


def load(folder: Path, split: str, height: int, width: int, count: int | None = None, seed: int = 1) -> Pictures:
    """Load images through the package's own pixel gate.

    Args:
        folder: a data set as `tools.dataset` reads it, or any folder of images.
        split: of a data set; a folder without labels has none.
        count: how many to draw without replacement; all when it is not given or there are fewer.
        seed: of that draw.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it holds no images.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of images, got {folder}")
    try:
        samples = dataset.select(dataset.read(folder), split)
    except FileNotFoundError:
        samples = None
    if samples is not None:
        samples = samples if count is None else choose(samples, count, seed)
        return Pictures(
            decode([sample.path for sample in samples], height, width), tuple(sample.label for sample in samples)
        )
    files = [Path(found) for found in sources.find(str(folder))]
    if count is not None and count < len(files):
        drawn = np.random.default_rng(seed).choice(len(files), count, replace=False)
        files = [files[position] for position in sorted(drawn)]
    return Pictures(decode(files, height, width), None)


def choose(samples: list[dataset.Sample], count: int, seed: int) -> list[dataset.Sample]:
    """Draw samples without replacement, rare classes more often than they occur; all if there are few."""
    labels = np.array([dataset.CLASSES.index(sample.label) for sample in samples])
    weights = np.bincount(labels).astype(float)[labels] ** -BALANCE_POWER
    random = np.random.default_rng(seed)
    drawn = random.choice(len(samples), min(count, len(samples)), replace=False, p=weights / weights.sum())
    return [samples[position] for position in drawn]


def decode(files: list[Path], height: int, width: int) -> NDArray[np.uint8]:
    """Decode image files, squashed to a size: uint8 RGB (N, height, width, 3)."""
    pixels = np.empty((len(files), height, width, 3), np.uint8)
    for row, file in zip(pixels, files, strict=True):
        row[:] = image.fit(image.decode(file.read_bytes()), height, width)
    return pixels
