"""What colour constancy does to a model's answers: on images as they came, and under a lamp of another colour.

`tools.quality` calls it. Ways are compared on `val`: towards white light, as usual in the literature, and towards the
light that is usual in validation images, which changes less what the model was trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from edge_mdda import colour_constancy
from edge_mdda.model import Bundle
from edge_mdda.parameters import EDGE
from tools import card_measurement, evaluate, spoil

SPLITS = ("val", "test", "external")
PURIFICATIONS = {"raw": None, "edge": EDGE}
#: Severities of the lamp's colour; 0 is none.
CASTS = (0, 3, 5)
#: The better way on `val`, which the device takes.
CHOSEN = "towards the usual light"


Light = NDArray[np.float64]


def ways(usual: Light) -> dict[str, Light | None]:
    """The lights that images are brought to, by name; None for none."""
    return {"off": None, "towards white": colour_constancy.WHITE, CHOSEN: usual}


def measure(
    bundle: Bundle, data: Path, usual: Light, copies: int, limit: int | None = None, cache: Path | None = None
) -> dict[str, Any]:
    """Accuracy of every way on every split, with paired differences from "off".

    Args:
        usual: the light's mean colour in `val`.
        copies: images of each split under a lamp of another colour.
        limit: images of each split, all by default.
        cache: folder of logits measured before, as `tools.card` has it.
    """
    found: dict[str, Any] = {}
    for split in SPLITS:
        typer.echo(f"{split}, colour constancy", err=True)
        pixels, labels = evaluate.load(data, split, bundle, limit)
        some = evaluate.spread(len(pixels), copies)
        found[split] = {}
        for severity in CASTS:
            seen, true = (pixels, labels) if severity == 0 else (pixels[some], labels[some])
            if severity:
                random = np.random.default_rng(severity)
                seen = np.stack([spoil.spoil("colour", picture, severity, random) for picture in seen])
            found[split][str(severity)] = compare(bundle, seen, true, usual, cache, split)
    return found


def compare(
    bundle: Bundle, pixels: NDArray[np.uint8], labels: NDArray[np.int64], usual: Light, cache: Path | None, split: str
) -> dict[str, Any]:
    """Accuracy of the ways on images, uint8 (N, H, W, 3), of these classes, (N,), as they came and purified.

    All ways on `val`, where the choice between them is made; elsewhere the one that was chosen.
    """
    found: dict[str, Any] = {name: {} for name in PURIFICATIONS}
    for purification, parameters in PURIFICATIONS.items():
        right = {}
        for way, wanted in ways(usual).items():
            if split != "val" and way not in ("off", CHOSEN):
                continue
            seen = pixels
            if wanted is not None:
                seen = np.stack([colour_constancy.relight(picture, wanted) for picture in pixels])
            logits = card_measurement.logits_of([bundle], seen, parameters, 1, "auto", None, cache)[0]
            right[way] = evaluate.right(logits, labels)
            measured = evaluate.summarise(logits[0], labels, bundle.labels, bundle.temperature)
            kept = ("images", "accuracy", "accuracy_95", "balanced_accuracy", "balanced_accuracy_95")
            found[purification][way] = {
                **{name: measured[name] for name in kept},
                **evaluate.difference(right[way], right["off"], labels),
            }
    return found
