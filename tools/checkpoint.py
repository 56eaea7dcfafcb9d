"""A trained network read back from a checkpoint of `tools.train`."""

from __future__ import annotations

from pathlib import Path

import torch

from tools import dataset, network

_PREFIX = "network."
_LAST_PROJECTION = f"blocks.{sum(repeats for _, _, repeats, _ in network.STAGES) - 1}.project.0.weight"


def read(path: Path) -> network.MobileNetV2:
    """Read a checkpoint's network, in evaluation mode; its width is told from the shapes of its weights.

    Raises:
        ValueError: the checkpoint holds no MobileNetV2 with one output a class of `dataset.CLASSES`.
    """
    state = torch.load(path, map_location="cpu", weights_only=True).get("state_dict", {})
    weights = {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}
    if _LAST_PROJECTION not in weights:
        raise ValueError(f"expected a MobileNetV2 checkpoint of tools.train, got {path} without {_LAST_PROJECTION}")
    width = weights[_LAST_PROJECTION].shape[0] / network.STAGES[-1][1]
    trained = network.MobileNetV2(len(dataset.CLASSES), width)
    try:
        trained.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"expected a MobileNetV2 of width {width:g} in {path}, got: {error}") from None
    return trained.eval()
