"""Attackers who know the defence: the network behind it, with a way back for the gradient.

The views "identity" and "surrogate" are the two ways back of `tools.robustness.purification`, and average the logits
over several draws of the noise (expectation over transformation: Athalye et al., "Synthesizing Robust Adversarial
Examples", ICML 2018). "seed" knows the draw, and goes back through the surrogate. "alarm" faces `--purify auto`, whose
alarm compares the two verdicts: it misleads both at once.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tools.robustness.attacks import View
from tools.robustness.defences import Defence
from tools.robustness.purification import Purification


class Looks(nn.Module):
    """The mean logits of several passes through a module that draws noise, as one batch."""

    def __init__(self, model: nn.Module, looks: int):
        super().__init__()
        self.model, self.looks = model, looks

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.model(images.repeat_interleave(self.looks, dim=0))
        return logits.unflatten(0, (len(images), self.looks)).mean(1)


class Alike(nn.Module):
    """The logits of an image as it came or purified, whichever are misled less: what misleads both silences an alarm.

    The mean of the two would be misled through the image as it came, which is the easy part.
    """

    def __init__(self, network: nn.Module, behind: nn.Module, label: int):
        super().__init__()
        self.network, self.behind, self.label = network, behind, label

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        both = self.network(images), self.behind(images)
        came, purified = (logits.log_softmax(1)[:, self.label, None] for logits in both)
        return torch.where(came > purified, *both)


def defended(
    network: nn.Module, defence: Defence, view: View, *, label: int, looks: int, seed: int, known_seed: int
) -> nn.Module:
    """The network behind MDDA as an attacker with this view of it differentiates through it.

    Args:
        network: RGB float32 (N, 3, H, W) in [0, 1] to logits.
        label: the class of the image, for the view "alarm".
        looks: passes averaged.
        seed: of the attacker's own draws.
        known_seed: of the defender's noise, for the view "seed".

    Raises:
        ValueError: the defence is not MDDA alone, or the view is not an aware one.
    """
    parameters = defence.parameters
    if parameters is None or defence.settings["apart"]:
        raise ValueError(f"expected MDDA to attack with knowledge of it, got {defence.name}")
    if view == "seed":
        return nn.Sequential(Purification(parameters, "surrogate", seed=known_seed), network)
    if view not in ("identity", "surrogate", "alarm"):
        raise ValueError(f"expected the view identity, surrogate, seed or alarm, got {view}")
    back = "surrogate" if view == "surrogate" else "identity"
    purification = Purification(parameters, back, random=np.random.default_rng(seed))
    behind = Looks(nn.Sequential(purification, network), looks)
    return Alike(network, behind, label) if view == "alarm" else behind
