"""One perturbation for all images (Moosavi-Dezfooli et al., CVPR 2017), made on `val` and tried on other images.

The adversarial-robustness-toolbox's, with its PGD inside; no other library here has one. It is made once for a network
and a radius, before the images' jobs, and kept in the store.
"""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tools import atomic, attack
from tools.robustness import defences, hard_label

#: PGD steps on each image that still has its class, and passes over all images.
STEPS, PASSES = 10, 2
#: Images of `val` it is made on.
IMAGES = 64


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
    """
    from art.attacks.evasion import UniversalPerturbation

    images, radius = attack.to_unit(pixels), levels / 255
    inner = {"eps": 2 * radius, "eps_step": radius / 4, "max_iter": steps, "verbose": False}
    whole = UniversalPerturbation(
        hard_label.classifier(network, images),
        attacker="pgd",
        attacker_params=inner,
        delta=0.0,
        max_iter=PASSES,
        eps=radius,
        norm=np.inf,
        verbose=False,
    )
    state = random.getstate()  # ART orders the images by Python's own random numbers
    random.seed(seed)
    try:
        with torch.random.fork_rng(devices=[]), defences.numpy_seeded(seed):
            torch.manual_seed(seed)
            whole.generate(images.numpy(), labels)
    finally:
        random.setstate(state)
    if whole.noise is None:
        raise ValueError("expected a universal perturbation, got none")
    moved = np.rint(whole.noise[0].transpose(1, 2, 0) * 255)
    return np.clip(moved, -levels, levels).astype(np.int16)


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
