"""Pictures a device is shown by mistake: everything that is no dermoscopic image and still reaches the classifier.

All of them come from packages of the workstation extra, are drawn, or are made of a data set's own images. A score is
chosen on one part of them and measured on the other: photographs, textures and writing by their source, the rest by
the split or the seed they are made from. Kinds that are only measured are those of which there is too little to split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import foolbox
import numpy as np
import skimage.data
from matplotlib import cbook
from numpy.typing import NDArray

from edge_mdda import image
from tools import drawing

Pictures = NDArray[np.uint8]

#: Pictures of a kind that is drawn or made from dermoscopic images.
COUNT = 100
# scikit-image's own pictures, those in its wheel: the others would be downloaded.
_GREY_TO_CHOOSE = ("brick", "gravel", "coins", "cell", "clock")
_GREY_TO_MEASURE = ("grass", "moon", "camera", "microaneurysms")
_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field")
_MEDICAL = ("retina", "immunohistochemistry")
_SIGNS_TO_CHOOSE = ("page", "logo")
_SIGNS_TO_MEASURE = ("text", "colorwheel", "shepp_logan_phantom", "horse", "checkerboard")


def to_choose(dermoscopic: Pictures) -> dict[str, Pictures]:
    """Pictures by kind to choose a score on; those made of dermoscopic images are made of these, of the model's size.

    Args:
        dermoscopic: uint8 RGB (N, side, side, 3), of the split that choices are made on.
    """
    side = dermoscopic.shape[1]
    return {
        "photographs": _views(_foolbox("imagenet"), side),
        "textures, grey photographs": _views(map(_skimage, _GREY_TO_CHOOSE), side),
        "writing, signs": _views(map(_skimage, _SIGNS_TO_CHOOSE), side),
        "scribbles": np.stack([scribble(seed, side) for seed in range(COUNT)]),
        **_made(dermoscopic, seed=0),
    }


def to_measure(dermoscopic: Pictures) -> dict[str, Pictures]:
    """As `to_choose`, from other sources, splits and seeds, and with kinds that nothing was chosen on."""
    side = dermoscopic.shape[1]
    portrait = cv2.imread(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)), cv2.IMREAD_COLOR_RGB)
    street, _, _ = skimage.data.stereo_motorcycle()
    faces = skimage.data.lfw_subset()[:COUNT]  # the rest of it are no faces
    return {
        "photographs": _views([*map(_skimage, _PHOTOGRAPHS), portrait, street], side),
        "textures, grey photographs": _views(map(_skimage, _GREY_TO_MEASURE), side),
        "writing, signs": _views(map(_skimage, _SIGNS_TO_MEASURE), side),
        "scribbles": np.stack([scribble(seed, side) for seed in range(COUNT, 2 * COUNT)]),
        **_made(dermoscopic, seed=1),
        "small grey faces": np.stack([_fitted(_rgb(face), side) for face in faces]),
        "skin in photographs": _views([portrait[80:330, 160:370], _skimage("astronaut")[60:210, 150:290]], side),
        "eye ground, histology": _views(map(_skimage, _MEDICAL), side),
        "clothes, digits, thumbnails": np.stack(
            [_fitted(picture, side) for name in ("fashionMNIST", "mnist", "cifar10") for picture in _foolbox(name)]
        ),
        "drawn lesions": np.stack([drawing.draw(seed, side) for seed in range(COUNT)]),
    }


def blank(seed: int, side: int) -> Pictures:
    """A frame with nothing on it: one colour – black, white, grey, any or skin – a slight slope, the sensor's grain."""
    random = np.random.default_rng(seed)
    colours = (np.zeros(3), np.ones(3), np.full(3, random.uniform()), random.uniform(size=3), drawing.SKIN)
    slope = np.linspace(-1, 1, side)[:, None, None] * random.uniform(0, 0.1)
    grain = random.normal(0, random.uniform(0, 0.03), (side, side, 3))
    return _to_uint8(colours[seed % len(colours)] + slope + grain)


