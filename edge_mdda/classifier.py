"""From an RGB image to calibrated probabilities."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image as gate
from edge_mdda import interpreter, model
from edge_mdda.errors import ModelError
from edge_mdda.interpreter import Operator, Tensor
from edge_mdda.model import Bundle


class Classifier:
    """A model bundle in a TFLite runtime; a class because loading takes longer than classifying.

    One classifier may be used from several Python threads: they take turns.

    Args:
        bundle: a loaded bundle, or the folder of one; the shipped one by default.
        runtime: "litert", "tflite-runtime", or "auto" for the first that is installed.
        threads: of the runtime, 1 to 64; 1 by default: more gain little beside the purification.

    Raises:
        ModelError: the bundle does not pass its checks, or the model is not what its card says.
        ParameterError: unknown runtime, or threads out of range.
        RuntimeMissingError: no runtime, or not the one asked for, is installed and works.
    """

    def __init__(
        self, bundle: Bundle | Path | str | None = None, *, runtime: str = "auto", threads: int | None = None
    ) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else model.load(bundle)
        self.threads = 1 if threads is None else threads
        self._interpreter = interpreter.open(self.bundle.model, runtime, self.threads)
        self._lock = threading.Lock()
        _expect_shape(self._interpreter.input, (1, self.bundle.height, self.bundle.width, 3), "input")
        _expect_shape(self._interpreter.output, (1, len(self.bundle.labels)), "output")

    @property
    def labels(self) -> tuple[str, ...]:
        """Class codes in the order of the outputs."""
        return self.bundle.labels

    @property
    def runtime(self) -> str:
        """The runtime in use: "litert" or "tflite-runtime"."""
        return self._interpreter.runtime

    def operators(self) -> list[Operator]:
        """The model's operators in order; none where the runtime does not tell."""
        return self._interpreter.operators()

    def logits(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Logits, float32 (classes,), of an RGB image: uint8, or float32 in [0, 1], (H, W, 3), sides ≥ 32.

        An image of another size than the model's is squashed to it.

        Raises:
            ImageError: another dtype, shape or range.
        """
        tensor = self._tensor(gate.fit(gate.check(image), self.bundle.height, self.bundle.width))
        with self._lock:
            output = self._interpreter.run(tensor)[0]
        details = self._interpreter.output
        if details.scale:
            output = (output.astype(np.float32) - np.float32(details.zero_point)) * np.float32(details.scale)
        return np.asarray(output, np.float32)

    def classify(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Probabilities, float32 (classes,) that add up to 1, of an image as `logits` takes it.

        They are softmax(logits / temperature), the temperature being fitted on validation images (Guo et al., "On
        Calibration of Modern Neural Networks", ICML 2017) and kept in the bundle's card.

        Raises:
            ImageError: another dtype, shape or range.
        """
        scaled = self.logits(image).astype(np.float64) / self.bundle.temperature
        powers = np.exp(scaled - scaled.max())
        return np.asarray(powers / powers.sum(), np.float32)

    def _tensor(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The input tensor of an image of the model's size."""
        unit = pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels
        values = unit * np.float32(self.bundle.high - self.bundle.low) + np.float32(self.bundle.low)
        details = self._interpreter.input
        if details.scale:
            limits = np.iinfo(details.dtype)
            values = np.rint(values / np.float32(details.scale)) + details.zero_point
            values = np.clip(values, limits.min, limits.max)
        return np.asarray(values[np.newaxis], details.dtype)


def _expect_shape(tensor: Tensor, shape: tuple[int, ...], side: str) -> None:
    if tensor.shape != shape:
        raise ModelError(f"expected an {side} of shape {shape} by the card and the labels, got {tensor.shape}")
