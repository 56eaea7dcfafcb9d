"""The classifiers under attack: a float checkpoint of `tools.train`, or the int8 model as it runs on a device."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge_mdda import Classifier
from edge_mdda.calibration import Calibration
from tools import checkpoint, dataset, evaluate, network, rounding


@dataclass(frozen=True)
class Victim:
    """A model by the name it has in reports, and the file it is read from.

    Attributes:
        name: as given.
        path: a checkpoint, a bundle's folder or a .tflite file.
    """

    name: str
    path: Path

    @classmethod
    def parse(cls, text: str) -> Victim:
        """NAME=PATH.

        Raises:
            ValueError: another form, or no such file.
        """
        name, separator, path = text.partition("=")
        if not (name and separator and path):
            raise ValueError(f"expected a model as NAME=PATH, got {text!r}")
        if not Path(path).exists():
            raise ValueError(f"expected a checkpoint, a bundle or a .tflite file, got {path}, which does not exist")
        return cls(name, Path(path))

    @property
    def differentiable(self) -> bool:
        """Whether attacks may use its gradients."""
        return self.path.suffix == ".ckpt"

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        return _digest(self.path, _changed(self.path))

    @property
    def side(self) -> int:
        """Of the images it takes, in pixels; a network here takes any, and was trained on 224."""
        return 224 if self.differentiable else self._classifier.bundle.height

    @property
    def calibration(self) -> Calibration | None:
        """What its attack alarm rests on; None without one."""
        return None if self.differentiable else self._classifier.bundle.calibration

    @property
    def temperature(self) -> float:
        return 1.0 if self.differentiable else self._classifier.bundle.temperature

    @property
    def network(self) -> nn.Module:
        """To attack: RGB float32 (N, 3, H, W) in [0, 1] to logits, in evaluation mode, its weights fixed."""
        return _network(self.path, _changed(self.path))

    @property
    def _classifier(self) -> Classifier:
        return _classifier(self.path, _changed(self.path))

    def logits(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Logits in the order of `dataset.CLASSES`, (classes,), of RGB (H, W, 3), uint8 or float32 in [0, 1]."""
        if not self.differentiable:
            classifier = self._classifier
            order = [classifier.labels.index(code) for code in dataset.CLASSES]
            return classifier.logits(image)[order]
        unit = np.asarray(image, np.float32) / (255 if image.dtype == np.uint8 else 1)
        with torch.no_grad():
            given = torch.from_numpy(np.ascontiguousarray(unit, np.float32)).permute(2, 0, 1)[None]
            return np.asarray(self.network(given)[0].numpy(), np.float32)


# Each process reads a model once, and again when its files are others: a cluster's workers outlive a run.


def _changed(path: Path) -> tuple[int, ...]:
    """When the files of a model were last changed, in nanoseconds."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return tuple(file.stat().st_mtime_ns for file in files)


@functools.lru_cache(maxsize=8)
def _network(path: Path, changed: tuple[int, ...]) -> nn.Module:
    trained = checkpoint.read_victim(path)
    # The same function with its batch norms folded: a third less time for a pass and its gradient.
    folded = rounding.fold(trained) if isinstance(trained, network.MobileNetV2) else trained
    return folded.requires_grad_(False).to(memory_format=torch.channels_last)


@functools.lru_cache(maxsize=8)
def _classifier(path: Path, changed: tuple[int, ...]) -> Classifier:
    return Classifier(evaluate.read_model(path))


@functools.lru_cache(maxsize=8)
def _digest(path: Path, changed: tuple[int, ...]) -> str:
    return checkpoint.digest(path) if path.suffix == ".ckpt" else evaluate.read_model(path).sha256
