"""Attackers who know the defence: the network behind it, with a way back for the gradient.

"identity" is BPDA as in `tools.adversary` (Athalye, Carlini, Wagner, ICML 2018): exact forward, the identity backward.
"surrogate" goes back through `tools.robustness.surrogate`, the unrolled total variation steps; forward it is exact as
well. Both average the logits over several draws of the noise (expectation over transformation). "seed" knows the draw.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edge_mdda import Parameters, Purifier
from tools import adversary
from tools.robustness import surrogate
from tools.robustness.attacks import View
from tools.robustness.defences import Defence


class Through(nn.Module):
    """A network behind MDDA: exact forward, the surrogate's gradient backward.

    Args:
        network: RGB float32 (N, 3, H, W) in [0, 1] to logits.
        parameters: of the purification.
        random: where every pass draws seeds from.
        seed: known, instead of drawn.
    """

    def __init__(
        self, network: nn.Module, parameters: Parameters, random: np.random.Generator, seed: int | None = None
    ):
        super().__init__()
        self.network, self.parameters, self.random, self.seed = network, parameters, random, seed
        self.purifier = Purifier(parameters, threads=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seeds = [int(self.random.integers(2**63)) if self.seed is None else self.seed for _ in images]
        soft = surrogate.purify(images, self.parameters, seeds)
        pixels = images.detach().permute(0, 2, 3, 1).contiguous().numpy()
        exact = np.stack([self.purifier.purify(each, seed) for each, seed in zip(pixels, seeds, strict=True)])
        return self.network(soft + (torch.from_numpy(exact).permute(0, 3, 1, 2) - soft).detach())


class Looks(nn.Module):
    """The mean logits of several passes through a module that draws noise, as one batch."""

    def __init__(self, model: nn.Module, looks: int):
        super().__init__()
        self.model, self.looks = model, looks

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.model(images.repeat_interleave(self.looks, dim=0))
        return logits.unflatten(0, (len(images), self.looks)).mean(1)


def defended(network: nn.Module, defence: Defence, view: View, *, looks: int, seed: int, known_seed: int) -> nn.Module:
    """The network behind MDDA as an attacker with this view of it differentiates through it.

    Args:
        seed: of the attacker's own draws.
        known_seed: of the defender's noise, for the view "seed".

    Raises:
        ValueError: the defence is not MDDA alone, or the view is not an aware one.
    """
    parameters = defence.parameters
    if parameters is None or defence.settings["apart"]:
        raise ValueError(f"expected MDDA to attack with knowledge of it, got {defence.name}")
    random = np.random.default_rng(seed)
    if view == "identity":
        purifier = Purifier(parameters, threads=1)
        # As many as the batches that libraries make of restarts and targets: `Defended` takes as many as it needs.
        return Looks(adversary.Defended(network, _Always(purifier), random), looks)
    if view == "surrogate":
        return Looks(Through(network, parameters, random), looks)
    if view == "seed":
        return Through(network, parameters, random, known_seed)
    raise ValueError(f"expected the view identity, surrogate or seed, got {view}")


class _Always:
    """The same purifier for each image of a batch of any size; iterable anew for every batch."""

    def __init__(self, purifier: Purifier):
        self.purifier = purifier

    def __iter__(self):
        while True:
            yield self.purifier
