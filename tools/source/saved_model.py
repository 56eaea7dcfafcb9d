"""TensorFlow SavedModels, by TensorFlow's own converter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.preparation import Preparation
from tools.source import tell_layout

SIGNATURE = "serving_default"


@dataclass(frozen=True)
class SavedModel:
    """The default signature of a SavedModel, of one image to one output; see `tools.source.Source`."""

    layout: str
    height: int
    width: int
    loaded: Any  # keeps the variables of its signatures alive
    input_name: str
    kind: str = "TensorFlow SavedModel"

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs, float32 (N, classes), of prepared images, float32 (N, H, W, 3), one at a time."""
        return np.concatenate([self._call(image[None]).numpy() for image in images])

    def to_float(self, preparation: Preparation) -> bytes:
        """A float32 .tflite model of one RGB image in [0, 1], (1, H, W, 3)."""
        import tensorflow

        matrix, offset = preparation.affine()

        def prepare(x: Any) -> Any:
            if preparation.is_identity:
                return x
            return tensorflow.nn.bias_add(tensorflow.nn.conv2d(x, matrix.T[None, None], 1, "VALID"), offset)

        shape = (1, self.height, self.width, 3)
        module = tensorflow.Module()
        module.loaded = self.loaded
        module.call = tensorflow.function(
            lambda image: self._call(prepare(image)), input_signature=[tensorflow.TensorSpec(shape, name="image")]
        )
        function = module.call.get_concrete_function()
        return bytes(tensorflow.lite.TFLiteConverter.from_concrete_functions([function], module).convert())

    def _call(self, x: Any) -> Any:
        import tensorflow

        if self.layout == "NCHW":
            x = tensorflow.transpose(x, (0, 3, 1, 2))
        outputs = self.loaded.signatures[SIGNATURE](**{self.input_name: tensorflow.convert_to_tensor(x)})
        return next(iter(outputs.values()))


def read(path: Path, side: int | None, layout: str | None) -> SavedModel:
    """See `tools.source.open`."""
    try:
        import tensorflow
    except ImportError as error:
        raise ImportError(
            f"expected TensorFlow to read {path}, got none: pip install 'edge-mdda[convert-tensorflow]'"
        ) from error
    loaded = tensorflow.saved_model.load(str(path))
    if SIGNATURE not in loaded.signatures:
        raise ValueError(f"expected a signature {SIGNATURE} in {path}, got {', '.join(loaded.signatures) or 'none'}")
    signature = loaded.signatures[SIGNATURE]
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(f"expected one input and one output, got {len(inputs)} and {len(outputs)}")
    [(name, spec)] = inputs.items()
    found, height, width = tell_layout(tuple(spec.shape), side)
    if layout not in (None, found):
        raise ValueError(f"expected a SavedModel of layout {layout}, got an input {tuple(spec.shape)}")
    return SavedModel(found, height, width, loaded, name)
