"""Trained networks of every format that `tools.convert` takes, behind one face.

    .ckpt              a checkpoint of tools.train
    .pt2               a PyTorch exported program (torch.export.save)
    .pt, .pth          a pickled PyTorch module, which runs the code it holds: only where the caller trusts it
    .keras, .h5        a Keras model, read by Keras 3 on its PyTorch backend, without TensorFlow
    .onnx              an ONNX graph
    .tflite            a float32 model: nothing to convert, but to quantise or to compare with
    a folder           a TensorFlow SavedModel, the only one that needs TensorFlow

Each reader's library is imported when a file of its format is opened. Unpickling a module runs whatever code is in its
file: it is refused without a word of the caller's. Keras is asked for its safe mode; the other formats hold operators.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tools.preparation import Preparation

DEFAULT_SIDE = 224
LAYOUTS = ("NCHW", "NHWC")

_READERS = {
    ".ckpt": "checkpoint",
    ".pt2": "exported",
    ".pt": "pickled",
    ".pth": "pickled",
    ".keras": "keras_model",
    ".h5": "keras_model",
    ".hdf5": "keras_model",
    ".onnx": "onnx_graph",
    ".tflite": "tflite",
}


class Source(Protocol):
    """A trained classifier as its own library runs it.

    Attributes:
        kind: what it is, for a person to read.
        height: of its input, in pixels.
        width: of its input, in pixels.
    """

    @property
    def kind(self) -> str: ...

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Its outputs, float32 (N, classes), on prepared images, float32 (N, H, W, 3)."""

    def to_float(self, preparation: Preparation) -> bytes:
        """A float32 .tflite model of one RGB image in [0, 1], (1, H, W, 3), which it prepares itself."""


def open(path: Path, side: int | None = None, layout: str | None = None, trust_pickle: bool = False) -> Source:
    """Read a trained network; its format is told by the name's ending.

    Args:
        side: of the input in pixels, for a network that takes any; `DEFAULT_SIDE` when it is not given.
        layout: of the input of a network that does not say it, out of `LAYOUTS`; NCHW when it is not given.
        trust_pickle: whether to unpickle a PyTorch module, which runs whatever code is in the file.

    Raises:
        FileNotFoundError: there is nothing there.
        ImportError: the library that reads this format is not installed.
        ValueError: another format, or a network that does not take one RGB image of the given size and layout.
    """
    if not path.exists():
        raise FileNotFoundError(f"expected a trained network at {path}, got nothing")
    if path.is_dir():
        name = "saved_model" if (path / "saved_model.pb").is_file() else None
    else:
        name = _READERS.get(path.suffix.lower())
    if name is None:
        expected = f"{', '.join(_READERS)} or the folder of a TensorFlow SavedModel"
        raise ValueError(f"expected a network in {expected}, got {path}")
    if name == "pickled" and not trust_pickle:
        raise ValueError(
            f"expected --trust-pickle to read {path}: a pickled module runs any code that its file holds; a file of "
            "torch.export.save (.pt2) does not"
        )
    try:
        reader = import_module(f"tools.source.{name}")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"expected {error.name} to read {path}, got none: pip install 'edge-mdda[convert]'"
        ) from error
    found: Source = reader.read(path, side, layout)
    if side is not None and (found.height, found.width) != (side, side):
        raise ValueError(f"expected a network for {side}×{side} pixels, got one for {found.height}×{found.width}")
    return found


def tell_layout(shape: tuple[int | None, ...], side: int | None) -> tuple[str, int, int]:
    """Layout, height and width of an input by its shape; `side` stands in for sides that it leaves open.

    Raises:
        ValueError: no image of three channels.
    """
    batch, *rest = shape if len(shape) == 4 else (1, None, None, None)
    if batch in (None, 1) and rest[0] == 3:
        layout, height, width = "NCHW", rest[1], rest[2]
    elif batch in (None, 1) and rest[2] == 3:
        layout, height, width = "NHWC", rest[0], rest[1]
    else:
        raise ValueError(f"expected an input of one image with three channels, got {shape}")
    return layout, height or side or DEFAULT_SIDE, width or side or DEFAULT_SIDE
