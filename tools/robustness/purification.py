"""MDDA as a PyTorch module, for anybody's attack or training: exact forward, a way back for the gradient.

defended = torch.nn.Sequential(Purification(EDGE, backward="surrogate"), network)
torchattacks.PGD(defended, eps=4 / 255)(images, labels)
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from torch import nn

from edge_mdda import EDGE, Parameters, Purifier
from tools.robustness import surrogate

Backward = Literal["identity", "surrogate"]


class Purification(nn.Module):
    """RGB images (N, 3, H, W) float32 in [0, 1] to the same, purified as on the device, bit for bit.

    Args:
        parameters: of the purification.
        backward: "identity" takes it for the identity on the way back (BPDA: Athalye, Carlini, Wagner, ICML 2018);
            "surrogate" differentiates through `tools.robustness.surrogate`.
        seed: of the noise of every image, for one who knows it; by default each image of each pass draws its own.
        random: where those are drawn from; fresh from the operating system by default.

    Raises:
        ValueError: no such way back.
    """

    def __init__(
        self,
        parameters: Parameters = EDGE,
        backward: Backward = "identity",
        *,
        seed: int | None = None,
        random: np.random.Generator | None = None,
    ):
        super().__init__()
        if backward not in get_args(Backward):
            raise ValueError(f"expected backward out of {', '.join(get_args(Backward))}, got {backward!r}")
        self.parameters, self.backward_through, self.seed = parameters, backward, seed
        self.random = random or np.random.default_rng()
        self.purifier = Purifier(parameters, threads=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seeds = [int(self.random.integers(2**63)) if self.seed is None else self.seed for _ in images]
        pixels = images.detach().permute(0, 2, 3, 1).contiguous().numpy()
        purified = np.stack([self.purifier.purify(each, seed) for each, seed in zip(pixels, seeds, strict=True)])
        exact = torch.from_numpy(purified).permute(0, 3, 1, 2)
        if not (images.requires_grad and torch.is_grad_enabled()):
            return exact
        soft = images if self.backward_through == "identity" else surrogate.purify(images, self.parameters, seeds)
        return soft + (exact - soft).detach()
