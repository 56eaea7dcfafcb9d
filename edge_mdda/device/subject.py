"""What is profiled: a model bundle, or any .tflite file; and the picture it is profiled on."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_mdda import image, interpreter, model
from edge_mdda.errors import ModelError
from edge_mdda.limits import MIN_SIDE
from edge_mdda.model import Bundle

#: Height and width of the drawn picture: those of the training data's largest part.
HEIGHT, WIDTH = 450, 600


@dataclass(frozen=True)
class Subject:
    """A model to profile.

    Attributes:
        name: of the bundle, or of the file.
        file: the .tflite file.
        content: of the file.
        bundle: what the pipeline needs to know of a model that classifies images; None for any other model, of which
            inference alone is profiled.
    """

    name: str
    file: Path
    content: bytes = field(repr=False)
    bundle: Bundle | None = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of the file, 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def load(path: Path | None, runtime: str = "auto") -> Subject:
    """Read a bundle's folder, the shipped one by default, or a .tflite file.

    A file that takes one RGB image and gives one vector becomes a bundle in name only: classes are numbers, the input
    range is [0, 1]. Times do not depend on either.

    Raises:
        ModelError: not a bundle, nor a readable .tflite file that the runtime loads.
        RuntimeMissingError: there is no runtime.
    """
    if path is None or path.is_dir():
        bundle = model.load(path)
        return Subject(bundle.name, bundle.folder / "model.tflite", bundle.model, bundle)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"expected a model bundle's folder or a .tflite file, got {path}: {error.strerror}") from None
    name = re.sub(r"[^A-Za-z0-9 _.+-]", "_", path.stem)[:64] or "model"
    try:
        opened = interpreter.open(content, runtime)
        input_shape, output_shape = opened.input.shape, opened.output.shape
    except ModelError:
        interpreter.open_any(content, runtime)  # raises where this is no model at all
        return Subject(name, path, content, None)
    if not _classifies(input_shape, output_shape):
        return Subject(name, path, content, None)
    bundle = Bundle(
        folder=path.parent,
        name=name,
        labels=tuple(str(number) for number in range(output_shape[1])),
        height=input_shape[1],
        width=input_shape[2],
        low=0.0,
        high=1.0,
        temperature=1.0,
        sha256=hashlib.sha256(content).hexdigest(),
        model=content,
        card={},
    )
    return Subject(name, path, content, bundle)


def picture() -> bytes:
    """A drawn lesion as JPEG: skin with grain, so that it costs what a photograph costs to decode; always the same."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    skin = np.stack([0.85 - 0.1 * x, 0.65 - 0.1 * y, 0.55 + 0.05 * x], axis=2)
    disc = np.clip((0.22 - np.hypot(y - 0.37, x - 0.5)) * 20, 0, 1)[..., None]
    unit = skin - disc * (0.35, 0.4, 0.4) + random.normal(0, 0.02, skin.shape)
    return image.encode_jpeg(image.to_uint8(np.clip(unit, 0, 1).astype(np.float32)), 90)


def _classifies(taken: tuple[int, ...], given: tuple[int, ...]) -> bool:
    return (
        len(taken) == 4
        and taken[0] == 1
        and taken[3] == 3
        and min(taken[1:3]) >= MIN_SIDE
        and len(given) == 2
        and given[0] == 1
        and given[1] >= 2
    )
