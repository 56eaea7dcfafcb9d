"""Whether an image is good enough to ask the classifier about, and what to do where it is not.

Eight measures, each larger for a worse image, of the image at one size and one compression, so that a threshold holds
for every camera. Thresholds come from validation images against spoilt copies of them: `tools.quality` chooses them,
writes quality.json beside this file and shows what they find. `edge_mdda.appearance` asks whether an image is a
dermoscopic one at all; these ask whether one was taken well.

    focus   blur effect: how little a second blur takes from the differences between neighbouring pixels, in the
            sharpest of four directions (Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation
            with a new no-reference perceptual blur metric", SPIE 6492, 2007), in [0, 1]
    motion  how far the blur effect differs between perpendicular directions, in [0, √2]: movement blurs one direction
            alone (the anisotropy of Liu, Li, Jia, "Image partial blur detection and classification", CVPR 2008)
    dark    1 less the lightness that a quarter of the field exceeds, in [0, 1]
    bright  part of the field with a colour cut off at white, in [0, 1] (the well-exposedness of Mertens, Kautz, Van
            Reeth, "Exposure fusion", Pacific Graphics 2007, at its upper end)
    glare   part of the field that is white where its surroundings are not, in [0, 1]: a reflection has the light's
            colour and not the skin's (Shafer, "Using color to separate reflection components", Color Research and
            Application 10, 1985)
    colour  angle in degrees between the light's colour, by shades of grey (Finlayson, Trezzi, "Shades of gray and
            colour constancy", Color and Imaging Conference 2004), and that of validation images
    mask    part of the image that the dark rim of a round field takes, in [0, 1]
    hair    part of the field under long dark lines, in [0, 1]: closings along lines, as DullRazor has them (Lee, Ng,
            Gallagher, Coldman, McLean, Computers in Biology and Medicine 27, 1997)
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image
from edge_mdda.appearance import JPEG_QUALITY

#: Images are measured at this size, squashed to it, and through the compression that the validation images have.
SIDE = 224

#: What to do about each fault.
ADVICE: Mapping[str, str] = {
    "focus": "out of focus: focus again, and clean the lens if that does not help",
    "motion": "smeared by movement: hold still and take it again",
    "dark": "too dark: give it more light",
    "bright": "too bright: give it less light",
    "glare": "the light is reflected: move the light, or use polarised light",
    "colour": "the colours are off: use the dermatoscope's own light, and set the white balance",
    "mask": "the dark rim covers too much: go closer, or zoom in",
    "hair": "hair covers the skin: part it or press it flat with gel",
}

Plane = NDArray[np.float32]

_WHITE = 250 / 255
_NEARLY_WHITE, _WHITER = 0.8, 0.2
_BLACK = 0.16
_POWER = 6
# Steps down and to the right.
_DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))
_BLUR_LENGTH = 9
_HAIR_WIDTH, _HAIR_LENGTH, _HAIR_DEPTH = 7, 17, 0.08


@dataclass(frozen=True)
class Fault:
    """One fault of an image: its measure's name, and a sentence that says what is wrong and what to do."""

    name: str
    message: str


@dataclass(frozen=True)
class Quality:
    """How well an image was taken.

    Attributes:
        measures: by name, larger is worse, see this module's docstring.
        warnings: the measures above their threshold, in the same order; none for an image that is good enough.
    """

    measures: Mapping[str, float]
    warnings: tuple[Fault, ...]


def examine(pixels: NDArray[np.uint8]) -> Quality:
    """Measure an image, uint8 RGB (H, W, 3) of any size with sides ≥ 32, and compare with the thresholds."""
    measures = measure(pixels)
    known = _thresholds()
    faults = (name for name, value in measures.items() if value > known[name])
    return Quality(measures, tuple(Fault(name, ADVICE[name]) for name in faults))


