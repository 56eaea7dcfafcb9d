"""Labelled dermoscopic images on disk: this project's `labels.csv` layout and the official ISIC 2019 layout."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image

#: ISIC 2019 column order. The order of a trained model's outputs is read from its own label file, never from here.
CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
SPLITS = ("train", "val", "test", "external")
ISIC_2019 = {
    "images": "ISIC_2019_Training_Input",
    "labels": "ISIC_2019_Training_GroundTruth.csv",
    "metadata": "ISIC_2019_Training_Metadata.csv",
}


@dataclass(frozen=True)
class Sample:
    """One labelled image: its file, class code, and split."""

    path: Path
    label: str
    split: str


def read(folder: Path) -> list[Sample]:
    """List the labelled images of a data set's folder, in the order of its label file.

    Reads `labels.csv` + `images/` (fixed splits), or the official ISIC 2019 training layout, which has no splits: there
    every lesion falls into train, val or test (80/10/10) by a hash of its lesion id, so no lesion is cut.

    Raises:
        FileNotFoundError: the folder has neither layout.
        ValueError: a label or split is unknown.
    """
    if (folder / "labels.csv").is_file():
        return _read_splits(folder)
    if (folder / ISIC_2019["labels"]).is_file():
        return _read_isic_2019(folder)
    raise FileNotFoundError(f"expected labels.csv or {ISIC_2019['labels']} in {folder}, got neither")


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


def _read_splits(folder: Path) -> list[Sample]:
    samples = []
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["label"] not in CLASSES or row["split"] not in SPLITS:
                found = f"{row['label']!r}, {row['split']!r}"
                raise ValueError(f"expected a known label and split in labels.csv, got {found}")
            samples.append(Sample(folder / "images" / f"{row['image']}.jpg", row["label"], row["split"]))
    return samples


def _read_isic_2019(folder: Path) -> list[Sample]:
    with (folder / ISIC_2019["metadata"]).open(newline="") as file:
        lesions = {row["image"]: row.get("lesion_id") or row["image"] for row in csv.DictReader(file)}
    samples = []
    with (folder / ISIC_2019["labels"]).open(newline="") as file:
        for row in csv.DictReader(file):
            present = [label for label in (*CLASSES, "UNK") if float(row.get(label) or 0) == 1]
            if len(present) != 1:
                raise ValueError(f"expected one class for {row['image']}, got {present}")
            if present == ["UNK"]:  # outside the eight classes: nothing to train or score
                continue
            lesion = lesions.get(row["image"], row["image"])
            tenth = hashlib.sha256(lesion.encode()).digest()[0] * 10 // 256
            split = {0: "val", 1: "test"}.get(tenth, "train")
            samples.append(Sample(folder / ISIC_2019["images"] / f"{row['image']}.jpg", present[0], split))
    return samples
