"""Pictures for the tests of the page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image
from tests.program import CHECKOUT

#: Rings the attack alarm.
ATTACKED = CHECKOUT / "models" / "samples" / "lesion_adversarial.png"
#: No dermoscopic image.
STRIPES: NDArray[np.uint8] = np.tile(np.repeat(np.uint8([[[0, 0, 255]], [[255, 255, 0]]]), 8, axis=0), (10, 160, 1))


def png(pixels: NDArray[np.uint8], name: str = "drawn.png") -> tuple[str, str, bytes]:
    """A file for `browser.Visit.give`."""
    return name, "image/png", image.encode_png(pixels)
