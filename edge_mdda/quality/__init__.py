"""Whether an image was taken well enough to ask the classifier about it, and what to do where it was not.

Nine measures, each larger for a worse image, of the image at one size and one compression, so that a threshold holds
for every camera. The thresholds were chosen on validation images (`tools.quality`, which writes quality.json and shows
what they find in spoilt copies of other images). `edge_mdda.appearance` asks whether an image is a dermoscopic one at
all; these ask whether the next one can be taken better.

    focus   how much less contrast fine detail has than coarse detail, ln of the ratio: the slope of the power spectrum,
            which is steeper out of focus (Field, Brady, "Visual sensitivity, blur and the sources of variability in the
            amplitude spectra of natural scenes", Vision Research 37, 1997)
    motion  how far the blur effect (Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with
            a new no-reference perceptual blur metric", SPIE 6492, 2007) differs between perpendicular directions, at
            two resolutions: movement blurs one direction alone
    dark    1 less the level, of each pixel's brightest colour, that a tenth of the field exceeds, in [0, 1]
    bright  part of the field with a colour cut off at white, in [0, 1]: what is left of the scene there cannot be told
    glare   part of the field that is white where its surroundings are not, in [0, 1]: a reflection has the light's
            colour and not the skin's (Shafer, "Using color to separate reflection components", Color Research and
            Application 10, 1985)
    colour  angle in degrees between the light's colour, by shades of grey (`edge_mdda.colour_constancy`), and the one
            usual in validation images
    mask    part of the image that the black around a round field takes, in [0, 1]
    hair    part of the field under long, thin, dark lines, in [0, 1]: closings along lines, as in DullRazor (Lee, Ng,
            Gallagher, Coldman, McLean, Computers in Biology and Medicine 27, 1997)
    ruler   how strongly thin dark marks repeat along a strip near the border: autocorrelation, in [0, 1]
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda import colour_constancy, image
from edge_mdda.appearance import JPEG_QUALITY
from edge_mdda.quality import shapes, sharpness
from edge_mdda.quality.movement import STILL as STILL
from edge_mdda.quality.movement import movement as movement

#: Images are squashed to this size and compressed as the validation images are before they are measured.
SIDE = 224

#: What is wrong and what to do, by measure.
ADVICE: Mapping[str, str] = {
    "focus": "out of focus: focus again, and clean the lens if that does not help",
    "motion": "smeared by movement: hold still and take it again",
    "dark": "too dark: give it more light",
    "bright": "too bright: give it less light",
    "glare": "the light is reflected: move the light, or use polarised light",
    "colour": "the colours are off: use the dermatoscope's own light and set the white balance",
    "mask": "the black rim takes too much of the picture: go closer or zoom in",
    "hair": "hair covers the skin: part it, or press it flat with gel",
    "ruler": "a ruler is in the picture: take it out",
}

Levels = NDArray[np.uint8]

# In levels of 255.
_BLACK, _WHITE = 40, 250


@dataclass(frozen=True)
class Fault:
    """A measure above its threshold: its name, and what is wrong and what to do about it."""

    name: str
    message: str


@dataclass(frozen=True)
class Quality:
    """How well an image was taken.

    Attributes:
        measures: by name, larger is worse, see this module's docstring.
        warnings: the measures above their thresholds, in the same order; none for an image that is good enough.
    """

    measures: Mapping[str, float]
    warnings: tuple[Fault, ...]


def examine(pixels: Levels) -> Quality:
    """Measure an image, uint8 RGB (H, W, 3) of any size with sides ≥ 32, and compare with the thresholds."""
    measures = measure(pixels)
    most = thresholds()
    return Quality(measures, tuple(Fault(name, ADVICE[name]) for name, value in measures.items() if value > most[name]))


def measure(pixels: Levels, usual: NDArray[np.float64] | None = None) -> dict[str, float]:
    """The measures of an image, uint8 RGB (H, W, 3), by name, in the order of `ADVICE`.

    Args:
        usual: the colour of light that "colour" is the distance from, a unit vector (3,); `usual_light` by default.
    """
    fitted = np.ascontiguousarray(image.fit(pixels, SIDE, SIDE))
    compressed = image.decode(image.encode_jpeg(fitted, JPEG_QUALITY))
    red, green, blue = (np.ascontiguousarray(compressed[..., channel]) for channel in range(3))
    lightness = (red.astype(np.float32) + green + blue) / np.float32(3)
    levels = lightness.astype(np.uint8)
    largest = np.maximum(np.maximum(red, green), blue)
    least = np.minimum(np.minimum(red, green), blue)
    rim = _rim(levels)
    field = ~rim
    area = max(1, int(np.count_nonzero(field)))
    light = colour_constancy.light(compressed[field] if rim.any() else compressed)
    found = {
        "focus": sharpness.slope(lightness, field),
        "motion": sharpness.smear(lightness),
        "dark": 1 - _quantile(largest[field], 0.9) / 255,
        "bright": np.count_nonzero(field & (largest >= _WHITE)) / area,
        "glare": np.count_nonzero(field & shapes.reflections(least)) / area,
        "colour": colour_constancy.angle(light, usual_light() if usual is None else usual),
        "mask": np.count_nonzero(rim) / rim.size,
        "hair": np.count_nonzero(field & shapes.hairs(levels)) / area,
        "ruler": shapes.ticks(levels),
    }
    return {name: float(found[name]) for name in ADVICE}


def thresholds() -> Mapping[str, float]:
    """The most that each measure may be, by name."""
    known: Mapping[str, float] = _record()["thresholds"]
    return known


def usual_light() -> NDArray[np.float64]:
    """The mean colour of the light in validation images, a unit vector (3,), RGB."""
    return np.array(_record()["light"], np.float64)


@functools.cache
def _record() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(importlib.resources.files(__name__).joinpath("quality.json").read_text())
    return record


def _quantile(levels: Levels, part: float) -> int:
    """The smallest level that so large a part of the levels does not exceed; 0 where there are none."""
    counts = np.bincount(levels.ravel(), minlength=256)
    return int(np.searchsorted(np.cumsum(counts), part * levels.size))


def _rim(levels: Levels) -> NDArray[np.bool_]:
    """Where the image is black all the way to one of its four borders, however dark all of it is."""
    black = levels < min(_BLACK, _quantile(levels, 0.9) // 4)
    turned = np.ascontiguousarray(black.T)
    return np.asarray(
        _leading(black) | _leading(black[:, ::-1])[:, ::-1] | _leading(turned).T | _leading(turned[:, ::-1])[:, ::-1].T
    )


def _leading(black: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The black pixels at the beginning of each row."""
    width = black.shape[1]
    lengths = np.where(black.all(axis=1), width, black.argmin(axis=1))
    return np.asarray(np.arange(width) < lengths[:, None])
