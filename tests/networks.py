"""A small network and images for it, for the tests of what conversion does to one."""

from __future__ import annotations

import torch
from torch.nn import functional

from tools import network


def trained_like(seed=0):
    """A small random network whose batch norms are neither identities nor alike."""
    torch.manual_seed(seed)
    small = network.MobileNetV2(8, width=0.35).eval()
    with torch.no_grad():
        for layer in small.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 2)
                layer.bias.uniform_(-0.5, 0.5)
                layer.running_mean.uniform_(-0.1, 0.1)
                layer.running_var.uniform_(0.05, 1)
    return small


def images(count, side=48):
    """Smooth images: what makes nearly cancelling weights sensitive to rounding."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(count))
    return functional.interpolate(coarse, (side, side), mode="bilinear")
