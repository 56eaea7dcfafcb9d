"""Make a narrower MobileNetV2 of a trained one, as a start for training: only width 1.0 has pretrained weights.

    python -m tools.thinning models/checkpoints/purified.ckpt --width 0.5 --out runs/small/start.ckpt

Of every set of channels that stand for the same thing (a residual stage, or the inner channels of a block) the most
important ones stay. How important a channel is: the scale of its batch norm (Liu et al., "Learning Efficient
Convolutional Networks through Network Slimming", ICCV 2017) times the L1 norm of the weights that read it (Li et al.,
"Pruning Filters for Efficient ConvNets", ICLR 2017), summed over the layers that write to it and read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from tools import checkpoint, dataset, network, recipe


def thin(trained: network.MobileNetV2, width: float) -> network.MobileNetV2:
    """A MobileNetV2 of a smaller width with the most important channels of a trained one.

    Raises:
        ValueError: a layer would have to grow.
    """
    thinned = network.MobileNetV2(trained.head.out_features, width)
    # What the blocks of a stage read and write is one set of channels, since they add to each other.
    stage: list[tuple[network.InvertedResidual, network.InvertedResidual]] = []
    kept = _most_important(
        _written(trained.stem) * _read(trained.blocks[0].depthwise) * _read(trained.blocks[0].project),
        thinned.stem.convolution.out_channels,
    )
    _copy(trained.stem, thinned.stem, kept, torch.arange(3))
    blocks = list(zip(trained.blocks, thinned.blocks, strict=True))
    for position, pair in enumerate(blocks):
        stage.append(pair)
        following = trained.blocks[position + 1] if position + 1 < len(blocks) else None
        if following is not None and following.residual:
            continue
        written = sum(_written(block.project) for block, _ in stage)
        readers = [block.expand for block, _ in stage[1:]] + [trained.top if following is None else following.expand]
        read = sum(_read(reader) for reader in readers)
        outputs = _most_important(written * read, pair[1].project.convolution.out_channels)
        for source, target in stage:
            _thin_block(source, target, kept, outputs)
            kept = outputs
        stage = []
    features = _most_important(
        _written(trained.top) * trained.head.weight.detach().abs().sum(0), thinned.top.convolution.out_channels
    )
    _copy(trained.top, thinned.top, features, kept)
    with torch.no_grad():
        thinned.head.weight.copy_(trained.head.weight[:, features])
        thinned.head.bias.copy_(trained.head.bias)
    return thinned.eval()


def _thin_block(
    source: network.InvertedResidual, target: network.InvertedResidual, inputs: torch.Tensor, outputs: torch.Tensor
) -> None:
    if source.expand is None or target.expand is None:  # the first block works on its inputs themselves
        hidden = inputs
    else:
        importance = _written(source.depthwise) * _read(source.project)
        hidden = _most_important(importance, target.depthwise.convolution.out_channels)
        _copy(source.expand, target.expand, hidden, inputs)
    _copy(source.depthwise, target.depthwise, hidden, torch.zeros(1, dtype=torch.long))
    _copy(source.project, target.project, outputs, hidden)


def _written(layer: network.ConvBatchNorm) -> torch.Tensor:
    """How strongly a layer writes to each of its output channels."""
    return layer.batch_norm.weight.detach().abs()


def _read(layer: network.ConvBatchNorm) -> torch.Tensor:
    """How strongly a layer reads each of its input channels."""
    weights = layer.convolution.weight.detach().abs()
    return weights.sum((1, 2, 3)) if layer.convolution.groups > 1 else weights.sum((0, 2, 3))


def _most_important(importance: torch.Tensor, count: int) -> torch.Tensor:
    """The positions of the highest values, in ascending order."""
    if count > len(importance):
        raise ValueError(f"expected a smaller width, got a layer with {count} channels made of {len(importance)}")
    return importance.topk(count).indices.sort().values


def _copy(
    source: network.ConvBatchNorm, target: network.ConvBatchNorm, outputs: torch.Tensor, inputs: torch.Tensor
) -> None:
    with torch.no_grad():
        target.convolution.weight.copy_(source.convolution.weight[outputs][:, inputs])
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(target.batch_norm, name).copy_(getattr(source.batch_norm, name)[outputs])


def main(
    source: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint of tools.train.")],
    width: Annotated[float, typer.Option(help="Width of the thinned network.")],
    out: Annotated[Path, typer.Option(help="Its checkpoint, for tools.train --weights.")],
) -> None:
    """Write a checkpoint of the most important channels of a trained MobileNetV2."""
    if width not in recipe.WIDTHS:
        raise typer.BadParameter(f"expected a width out of {', '.join(map(str, recipe.WIDTHS))}, got {width:g}")
    trained = checkpoint.read(source)
    try:
        thinned = thin(trained, width)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    checkpoint.save(thinned.state_dict(), out)
    before, after = (sum(value.numel() for value in built.parameters()) for built in (trained, thinned))
    typer.echo(f"{before:,} weights before, {after:,} after, {len(dataset.CLASSES)} classes")


if __name__ == "__main__":
    typer.run(main)
