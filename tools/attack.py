"""Adversarial twins of images by an attacker who does not know of the purification.

Projected gradient descent (Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018) in
the L∞ ball, on the float network. It is foolbox's: torchattacks 3.5.1 wants torchvision and requests 2.25, and pip
would take requests and urllib3 back to 2020 for it; the adversarial-robustness-toolbox brings scikit-learn for the same
few lines.
"""

from __future__ import annotations

from pathlib import Path

import foolbox
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import nn

from tools import dataset

BATCH = 16
#: How long several steps together are, relative to the radius: far enough to cross the ball and come back (Madry et
#: al., section 5, "2.5 ε / steps").
REACH = 2.5


def descend(
    network: nn.Module,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    levels: int,
    steps: int,
    step: float = 0.25,
    looks: int = 1,
    batch: int = BATCH,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Drive images away from their classes, and round them to 8 bits.

    Args:
        network: RGB float32 NCHW in [0, 1] to logits, in evaluation mode.
        pixels: uint8 RGB (N, H, W, 3).
        labels: indices of the classes to leave, (N,).
        levels: radius of the ball in 1/255.
        steps: how many.
        step: length of one, relative to the radius.
        looks: forward passes of which the logits are averaged before each step, for a network that draws noise
            (expectation over transformation: Athalye et al., "Synthesizing Robust Adversarial Examples", ICML 2018).
        batch: how many images are worked on at once.
        seed: of the random start.

    Raises:
        ValueError: a rounded image is outside the ball.
    """
    model: foolbox.Model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    if looks > 1:
        model = foolbox.models.ExpectationOverTransformationWrapper(model, n_steps=looks)
    descent = foolbox.attacks.LinfPGD(rel_stepsize=step, steps=steps, random_start=True)
    moved = []
    with torch.random.fork_rng(devices=[]):  # a training goes on with the random numbers it would have had
        torch.manual_seed(seed)
        for start in range(0, len(pixels), batch):
            images = to_unit(pixels[start : start + batch])
            result = descent.run(model, images, torch.from_numpy(labels[start : start + batch]), epsilon=levels / 255)
            moved.append(to_pixels(result, pixels[start : start + batch], levels))
    return np.concatenate(moved)


def to_unit(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """What a network is fed: uint8 (N, H, W, 3) to float32 (N, 3, H, W) in [0, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def to_pixels(images: torch.Tensor, clean: NDArray[np.uint8], levels: int | None) -> NDArray[np.uint8]:
    """Round attacked images, float32 (N, 3, H, W) in [0, 1], to 8 bits: uint8 (N, H, W, 3), as in a saved file.

    Args:
        clean: the images they were made of, uint8 (N, H, W, 3).
        levels: radius of the L∞ ball around these in 1/255, None for an attack that has none.

    Raises:
        ValueError: a rounded image is outside the ball or the range.
    """
    rounded = np.rint(images.detach().permute(0, 2, 3, 1).numpy() * np.float32(255))
    distance = np.abs(rounded - clean).max()
    if not (rounded.min() >= 0 and rounded.max() <= 255) or (levels is not None and not distance <= levels):
        ball = "" if levels is None else f" within {levels} of the clean image"
        raise ValueError(
            f"expected pixels in 0…255{ball}, got {rounded.min():g} to {rounded.max():g} at a distance of {distance:g}"
        )
    return rounded.astype(np.uint8)


def val_images(
    data: Path, network: nn.Module, side: int, *, clean: int | None, attacked: int, levels: int, steps: int
) -> tuple[dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]], dict[str, int]]:
    """Images of `val` in a fixed random order with their labels, the first of them attacked too; and how, for a report.

    Args:
        clean: how many images, all by default.
        attacked: how many of these are attacked.

    Raises:
        BadParameter: more are to be attacked than there are.
    """
    samples = dataset.select(dataset.read(data), "val")
    order = np.random.default_rng(0).permutation(len(samples))[:clean]
    if attacked > len(order):
        raise typer.BadParameter(f"expected at most the {len(order)} clean images attacked, got {attacked}")
    pixels, labels = dataset.load([samples[position] for position in order], side)
    adversarial = descend(network, pixels[:attacked], labels[:attacked], levels=levels, steps=steps)
    images = {"clean": (pixels, labels), "adversarial": (adversarial, labels[:attacked])}
    return images, {"levels": levels, "steps": steps, "images": attacked, "clean_images": len(order)}
