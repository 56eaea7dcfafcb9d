"""Float32 .tflite models: already converted, to be quantised or compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mdda import interpreter
from edge_mdda.errors import ModelError
from tools.preparation import Preparation


@dataclass(frozen=True)
class TFLite:
    """A float32 model of one NHWC image; see `tools.source.Source`."""

    height: int
    width: int
    model: bytes = field(repr=False)
    kind: str = "float32 .tflite model"

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs, float32 (N, classes), of prepared images, float32 (N, H, W, 3)."""
        opened = interpreter.open(self.model)
        return np.concatenate([opened.run(np.ascontiguousarray(image[None])) for image in images])

    def to_float(self, preparation: Preparation) -> bytes:
        """The model itself, which nothing can be put in front of any more."""
        if not preparation.is_identity:
            raise ValueError(f"expected a .tflite model that takes RGB in [0, 1], got one for {preparation}")
        return self.model


def read(path: Path, side: int | None, layout: str | None) -> TFLite:
    """See `tools.source.open`."""
    content = path.read_bytes()
    try:
        tensor = interpreter.open(content).input
    except ModelError as error:
        raise ValueError(str(error)) from None
    if tensor.dtype != np.float32 or len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[3] != 3:
        raise ValueError(f"expected a float32 model of one NHWC image in {path}, got {tensor.dtype} {tensor.shape}")
    if layout not in (None, "NHWC"):
        raise ValueError(f"expected the layout NHWC of a .tflite model, got {layout}")
    return TFLite(tensor.shape[1], tensor.shape[2], content)
