"""Runs inside the emulation: one image through every preset and the classifier, marking each stage's end.

The names of the marks go to standard output as JSON; the counts go to standard error, by icount.c. A mark named ""
only begins the next count.
"""

from __future__ import annotations

import contextlib
import json
import os

import numpy as np

from edge_mdda import Classifier, Purifier
from edge_mdda.parameters import PRESETS

MARK = 0x7700


names: list[str] = []


def mark(name: str) -> None:
    names.append(name)
    with contextlib.suppress(ProcessLookupError):
        os.getpgid(MARK)


def mark_purification(preset: str, image: np.ndarray) -> None:
    """The second image of a Purifier: kernels loaded, buffers allocated."""
    warm = False
    purifier = Purifier(PRESETS[preset], threads=1, on_stage=lambda stage: warm and mark(f"{preset}: {stage}"))
    purifier.purify(image, seed=0)
    warm = True
    mark("")
    purifier.purify(image, seed=0)


def mark_inference(image: np.ndarray) -> None:
    classifier = Classifier()
    classifier.logits(image)
    mark("")
    classifier.logits(image)
    mark("int8 inference")


if __name__ == "__main__":
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    for name in PRESETS:
        mark_purification(name, picture)
    mark_inference(picture)
    print(json.dumps(names))
