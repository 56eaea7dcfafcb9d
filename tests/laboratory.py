"""A small victim and pictures it is right about, for the tests of the robustness laboratory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.conftest import draw
from tests.networks import trained_like
from tools import attack, checkpoint
from tools.robustness.plan import Picture
from tools.robustness.store import digest_pixels
from tools.robustness.victims import Victim

SIDE = 48


def sensitive(seed: int = 0, side: tuple[int, int] = (SIDE, SIDE)) -> torch.nn.Module:
    """A random network whose answer depends on the picture: one that was never trained answers nearly the same to all.

    Its head looks at what is unlike in the pictures of this module, enlarged.
    """
    network = trained_like(seed)
    pixels = np.stack([draw(*side, picture) for picture in range(8)])
    seen = []
    handle = network.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        network(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        handle.remove()
        network.head.weight *= 1 / (seen[0] @ network.head.weight.T).std(0).mean()
        network.head.bias.copy_(-(seen[0] @ network.head.weight.T).mean(0))
    return network


def victim(folder: Path, name: str = "small", seed: int = 0) -> Victim:
    """A sensitive network in a checkpoint of its own."""
    path = folder / f"{name}.ckpt"
    checkpoint.save(sensitive(seed).state_dict(), path)
    return Victim(name, path)


def victims(folder: Path) -> list[Victim]:
    """Two that answer differently."""
    return [victim(folder, "first"), victim(folder, "second", seed=1)]


def pictures(of: Victim, count: int = 3) -> list[Picture]:
    """Drawn pictures, their classes those that the victim answers."""
    made = []
    for seed in range(count):
        pixels = np.rint(draw(SIDE, SIDE, seed) * 255).astype(np.uint8)
        made.append(Picture(digest_pixels(pixels), pixels, int(of.logits(pixels).argmax())))
    return made


def right(of: Victim, pixels: np.ndarray, label: int) -> bool:
    return int(of.logits(pixels).argmax()) == label


def loss(of: Victim, pixels: np.ndarray, label: int) -> float:
    """Cross-entropy of the true class: what every attack here raises."""
    with torch.no_grad():
        logits = of.network(attack.to_unit(pixels[None]))
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor([label])))
