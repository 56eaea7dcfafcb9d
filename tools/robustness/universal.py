"""One perturbation for all images (Moosavi-Dezfooli et al., CVPR 2017), made on `val` and tried on other images.

PGD on the perturbation itself, its loss a mean over images drawn for each step (Shafahi et al., "Universal Adversarial
Training", AAAI 2020): foolbox's PGD, handed the network behind such a mean. The adversarial-robustness-toolbox has the
older algorithm, which goes on image by image and is far weaker: it left the network that we ship nearly all of its
accuracy at 8/255. It is made once for a network and a radius, before the images' jobs, and kept in the store.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tools import atomic, attack
from tools.robustness.attacks import ATTACKS
from tools.robustness.libraries import Settings

#: Steps, and images drawn for each.
STEPS, DRAWN = 100, 20
#: Images of `val` it is made on.
IMAGES = 256
#: What an image counts at most once it is misread, in logits: those that are not are worth more.
MARGIN = 2.0


class _Moved(nn.Module):
    """How surely a network is right about images that are all moved alike, a mean over some that are drawn anew.

    It takes the perturbation as an image (1, 3, H, W) in [0, 1], of which 1/2 is none, and gives two logits: the mean
    margin of the right class, and 0.
    """

    def __init__(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor):
        super().__init__()
        self.network, self.images, self.labels = network, images, labels

    def forward(self, perturbation: torch.Tensor) -> torch.Tensor:
        drawn = torch.randperm(len(self.images))[:DRAWN]
        logits = self.network((self.images[drawn] + perturbation - 0.5).clamp(0, 1))
        right = self.labels[drawn, None]
        others = logits.scatter(1, right, -torch.inf).amax(1)
        margin = (logits.gather(1, right)[:, 0] - others).clamp(min=-MARGIN).mean()
        return torch.stack([margin, torch.zeros(())])[None]


def make(
    network: nn.Module,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    levels: int,
    steps: int = STEPS,
    seed: int = 0,
) -> NDArray[np.int16]:
    """A perturbation in 1/255, int16 (H, W, 3) in [-levels, levels], that drives many images from their class.

    Args:
        network: RGB float32 (N, 3, H, W) in [0, 1] to logits, in evaluation mode.
        pixels: uint8 RGB (N, H, W, 3).
        labels: indices of their classes, (N,).
        levels: the radius in L∞, up to 127.
    """
    images, settings = attack.to_unit(pixels), Settings(levels, steps)
    moved = _Moved(network, images, torch.from_numpy(labels)).eval()
    still, right = torch.full_like(images[:1], 0.5), torch.zeros(1, dtype=torch.int64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = ATTACKS["pgd"].run(moved, still, right, settings)[0]
    return (found - 0.5).mul(255).round().clamp(-levels, levels).permute(1, 2, 0).numpy().astype(np.int16)


def path(folder: Path, key: str) -> Path:
    return folder / "universal" / f"{key}.npy"


def write(folder: Path, key: str, perturbation: NDArray[np.int16]) -> None:
    """Keep a perturbation in a store's folder."""
    content = io.BytesIO()
    np.save(content, perturbation)
    atomic.write(path(folder, key), content.getvalue())


def read(folder: Path, key: str) -> NDArray[np.int16]:
    """Read one back; FileNotFoundError where it was not made."""
    return np.asarray(np.load(path(folder, key)), np.int16)
