"""Attacks nearer to what happens before a lens: coarse colour, rotation and shift, a patch."""

from __future__ import annotations

import foolbox
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tools.robustness import hard_label, libraries
from tools.robustness.libraries import Settings


class _LowFrequencies(nn.Module):
    """The network on an image moved by a coarse grid, bilinearly enlarged: what is attacked is the grid, in [0, 1]."""

    CELLS = 14  # a 16th of the model's side

    def __init__(self, model: nn.Module, images: torch.Tensor, radius: float):
        super().__init__()
        self.model, self.images, self.radius = model, images, radius

    def move(self, grid: torch.Tensor) -> torch.Tensor:
        # A mean of the grid's numbers with positive weights is never outside their range.
        smooth = functional.interpolate(grid * 2 - 1, self.images.shape[-2:], mode="bilinear")
        return (self.images + self.radius * smooth).clamp(0, 1)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        return self.model(self.move(grid))


def low_frequency(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """PGD on a coarse grid: what no low-pass filter takes away (Guo, Frank, Weinberger, UAI 2019)."""
    coarse = _LowFrequencies(model, images, settings.radius).eval()
    still = torch.full((len(images), 3, coarse.CELLS, coarse.CELLS), 0.5)
    return coarse.move(libraries.pgd(coarse, still, labels, Settings(255 // 2, settings.steps))).detach()


def spatial(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """The worst of a grid of rotations and shifts, in degrees and tenths of a pixel."""
    degrees = settings.strength or 0
    search = foolbox.attacks.SpatialAttack(max_rotation=degrees, max_translation=degrees / 10)
    attacked = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    return search.run(attacked, images, labels)


def patch(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """PGD without a bound inside a square of the given side, beside the middle where the lesion is."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch

    side = settings.strength or 0
    mask = np.zeros((1, *images.shape[1:]), np.float32)
    mask[:, :, 8 : 8 + side, 8 : 8 + side] = 1
    descent = ProjectedGradientDescentPyTorch(
        hard_label.classifier(model, images), eps=1.0, eps_step=0.05, max_iter=settings.steps, verbose=False
    )
    return torch.from_numpy(descent.generate(images.numpy(), labels.numpy(), mask=mask)).clamp(0, 1)
