"""The two small networks that stand in for published defences whose weights cannot be had here.

Super-resolution (Mustafa et al., IEEE Transactions on Image Processing 29, 2020) used EDSR ×2 (Lim et al., CVPR
Workshops 2017); ours is EDSR's layout, fewer and narrower blocks. The neural representation purifier, NRP (Naseer et
al., CVPR 2020), is a residual network without batch norms; so is ours. `tools.robustness.training` trains both on the
`train` split; the weights stand beside the classifiers'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

SUPER_RESOLUTION = Path("models/checkpoints/super_resolution.pt")
NRP = Path("models/checkpoints/nrp.pt")

Enlarge = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Block(nn.Module):
    """EDSR's residual block: two convolutions, no batch norm."""

    def __init__(self, channels: int):
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(functional.relu(self.first(x)))


def _silent(channels: int) -> nn.Conv2d:
    """A last convolution that adds nothing at first: without it 600 steps were not enough to be as good as bicubic."""
    tail = nn.Conv2d(channels, 12, 3, padding=1)
    nn.init.zeros_(tail.weight)
    if tail.bias is not None:
        nn.init.zeros_(tail.bias)
    return tail


class SuperResolution(nn.Module):
    """RGB (N, 3, H, W) in [0, 1] to (N, 3, 2 H, 2 W): bicubic, and what a network adds to it."""

    def __init__(self, channels: int = 24, blocks: int = 4):
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(*(Block(channels) for _ in range(blocks)))
        self.tail = _silent(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.head(x)
        detail = functional.pixel_shuffle(self.tail(self.body(features) + features), 2)
        return functional.interpolate(x, scale_factor=2, mode="bicubic") + detail


class Representation(nn.Module):
    """NRP's purifier: RGB (N, 3, H, W) in [0, 1] to the same, at half the size inside to be quick."""

    def __init__(self, channels: int = 32, blocks: int = 6):
        super().__init__()
        self.head = nn.Conv2d(12, channels, 3, padding=1)
        self.body = nn.Sequential(*(Block(channels) for _ in range(blocks)))
        self.tail = _silent(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.head(functional.pixel_unshuffle(x, 2))
        return x + functional.pixel_shuffle(self.tail(self.body(features) + features), 2)


def load_super_resolution(path: Path = SUPER_RESOLUTION) -> tuple[Enlarge, str]:
    """The trained ×2 network on float32 (H, W, 3) in [0, 1], and the SHA-256 of its file."""
    return _load(SuperResolution(), path)


def load_purifier(path: Path = NRP) -> tuple[Enlarge, str]:
    """The trained purifier on float32 (H, W, 3) in [0, 1], and the SHA-256 of its file."""
    return _load(Representation(), path)


def _load(network: nn.Module, path: Path) -> tuple[Enlarge, str]:
    if not path.is_file():
        raise FileNotFoundError(f"expected weights in {path}, got none: python -m tools.robustness train makes them")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False)

    def run(unit: NDArray[np.float32]) -> NDArray[np.float32]:
        given = torch.from_numpy(np.ascontiguousarray(unit)).permute(2, 0, 1)[None]
        return np.ascontiguousarray(network(given)[0].clamp(0, 1).permute(1, 2, 0).numpy())

    return run, hashlib.sha256(path.read_bytes()).hexdigest()


def halve(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every four pixels averaged: float32 (2 H, 2 W, 3) to (H, W, 3)."""
    height, width, channels = unit.shape
    return np.asarray(unit.reshape(height // 2, 2, width // 2, 2, channels).mean(axis=(1, 3)), np.float32)