def measure(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """The measures of an image, uint8 RGB (H, W, 3), by name."""
    fitted = np.ascontiguousarray(image.fit(pixels, SIDE, SIDE))
    compressed = image.decode(image.encode_jpeg(fitted, JPEG_QUALITY))
    colours = np.ascontiguousarray(np.moveaxis(compressed, 2, 0), np.float32) / np.float32(255)
    lightness = np.asarray(colours.mean(axis=0))
    rim = _rim(lightness)
    field = ~rim
    seen = np.stack([plane[field] for plane in colours]) if field.any() else np.zeros((3, 1), np.float32)
    blur = [_blur(lightness, down, right) for down, right in _DIRECTIONS]
    found = {
        "focus": min(blur),
        "motion": float(np.hypot(blur[0] - blur[2], blur[1] - blur[3])),
        "dark": 1 - float(np.quantile(seen.mean(axis=0), 0.75)),
        "bright": float((seen.max(axis=0) >= _WHITE).mean()),
        "glare": _glare(colours, field),
        "colour": angle(illuminant(seen), _usual_light()),
        "mask": float(rim.mean()),
        "hair": _hair(lightness, field),
    }
    return {name: float(found[name]) for name in ADVICE}


def illuminant(colours: NDArray[np.floating]) -> NDArray[np.float64]:
    """The light's colour by shades of grey, a unit vector float64 (3,), of RGB in [0, 1], (3, any number)."""
    squares = colours * colours
    norms = np.asarray((squares * squares * squares).mean(axis=1), np.float64) ** (1 / _POWER)
    length = float(np.linalg.norm(norms))
    return norms / length if length > 0 else np.full(3, 3**-0.5)


def angle(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Angle between two unit vectors, in degrees."""
    return float(np.degrees(np.arccos(np.clip(first @ second, -1, 1))))


def _rim(lightness: Plane) -> NDArray[np.bool_]:
    """Where the image is dark all the way to its left, right, upper or lower border."""
    black = lightness < _BLACK
    rim = np.zeros_like(black)
    for axis in (0, 1):
        rim |= np.logical_and.accumulate(black, axis=axis)
        rim |= np.flip(np.logical_and.accumulate(np.flip(black, axis), axis=axis), axis)
    return rim


def _shifted(plane: Plane, down: int, right: int) -> tuple[Plane, Plane]:
    """The plane without its last, and without its first rows and columns, so many that one lies on the other."""
    if right < 0:
        plane, right = plane[:, ::-1], -right
    height, width = plane.shape
    return plane[: height - down, : width - right], plane[down:, right:]


def _blur(plane: Plane, down: int, right: int) -> float:
    """The blur effect in one direction: the part of the differences that a blur of nine pixels leaves there.

    What a mean of nine leaves of a difference between neighbours is a ninth of the difference nine pixels apart.
    """
    before, after = _shifted(plane, down, right)
    steps = np.abs(after - before)
    reach = (_BLUR_LENGTH - 1) // 2
    height, width = steps.shape
    before, after = _shifted(plane, _BLUR_LENGTH * down, _BLUR_LENGTH * right)
    blurred = np.abs(after - before) / np.float32(_BLUR_LENGTH)
    steps = steps[reach * down : height - reach * down, reach * abs(right) : width - reach * abs(right)]
    total = float(steps.sum())
    return float(np.minimum(steps, blurred).sum()) / total if total > 0 else 1.0


def _glare(colours: NDArray[np.float32], field: NDArray[np.bool_]) -> float:
    """Part of the field whose least colour is nearly white, and lies well above that of the surroundings."""
    least = colours.min(axis=0)
    usual = float(np.median(least[field])) if field.any() else 0.0
    return float(((least > _NEARLY_WHITE) & (least > usual + _WHITER) & field).sum() / max(1, field.sum()))


def _closed(plane: NDArray[np.uint8], down: int, right: int, length: int) -> NDArray[np.uint8]:
    """Closing along a line of so many pixels in one direction; the border is repeated."""
    reach = length // 2
    padded = np.pad(plane, 2 * reach, mode="edge")
    if right < 0:
        padded = padded[:, ::-1]
    widened = _run(padded, down, abs(right), length, np.maximum)
    closed = _run(widened, down, abs(right), length, np.minimum)
    margin_y, margin_x = (2 * reach * (1 - step) for step in (down, abs(right)))
    height, width = plane.shape
    closed = closed[margin_y : margin_y + height, margin_x : margin_x + width]
    return closed[:, ::-1] if right < 0 else closed


def _run(plane: NDArray[np.uint8], down: int, right: int, length: int, extreme: np.ufunc) -> NDArray[np.uint8]:
    """Maxima or minima of every run of so many pixels in one direction, by doubling."""
    done = 1
    while done < length:
        step = min(done, length - done)
        height, width = plane.shape
        plane = extreme(plane[: height - step * down, : width - step * right], plane[step * down :, step * right :])
        done += step
    return plane


def _hair(lightness: Plane, field: NDArray[np.bool_]) -> float:
    """Part of the field that a closing across a line fills, and one along it leaves: thin, long and dark."""
    plane = image.to_uint8(lightness)
    depth = round(_HAIR_DEPTH * 255)
    across = np.stack([_closed(plane, *step, _HAIR_WIDTH) for step in _DIRECTIONS])
    along = np.stack([_closed(plane, *step, _HAIR_LENGTH) for step in _DIRECTIONS])
    thin = across.max(axis=0) - plane
    short = along.min(axis=0) - plane
    line = (thin > depth) & (short < thin / 2) & field
    return float(line.sum() / max(1, field.sum()))


@functools.cache
def _record() -> dict[str, dict[str, float]]:
    record: dict[str, dict[str, float]] = json.loads(
        importlib.resources.files("edge_mdda").joinpath("quality.json").read_text()
    )
    return record


def _thresholds() -> dict[str, float]:
    return _record()["thresholds"]


def _usual_light() -> NDArray[np.float64]:
    return np.array(list(_record()["light"].values()))
