"""Round a network's weights to int8 so that its layers' outputs, not its weights, change least.

Rounding each weight to the nearest step is what quantizers do. It hurts where large weights nearly cancel: in the first
depthwise convolution of MobileNetV2 a rounding error of half a step, the same over a smooth region, shifts whole
channels. Here each output channel's errors e are chosen to minimise eᵀCe, C being the covariance of the layer's inputs
on representative images, by coordinate descent over the steps (the objective of Nagel et al., "Up or Down? Adaptive
Rounding for Post-Training Quantization", ICML 2020); what the errors add on the mean goes into the bias, as in Nagel et
al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional

from tools import network

LEVELS = 127  # symmetric int8: -127…127
SWEEPS = 4  # over all weights of a channel; few move after the second
# A layer is watched at about this many output rows and columns of each image, a grid that shifts from image to image.
GRID = 16
# Added to the diagonal of the covariance, relative to its mean: keeps inputs that never vary on the images from
# drifting freely.
DAMPING = 1e-4


def fold(trained: network.MobileNetV2) -> network.MobileNetV2:
    """A copy of a network in evaluation mode whose batch norms are merged into the convolutions before them."""
    folded = copy.deepcopy(trained).eval()
    for layer in folded.modules():
        if isinstance(layer, network.ConvBatchNorm):
            position = list(layer).index(layer.convolution)
            layer[position] = nn.utils.fuse_conv_bn_eval(layer.convolution, layer.batch_norm)
            layer[position + 1] = nn.Identity()
    return folded


@torch.inference_mode()
def refine(folded: network.MobileNetV2, images: torch.Tensor) -> None:
    """Move the weights of a folded network to int8 steps of max|w|/127 per output channel, in place.

    Args:
        folded: as `fold` returns it; left in float32, with weights that any symmetric per-channel quantizer keeps.
        images: representative RGB, float32 (N, 3, H, W) in [0, 1].
    """
    layers = [layer for layer in folded.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    watched = {layer: Moments() for layer in layers}
    hooks = [layer.register_forward_pre_hook(watched[layer].add) for layer in layers]
    for image in images.split(1):
        folded(image)
    for hook in hooks:
        hook.remove()
    for layer in layers:
        round_layer(layer, *watched[layer].finish())


@torch.inference_mode()
def round_layer(layer: nn.Conv2d | nn.Linear, mean: torch.Tensor, covariance: torch.Tensor) -> None:
    """Move the weights of one layer to int8 steps, and into its bias what that adds on the mean, in place.

    Args:
        mean: of the layer's inputs, as `Moments.finish` returns it.
        covariance: of the layer's inputs, likewise.
    """
    weights = layer.weight.flatten(1)
    rounded = descend(weights, covariance)
    layer.bias -= ((rounded - weights) * mean).sum(1)
    layer.weight.copy_(rounded.view_as(layer.weight))


def descend(weights: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Round weights to steps of max|w|/127 per row so that eᵀCe is small for each row's errors e.

    Args:
        weights: float32 (rows, inputs).
        covariance: of the inputs, float32 (rows or 1, inputs, inputs).

    Returns:
        Rounded weights, float32 (rows, inputs); each row keeps its largest weight, and so its step.
    """
    step = (weights.abs().amax(1, keepdim=True) / LEVELS).clamp_min(torch.finfo(weights.dtype).tiny)
    scaled = weights / step
    levels = scaled.round()
    fixed = levels.abs() == LEVELS
    errors = levels - scaled
    diagonal = covariance.diagonal(dim1=1, dim2=2)
    damping = DAMPING * diagonal.mean(1) + torch.finfo(weights.dtype).tiny
    for _ in range(SWEEPS):
        for position in range(weights.shape[1]):
            # Half the slope of the damped eᵀCe along this weight; a division by the curvature leads to its minimum.
            row = covariance[:, position]
            slope = errors @ row[0] if len(row) == 1 else (errors * row).sum(1)
            slope += damping * errors[:, position]
            target = levels[:, position] - (slope / (diagonal[:, position] + damping)).round()
            target = torch.where(fixed[:, position], levels[:, position], target.clamp(-LEVELS, LEVELS))
            errors[:, position] += target - levels[:, position]
            levels[:, position] = target
    return levels * step


class Moments:
    """Mean and covariance of what a layer's weights see; a class because a hook fills it image by image.

    Groups are 1, or the channels of a depthwise convolution; inputs are the weights of one output channel.
    """

    def __init__(self) -> None:
        self.images = self.count = 0
        self.total: torch.Tensor | float = 0.0
        self.products: torch.Tensor | float = 0.0

    def add(self, layer: nn.Module, arguments: tuple[torch.Tensor]) -> None:
        """Forward pre-hook of a convolution or linear layer."""
        seen = _patches(layer, arguments[0], self.images)
        self.images += 1
        self.count += seen.shape[2]
        self.total = self.total + seen.sum(2, dtype=torch.float64)
        self.products = self.products + (seen @ seen.transpose(1, 2)).double()

    def finish(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean, float32 (groups, inputs), and covariance, float32 (groups, inputs, inputs)."""
        mean = self.total / self.count
        covariance = self.products / self.count - mean[:, :, None] * mean[:, None, :]
        return mean.float(), covariance.float()


def _patches(layer: nn.Module, x: torch.Tensor, shift: int) -> torch.Tensor:
    """What a grid of a layer's output positions sees: (groups, inputs, positions)."""
    if not isinstance(layer, nn.Conv2d):
        return x.T[None]
    vertical, horizontal = layer.padding
    x = functional.pad(x, (horizontal, horizontal, vertical, vertical))
    stride = layer.stride[0]
    every = max(1, x.shape[2] // stride // GRID)
    first = shift % every * stride
    columns = functional.unfold(x[:, :, first:, first:], layer.kernel_size, stride=every * stride)
    return columns.transpose(0, 1).reshape(layer.groups, columns.shape[1] // layer.groups, -1)
