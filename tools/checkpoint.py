"""A trained network read back from a checkpoint of `tools.train`, or kept for others without what a training adds.

    python -m tools.checkpoint runs/plain/best.ckpt --out models/checkpoints/plain.ckpt

`--half` halves the file: the weights are rounded to float16, and read back as float32.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import nn

from tools import atomic, dataset, network

_PREFIX = "network."
_LAST_PROJECTION = f"blocks.{sum(repeats for _, _, repeats, _ in network.STAGES) - 1}.project.0.weight"
_RESNET_STEM = "features.conv1.weight"


def read(path: Path) -> network.MobileNetV2:
    """Read a checkpoint's network, in evaluation mode; its width is told from the shapes of its weights.

    Raises:
        ValueError: the checkpoint holds no MobileNetV2 with one output a class of `dataset.CLASSES`.
    """
    weights = _weights(path)
    if _LAST_PROJECTION not in weights:
        raise ValueError(f"expected a MobileNetV2 checkpoint of tools.train, got {path} without {_LAST_PROJECTION}")
    width = weights[_LAST_PROJECTION].shape[0] / network.STAGES[-1][1]
    trained = network.MobileNetV2(len(dataset.CLASSES), width)
    _load(trained, weights, f"a MobileNetV2 of width {width:g} in {path}")
    return trained.eval()


def read_victim(path: Path) -> nn.Module:
    """Read a checkpoint's network to attack it, a ResNet50 or what `read` takes, in evaluation mode."""
    weights = _weights(path)
    if _RESNET_STEM not in weights:
        return read(path)
    trained = network.ResNet50(len(dataset.CLASSES))
    _load(trained, weights, f"a ResNet50 in {path}")
    return trained.eval()


def _weights(path: Path) -> dict[str, torch.Tensor]:
    state = torch.load(path, map_location="cpu", weights_only=True).get("state_dict", {})
    return {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}


def _load(trained: nn.Module, weights: dict[str, torch.Tensor], expected: str) -> None:
    try:
        trained.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"expected {expected}, got: {error}") from None


def digest(path: Path) -> str:
    """SHA-256 of a checkpoint's weights alone: the same with the state of its training as without."""
    found = hashlib.sha256()
    for name, value in sorted(_weights(path).items()):
        found.update(name.encode())
        found.update(value.numpy().tobytes())
    return found.hexdigest()


def save(weights: dict[str, torch.Tensor], path: Path, half: bool = False) -> None:
    """Write a network's weights as a checkpoint that `read` and `tools.train --weights` take."""
    state = {
        f"{_PREFIX}{name}": value.half() if half and value.is_floating_point() else value.clone()
        for name, value in weights.items()
    }
    buffer = io.BytesIO()
    torch.save({"state_dict": state}, buffer)
    atomic.write(path, buffer.getvalue())


def main(
    source: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint of tools.train.")],
    out: Annotated[Path, typer.Option(help="The checkpoint without the state of its training.")],
    half: Annotated[bool, typer.Option("--half", help="Round the weights to float16.")] = False,
) -> None:
    """Keep the weights of a checkpoint alone."""
    weights = _weights(source)
    if not weights:
        raise typer.BadParameter(f"expected a checkpoint of tools.train, got {source} without weights of a network")
    save(weights, out, half)
    typer.echo(f"{source.stat().st_size:,} bytes before, {out.stat().st_size:,} after")


if __name__ == "__main__":
    typer.run(main)
