"""An attacker who knows of the purification, and attacked views to train on.

The noise and the fixed iterations of a purification have no useful gradient, but its output is near its input, so the
attacker takes it for the identity on the way back: BPDA (Athalye, Carlini, Wagner, "Obfuscated Gradients Give a False
Sense of Security", ICML 2018). The steps are foolbox's, as in `tools.attack`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge_mdda import Purifier
from tools import attack

#: How long all steps together are, relative to the radius. Of one step: Wong, Rice, Kolter, "Fast is better than free:
#: revisiting adversarial training", ICLR 2020, which also starts at a random point; from a longer one a network learns
#: to resist single steps only. Of several: as in `tools.attack`.
ONE, SEVERAL = 1.25, attack.REACH


class Defended(nn.Module):
    """A network behind purifications, one for each image of a batch: exact forward, the identity backward (BPDA).

    A module, because foolbox attacks modules.

    Args:
        network: RGB float32 (N, 3, H, W) in [0, 1] to logits.
        purifiers: for each image of the batch, of which there may be fewer; None for one that is not purified.
        random: where every forward pass draws fresh seeds of the noise from, as the device does.
    """

    def __init__(self, network: nn.Module, purifiers: Iterable[Purifier | None], random: np.random.Generator):
        super().__init__()
        self.network, self.purifiers, self.random = network, purifiers, random

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.detach().permute(0, 2, 3, 1).contiguous().numpy()
        purified = np.stack(
            [
                image if purifier is None else purifier.purify(image, seed=int(self.random.integers(2**63)))
                for image, purifier in zip(pixels, self.purifiers, strict=False)
            ]
        )
        shift = torch.from_numpy(purified - pixels).permute(0, 3, 1, 2)
        return self.network(images + shift)


def attacked_views(
    network: nn.Module,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    purifiers: Sequence[Purifier | None],
    *,
    levels: int,
    steps: int = 1,
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    """Attack views by one or a few steps from a random start, cheap enough to train on.

    Args:
        network: RGB float32 NCHW in [0, 1] to logits; left in the mode and with the gradients it had.
        pixels: uint8 RGB (N, H, W, 3).
        labels: indices of the classes to leave, (N,).
        purifiers: for each view the purification its attacker knows of, or None.
        levels: radius of the ball in 1/255.
        steps: how many.
        random: of the random start and the noise that the attacker draws.

    Returns:
        uint8 of the shape of `pixels`, not purified.
    """
    with _fixed(network):
        defended = Defended(network, purifiers, random).eval()
        seed = int(random.integers(2**63))
        step = (ONE if steps == 1 else SEVERAL) / steps
        return attack.descend(
            defended, pixels, labels, levels=levels, steps=steps, step=step, batch=len(pixels), seed=seed
        )


@contextmanager
def _fixed(network: nn.Module) -> Iterator[None]:
    """Keep the attack from moving the averages of batch norms and from leaving gradients in the weights."""
    training = network.training
    network.eval().requires_grad_(False)
    try:
        yield
    finally:
        network.train(training).requires_grad_(True)