def scribble(seed: int, side: int) -> Pictures:
    """Lines, discs, boxes and a word in plain colours on light paper, as of a pen or a drawing program."""
    random = np.random.default_rng(seed)
    paper = np.full((side, side, 3), random.integers(200, 256, 3), np.uint8)
    for _ in range(random.integers(3, 12)):
        colour = tuple(int(level) for level in random.integers(0, 256, 3))
        first, second = (tuple(int(place) for place in random.integers(0, side, 2)) for _ in range(2))
        thickness = int(random.integers(1, 8))
        match random.integers(4):
            case 0:
                cv2.line(paper, first, second, colour, thickness, cv2.LINE_AA)
            case 1:
                cv2.circle(paper, first, int(random.integers(5, side // 3)), colour, cv2.FILLED, cv2.LINE_AA)
            case 2:
                cv2.rectangle(paper, first, second, colour, thickness)
            case _:
                cv2.putText(paper, "edge", first, cv2.FONT_HERSHEY_SIMPLEX, side / 150, colour, 2, cv2.LINE_AA)
    return paper


def defocused(pixels: Pictures, random: np.random.Generator) -> Pictures:
    """A dermoscopic image so far out of focus that only blotches of colour are left."""
    return cv2.GaussianBlur(pixels, (0, 0), len(pixels) * random.uniform(0.04, 0.1))


def shaken(pixels: Pictures, random: np.random.Generator) -> Pictures:
    """A dermoscopic image smeared along a line of a fifth of its side, as by a moving hand."""
    length = len(pixels) // 5
    line = np.zeros((length, length), np.float32)
    end = np.array([np.cos(angle := random.uniform(0, np.pi)), np.sin(angle)]) * length / 2
    ends = [tuple(int(place) for place in np.rint(length / 2 + way * end)) for way in (-1, 1)]
    cv2.line(line, *ends, 1.0, 1)
    return cv2.filter2D(pixels, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE)


def badly_lit(pixels: Pictures, random: np.random.Generator) -> Pictures:
    """A dermoscopic image a fifth as bright or less, or three times as bright or more and cut off at white."""
    gain = random.choice([random.uniform(0.05, 0.2), random.uniform(3, 5)])
    return _to_uint8(pixels / 255 * gain)


def corner(pixels: Pictures, random: np.random.Generator) -> Pictures:
    """A quarter of a dermoscopic image's side at one of its corners, enlarged: mostly skin beside the lesion."""
    side, part = len(pixels), len(pixels) // 4
    top, left = ((side - part) * random.integers(2, size=2)).tolist()
    return _fitted(pixels[top : top + part, left : left + part], side)


_FROM_DERMOSCOPIC: dict[str, Callable[[Pictures, np.random.Generator], Pictures]] = {
    "out of focus": defocused,
    "shaken": shaken,
    "badly lit": badly_lit,
    "skin beside the lesion": corner,
}


def _made(dermoscopic: Pictures, seed: int) -> dict[str, Pictures]:
    """Blank frames, and what becomes of dermoscopic images by accident, a random choice of them for each kind."""
    random = np.random.default_rng(seed)
    side = dermoscopic.shape[1]
    made = {"blank": np.stack([blank(COUNT * seed + index, side) for index in range(COUNT)])}
    for kind, spoil in _FROM_DERMOSCOPIC.items():
        chosen = random.permutation(len(dermoscopic))[:COUNT]
        made[kind] = np.stack([spoil(dermoscopic[index], random) for index in chosen])
    return made


def _views(pictures: Iterable[Pictures], side: int) -> Pictures:
    """Each picture whole, and its four quarters, squashed to the model's size as any image is."""
    views = []
    for picture in pictures:
        height, width = (length // 2 for length in picture.shape[:2])
        quarters = [picture[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]
        views += [_fitted(view, side) for view in (picture, *quarters)]
    return np.stack(views)


def _foolbox(name: str) -> list[Pictures]:
    """The pictures of one kind that foolbox ships, by name."""
    files = sorted(Path(foolbox.__file__).parent.glob(f"data/{name}_*"))
    return [_rgb(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)) for file in files]


def _skimage(name: str) -> Pictures:
    return _rgb(getattr(skimage.data, name)())


def _rgb(picture: NDArray) -> Pictures:
    """Any picture as uint8 RGB (H, W, 3): grey is repeated, transparency laid on white."""
    if picture.dtype != np.uint8:
        picture = _to_uint8(picture.astype(np.float64))
    if picture.ndim == 2:
        return np.repeat(picture[..., None], 3, axis=2)
    if picture.shape[2] == 4:
        opacity = picture[..., 3:] / 255
        return _to_uint8(picture[..., :3] / 255 * opacity + 1 - opacity)
    return picture


def _fitted(picture: Pictures, side: int) -> Pictures:
    return np.asarray(image.fit(np.ascontiguousarray(picture), side, side), np.uint8)


def _to_uint8(unit: NDArray[np.float64]) -> Pictures:
    return np.asarray(np.rint(np.clip(unit, 0, 1) * 255), np.uint8)
