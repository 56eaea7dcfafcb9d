"""Spread the channels of each activation over the whole int8 range before a network is quantised.

An activation tensor has one scale for all of its channels, set by the widest; a channel a tenth as wide keeps 25 of
256 levels. Multiplying a channel by s where it is made and dividing by s where it is used changes nothing in float32,
because ReLU6 commutes with a positive s as long as the channel stays below 6, and it costs nothing in int8 where the
weights have a scale of their own per channel, as in every layer that makes a channel and in depthwise ones. The idea
is that of Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, with
ranges measured on images, for ReLU6 too. Where the next layer mixes channels its weights pay for it, having one scale
for a row; together it pays: of the plain recipe's model, on 150 images of `val`, the int8 logits are 1.20 steps (root
mean square) from float without it and 1.12 with it, and the top class is that of float on 98.7 % and 99.3 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from tools import network

RELU6_LIMIT = 6.0
# An image unlike the representative ones may reach a little further before ReLU6 cuts it.
HEADROOM = 1.1
MOST = 64.0  # a channel that is nearly dead stays nearly dead


@dataclass(frozen=True)
class Seam:
    """One activation: the layers whose output channels it is, and the layers whose inputs it is."""

    made_by: tuple[nn.Conv2d, ...]
    used_by: tuple[nn.Conv2d | nn.Linear, ...]
    watched: tuple[nn.Module, ...]  # the modules whose output is the activation
    limited: bool  # by ReLU6


@torch.inference_mode()
def equalise(folded: network.MobileNetV2, images: torch.Tensor) -> None:
    """Rescale the channels of a folded network (`rounding.fold`), in place.

    What it computes stays the same on images in which no channel before a ReLU6 reaches `HEADROOM` times as far as on
    these; beyond that the channel is cut early.

    Args:
        folded: as `rounding.fold` returns it.
        images: representative RGB, float32 (N, 3, H, W) in [0, 1].
    """
    for seam, reach in zip(seams(folded), reaches(folded, images), strict=True):
        target = RELU6_LIMIT / HEADROOM if seam.limited else reach.max()
        factor = torch.where(reach > 0, target / reach, 1).clamp(1, MOST)
        for layer in seam.made_by:
            layer.weight *= factor[:, None, None, None]
            layer.bias *= factor
        for layer in seam.used_by:
            depthwise = isinstance(layer, nn.Conv2d) and layer.groups > 1
            shape = (-1, 1) if depthwise else (1, -1)
            layer.weight /= factor.view(shape + (1,) * (layer.weight.dim() - 2))


def seams(folded: network.MobileNetV2) -> Iterator[Seam]:
    """Every activation between two layers with weights; the blocks joined by residual sums share one."""
    made_by, used_by, watched = [folded.stem.convolution], [], [folded.stem]
    limited = True
    for block in folded.blocks:
        first = block.expand if block.expand is not None else block.depthwise
        used_by.append(first.convolution)
        if not block.residual:
            yield Seam(tuple(made_by), tuple(used_by), tuple(watched), limited)
            made_by, used_by, watched, limited = [], [], [], False
        if block.expand is not None:
            yield Seam((block.expand.convolution,), (block.depthwise.convolution,), (block.expand,), True)
        yield Seam((block.depthwise.convolution,), (block.project.convolution,), (block.depthwise,), True)
        made_by.append(block.project.convolution)
        watched.append(block)
    yield Seam(tuple(made_by), (*used_by, folded.top.convolution), tuple(watched), limited)
    yield Seam((folded.top.convolution,), (folded.head,), (folded.top,), True)


@torch.inference_mode()
def reaches(folded: network.MobileNetV2, images: torch.Tensor) -> list[torch.Tensor]:
    """The largest magnitude of every channel of every seam on the images: float32 (channels,) each."""
    found: dict[nn.Module, torch.Tensor] = {}

    def watch(module: nn.Module, _: object, output: torch.Tensor) -> None:
        reach = output.abs().amax((0, 2, 3))
        found[module] = torch.maximum(found.get(module, reach), reach)

    everything = list(seams(folded))
    hooks = [module.register_forward_hook(watch) for seam in everything for module in seam.watched]
    for batch in images.split(8):
        folded(batch)
    for hook in hooks:
        hook.remove()
    return [torch.stack([found[module] for module in seam.watched]).amax(0) for seam in everything]
