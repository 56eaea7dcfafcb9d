"""Labelled images on disk: this project's `labels.csv` layout and the official ISIC 2019 one.

labels.csv     image, label, and perhaps split: images are images/<image>.jpg
ISIC 2019      ISIC_2019_Training_GroundTruth.csv, a column a class, 1 in one of them: images are
               ISIC_2019_Training_Input/<image>.jpg; ISIC_2019_Training_Metadata.csv tells of lesions
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

LABELS, IMAGES = "labels.csv", "images"
ISIC_2019 = {
    "images": "ISIC_2019_Training_Input",
    "labels": "ISIC_2019_Training_GroundTruth.csv",
    "metadata": "ISIC_2019_Training_Metadata.csv",
}


@dataclass(frozen=True)
class Sample:
    """One labelled image: its file, class code, and split; what its label file does not tell is ""."""

    path: Path
    label: str
    split: str


def is_data_set(folder: Path) -> bool:
    """Whether a folder has one of the layouts."""
    return (folder / LABELS).is_file() or (folder / ISIC_2019["labels"]).is_file()


def read(folder: Path) -> list[Sample]:
    """List the labelled images of a folder, in the order of its label file; the files may be missing.

    The ISIC 2019 training layout has no splits: there every lesion falls into train, val or test (80/10/10) by a hash
    of its lesion id, so no lesion is cut.

    Raises:
        FileNotFoundError: the folder has neither layout.
        ValueError: its label file is not of the form above.
    """
    if (folder / LABELS).is_file():
        return [
            Sample(folder / IMAGES / f"{row['image']}.jpg", row["label"] or "", row.get("split") or "")
            for row in _rows(folder / LABELS, "image", "label")
        ]
    if (folder / ISIC_2019["labels"]).is_file():
        return _read_isic_2019(folder)
    raise FileNotFoundError(f"expected {LABELS} or {ISIC_2019['labels']} in {folder}, got neither")


def _read_isic_2019(folder: Path) -> list[Sample]:
    metadata = _rows(folder / ISIC_2019["metadata"], "image")
    lesions = {row["image"]: row.get("lesion_id") or row["image"] for row in metadata}
    samples = []
    for row in _rows(folder / ISIC_2019["labels"], "image"):
        name = row.pop("image")
        try:
            present = [label for label, value in row.items() if float(value or 0) == 1]
        except (TypeError, ValueError):
            raise ValueError(f"expected numbers for the classes of {name}, got {list(row.values())}") from None
        if len(present) != 1:
            raise ValueError(f"expected one class for {name}, got {present}")
        lesion = lesions.get(name, name)
        tenth = hashlib.sha256(lesion.encode()).digest()[0] * 10 // 256
        split = {0: "val", 1: "test"}.get(tenth, "train")
        samples.append(Sample(folder / ISIC_2019["images"] / f"{name}.jpg", present[0], split))
    return samples


def _rows(file: Path, *needed: str) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        found = rows.fieldnames or []
        if not set(needed) <= set(found):
            raise ValueError(f"expected columns {', '.join(needed)} in {file.name}, got {', '.join(found) or 'none'}")
        return list(rows)
