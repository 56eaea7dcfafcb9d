"""Labelled dermoscopic images for training and measuring: of the eight classes, by split."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image, labelled

# The layouts are the package's: `edge-mdda batch` reads them too.
from edge_mdda.labelled import ISIC_2019 as ISIC_2019
from edge_mdda.labelled import Sample as Sample

#: ISIC 2019 column order. The order of a trained model's outputs is read from its own label file, never from here.
CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
#: ISIC 2019's column of what is none of them: nothing to train or score.
UNKNOWN = "UNK"
SPLITS = ("train", "val", "test", "external")


def read(folder: Path) -> list[Sample]:
    """List the labelled images of a data set's folder (`edge_mdda.labelled.read`), in the order of its label file.

    Raises:
        FileNotFoundError: the folder has neither layout.
        ValueError: a label or split is unknown.
    """
    samples = [sample for sample in labelled.read(folder) if sample.label != UNKNOWN]
    for sample in samples:
        if sample.label not in CLASSES or sample.split not in SPLITS:
            raise ValueError(
                f"expected a known label and split in the label file, got {sample.label!r}, {sample.split!r}"
            )
    return samples


def select(samples: Iterable[Sample], split: str) -> list[Sample]:
    """The samples of one split; ValueError for an unknown split or one without images."""
    if split not in SPLITS:
        raise ValueError(f"expected a split out of {', '.join(SPLITS)}, got {split!r}")
    chosen = [sample for sample in samples if sample.split == split]
    if not chosen:
        raise ValueError(f"expected images in split {split!r}, got none")
    return chosen


def load(samples: list[Sample], side: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Decode samples through the package's own pixel gate: uint8 RGB (N, side, side, 3) and class indices (N,)."""
    pixels = np.empty((len(samples), side, side, 3), np.uint8)
    for row, sample in zip(pixels, samples, strict=True):
        row[:] = image.fit(image.decode(sample.path.read_bytes()), side, side)
    return pixels, np.array([CLASSES.index(sample.label) for sample in samples])
