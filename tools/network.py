"""The networks that are trained here: MobileNetV2, and ResNet50 to attack from.

MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018) is laid out so that it
converts to a full-integer TFLite model with nothing left over. It takes RGB in [0, 1]: the [-1, 1] normalisation of the
pretrained weights is folded into the first convolution, so no caller can place it wrongly and an int8 input tensor is
simply `pixel - 128`.

ResNet50 (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the paper's other victim) is never
converted. It is MONAI's: torchvision's wheel on PyPI does not import beside a CPU build of torch, and timm needs it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# (expansion, output channels, repeats, first stride): table 2 of the MobileNetV2 paper.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
BATCH_NORM_EPSILON = 1e-3


def _channels(channels: int, width: float) -> int:
    """Round a scaled channel count to a multiple of 8 without losing more than 10 % (MobileNetV2 reference code)."""
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * width else rounded


class ConvBatchNorm(nn.Sequential):
    """Convolution, batch norm and optionally ReLU6, padded as Keras pads: right and bottom alone at stride 2."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True):
        layers: list[nn.Module] = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
        padding = kernel // 2 if stride == 1 else 0
        layers += [
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPSILON, momentum=0.03),
        ]
        super().__init__(*layers, *([nn.ReLU6()] if relu else []))

    @property
    def convolution(self) -> nn.Conv2d:
        return next(layer for layer in self if isinstance(layer, nn.Conv2d))

    @property
    def batch_norm(self) -> nn.BatchNorm2d:
        return next(layer for layer in self if isinstance(layer, nn.BatchNorm2d))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvBatchNorm(inputs, hidden) if expansion != 1 else None
        self.depthwise = ConvBatchNorm(hidden, hidden, kernel=3, stride=stride, groups=hidden)
        self.project = ConvBatchNorm(hidden, outputs, relu=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.expand(x) if self.expand is not None else x
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """MobileNetV2 with a linear head: RGB float32 (N, 3, H, W) in [0, 1] to logits float32 (N, classes)."""

    def __init__(self, classes: int, width: float = 1.0, dropout: float = 0.2):
        super().__init__()
        inputs = _channels(32, width)
        self.stem = ConvBatchNorm(3, inputs, kernel=3, stride=2)
        blocks = []
        for expansion, channels, repeats, first_stride in STAGES:
            outputs = _channels(channels, width)
            for repeat in range(repeats):
                blocks.append(InvertedResidual(inputs, outputs, first_stride if repeat == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        features = _channels(1280, max(1.0, width))
        self.top = ConvBatchNorm(inputs, features)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.top(self.blocks(self.stem(x)))
        y = functional.adaptive_avg_pool2d(y, 1).flatten(1)
        return self.head(self.dropout(y))


class ResNet50(nn.Module):
    """ResNet50 with its normalisation inside: RGB float32 (N, 3, H, W) in [0, 1] to logits float32 (N, classes).

    It sees every image at the size it learns from (its recipe's), so that one of the size of another network can be
    attacked through it.
    """

    SIDE = 64

    # Of ImageNet's images, as everywhere; trained from scratch, any numbers near these would do.
    MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __init__(self, classes: int, dropout: float = 0.0):
        from monai.networks.nets.resnet import resnet50  # takes ten seconds to import, and only this needs it

        super().__init__()
        self.register_buffer("mean", torch.tensor(self.MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(self.DEVIATION)[:, None, None], persistent=False)
        # MONAI's defaults are for volumes; a kernel of 7 with a stride of 2 is the stem of the paper.
        self.features = resnet50(
            spatial_dims=2, n_input_channels=3, conv1_t_size=7, conv1_t_stride=2, feed_forward=False
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2048, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2:] != (self.SIDE, self.SIDE):
            x = functional.interpolate(x, (self.SIDE, self.SIDE), mode="bilinear", antialias=True)
        return self.head(self.dropout(self.features((x - self.mean) / self.deviation)))


def build(name: str, classes: int, width: float, dropout: float) -> nn.Module:
    """A network by the name it has in a recipe; `width` is that of MobileNetV2."""
    if name == "resnet50":
        return ResNet50(classes, dropout)
    return MobileNetV2(classes, width, dropout)


def load_backbone(network: MobileNetV2, weights: Path) -> None:
    """Load a Keras-named MobileNetV2 1.0 backbone (`<layer>/<variable>` arrays in an .npz file, input in [-1, 1]).

    Raises ValueError when an array is missing, left over or of the wrong shape.
    """
    arrays = dict(np.load(weights))
    layers = [("Conv1", "bn_Conv1", network.stem), ("Conv_1", "Conv_1_bn", network.top)]
    for index, block in enumerate(network.blocks):
        prefix = "expanded_conv" if index == 0 else f"block_{index}"
        for part in ("expand", "depthwise", "project"):
            layer = getattr(block, part)
            if layer is not None:
                layers.append((f"{prefix}_{part}", f"{prefix}_{part}_BN", layer))
    with torch.no_grad():
        for convolution, batch_norm, layer in layers:
            kernel = _take(arrays, f"{convolution}/kernel", weights)
            # Keras keeps kernels HWIO, depthwise kernels HWC1; PyTorch wants OIHW and C1HW.
            axes = (2, 3, 0, 1) if layer.convolution.groups > 1 else (3, 2, 0, 1)
            _assign(layer.convolution.weight, kernel.transpose(axes), convolution)
            for source, target in (
                ("gamma", layer.batch_norm.weight),
                ("beta", layer.batch_norm.bias),
                ("moving_mean", layer.batch_norm.running_mean),
                ("moving_variance", layer.batch_norm.running_var),
            ):
                _assign(target, _take(arrays, f"{batch_norm}/{source}", weights), f"{batch_norm}/{source}")
        # Fold x -> 2x - 1 into the stem: twice the kernel, and the constant -sum(kernel) into the mean it subtracts.
        stem = network.stem
        stem.batch_norm.running_mean += stem.convolution.weight.sum((1, 2, 3))
        stem.convolution.weight *= 2
    if arrays:
        raise ValueError(f"expected only MobileNetV2 arrays in {weights}, got also {sorted(arrays)[:3]}")


def _take(arrays: dict[str, np.ndarray], name: str, weights: Path) -> np.ndarray:
    if name not in arrays:
        raise ValueError(f"expected an array {name} in {weights}, got none")
    return arrays.pop(name)


def _assign(target: torch.Tensor, array: np.ndarray, name: str) -> None:
    if tuple(target.shape) != array.shape:
        raise ValueError(f"expected shape {tuple(target.shape)} for {name}, got {array.shape}")
    target.copy_(torch.from_numpy(np.ascontiguousarray(array)))
