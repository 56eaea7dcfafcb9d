"""MDDA as a defence of the adversarial-robustness-toolbox (ART), for anybody's evaluation in it.

classifier = PyTorchClassifier(network, …, preprocessing_defences=[MDDA(EDGE)])
ProjectedGradientDescent(classifier, …).generate(images, labels)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from art.defences.preprocessor.preprocessor import Preprocessor
from numpy.typing import NDArray

from edge_mdda import EDGE, Parameters
from tools.robustness.purification import Backward, Purification


class MDDA(Preprocessor):
    """Purifies what a classifier predicts; a gradient goes back by BPDA or by the surrogate.

    Args:
        parameters, backward, seed, random: as `Purification` has them.
        channels_first: whether images are (N, 3, H, W), as PyTorch's classifiers want them, or (N, H, W, 3).
    """

    params = ("channels_first",)

    def __init__(
        self,
        parameters: Parameters = EDGE,
        backward: Backward = "identity",
        *,
        channels_first: bool = True,
        seed: int | None = None,
        random: np.random.Generator | None = None,
    ):
        super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)
        self.module = Purification(parameters, backward, seed=seed, random=random)
        self.channels_first = channels_first

    def __call__(self, x: NDArray[Any], y: Any = None) -> tuple[NDArray[np.float32], Any]:
        """Purify images, float in [0, 1]; labels pass untouched."""
        with torch.no_grad():
            return self._back(self.module(self._images(x))), y

    def estimate_gradient(self, x: NDArray[Any], grad: NDArray[Any]) -> NDArray[np.float32]:
        """The gradient at the images of what has `grad` at the purified ones."""
        images = self._images(x).requires_grad_()
        self.module(images).backward(self._images(grad))
        if images.grad is None:
            raise ValueError("expected a gradient, got none")
        return self._back(images.grad)

    def _images(self, x: NDArray[Any]) -> torch.Tensor:
        given = torch.from_numpy(np.array(x, np.float32))
        return given if self.channels_first else given.permute(0, 3, 1, 2).contiguous()

    def _back(self, images: torch.Tensor) -> NDArray[np.float32]:
        found = images if self.channels_first else images.permute(0, 2, 3, 1)
        return np.ascontiguousarray(found.numpy())
