"""What happens to an image without an attacker, in five severities: the curves that attacks are to be compared with.

After Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions", ICLR 2019, with what
happens to dermoscopic images: hair, a marker's ink, dirt on the lens (Li, Schmidt, Kolter, "Adversarial camera
stickers", ICML 2019, without their optimiser).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mdda import image as gate
from tools import drawing

Pixels = NDArray[np.uint8]
SEVERITIES = (1, 2, 3, 4, 5)

# By severity.
BLUR_SIGMA = (0.6, 1.0, 1.6, 2.4, 3.5)  # pixels
JPEG_QUALITY = (60, 40, 25, 15, 8)
COLOUR_GAIN = (0.05, 0.1, 0.15, 0.22, 0.3)
HAIRS = (4, 8, 16, 28, 44)
STROKES = (1, 2, 3, 4, 6)
SPOTS = (2, 4, 7, 11, 16)
INK = np.array([0.25, 0.15, 0.5], np.float32)  # RGB of the usual violet skin marker
INK_OPACITY, SPOT_OPACITY = 0.75, 0.35


def blur(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Slightly out of focus."""
    return cv2.GaussianBlur(pixels, (0, 0), BLUR_SIGMA[severity - 1])


def jpeg(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Saved once more, with less quality."""
    _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY[severity - 1]])
    return gate.decode(encoded.tobytes())


def colour(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Another lamp or white balance: a gain for each channel, up or down by the severity's part."""
    gains = 1 + COLOUR_GAIN[severity - 1] * random.choice([-1, 1], 3)
    return _to_uint8(pixels / 255 * gains)


def hair(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Dark hairs across the lesion."""
    return _to_uint8(drawing.hairs(random, pixels / np.float32(255), HAIRS[severity - 1]))


def ink(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Strokes of a skin marker near the border, as surgeons leave them."""
    side = len(pixels)
    cover = np.zeros(pixels.shape[:2], np.uint8)
    for _ in range(STROKES[severity - 1]):
        angle = random.uniform(0, 2 * np.pi)
        middle = side / 2 + side * 0.38 * np.array([np.cos(angle), np.sin(angle)])
        along = side * random.uniform(0.05, 0.15) * np.array([-np.sin(angle), np.cos(angle)])
        ends = [tuple(int(each) for each in np.rint(middle + way * along)) for way in (-1, 1)]
        cv2.line(cover, ends[0], ends[1], 255, max(2, side // 45), cv2.LINE_AA)
    return _laid(pixels, cover, INK, INK_OPACITY)


def sticker(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Translucent spots on the lens, so near that they have no edge."""
    side = len(pixels)
    result = pixels
    for _ in range(SPOTS[severity - 1]):
        cover = np.zeros(pixels.shape[:2], np.uint8)
        centre = tuple(int(each) for each in random.integers(0, side, 2))
        cv2.circle(cover, centre, int(side * random.uniform(0.04, 0.1)), 255, cv2.FILLED)
        cover = cv2.GaussianBlur(cover, (0, 0), side / 40)
        result = _laid(result, cover, random.uniform(0, 1, 3).astype(np.float32), SPOT_OPACITY)
    return result


CORRUPTIONS: Mapping[str, Callable[[Pixels, int, np.random.Generator], Pixels]] = {
    "blur": blur,
    "jpeg-again": jpeg,
    "colour": colour,
    "hair": hair,
    "ink": ink,
    "sticker": sticker,
}


def corrupt(name: str, pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """An image, uint8 RGB (H, W, 3), corrupted by name with a severity in 1…5."""
    if severity not in SEVERITIES:
        raise ValueError(f"expected a severity out of {SEVERITIES}, got {severity}")
    return np.ascontiguousarray(CORRUPTIONS[name](pixels, severity, random))


def _laid(pixels: Pixels, cover: Pixels, colour: NDArray[np.float32], opacity: float) -> Pixels:
    part = opacity * cover[..., None] / np.float32(255)
    return _to_uint8(pixels / np.float32(255) * (1 - part) + part * colour)


def _to_uint8(unit: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.rint(np.clip(unit, 0, 1) * 255), np.uint8)
