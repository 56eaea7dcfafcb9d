"""A PyTorch module as a source: what every format but TensorFlow's is turned into on the way to TFLite."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import litert_torch
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tools.preparation import Preparation


@dataclass(frozen=True)
class Module:
    """A module of one image to logits or probabilities (1, classes), in evaluation mode; see `tools.source.Source`."""

    kind: str
    network: nn.Module
    layout: str
    height: int
    width: int

    @torch.no_grad()
    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs, float32 (N, classes), of prepared images, float32 (N, H, W, 3), one at a time."""
        axes = (0, 3, 1, 2) if self.layout == "NCHW" else (0, 1, 2, 3)
        single = torch.from_numpy(np.ascontiguousarray(images.transpose(axes))).split(1)
        return np.concatenate([self.network(image).detach().numpy() for image in single])

    def to_float(self, preparation: Preparation) -> bytes:
        """A float32 .tflite model of one RGB image in [0, 1], (1, H, W, 3)."""
        prepared = ChannelsLast(self.network, preparation, self.layout)
        with contextlib.redirect_stdout(io.StringIO()):  # the converter's own progress
            return litert_torch.convert(prepared, (torch.zeros(1, self.height, self.width, 3),)).model_content()


class ChannelsLast(nn.Module):
    """A network that takes RGB in [0, 1] as TFLite does, NHWC; its transposes are folded away by the conversion.

    The preparation is one 1×1 convolution: colour order, range, mean and deviation together cost one operator, whose
    int8 weights are exact, each channel having a single one and a scale of its own.
    """

    def __init__(self, network: nn.Module, preparation: Preparation, layout: str):
        super().__init__()
        self.network = network
        self.layout = layout
        self.first: nn.Conv2d | None = None
        if not preparation.is_identity:
            self.first = nn.Conv2d(3, 3, 1)
            matrix, offset = preparation.affine()
            with torch.no_grad():
                self.first.weight.copy_(torch.from_numpy(matrix)[:, :, None, None])
                self.first.bias.copy_(torch.from_numpy(offset))
        self.training = False  # the network is in evaluation mode already; an exported program refuses to be told so

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.permute(0, 3, 1, 2)
        if self.first is not None:
            x = self.first(x)
        return self.network(x if self.layout == "NCHW" else x.permute(0, 2, 3, 1))
