"""RayS: the smallest step along a direction of signs that changes the answered class; no library here has it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from tools.robustness.libraries import Settings

#: Directions drawn to start from: signs on a grid of so many tiles a side.
STARTS, GRID = 40, 4
#: How exactly a distance is searched for: half a level of 8-bit images.
TOLERANCE = 1 / 510


def ray_search(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """RayS in L∞ (Chen, Gu, "RayS: a ray searching method for hard-label adversarial attack", KDD 2020).

    Tile by tile a direction's signs are turned, first in large tiles, then in ever smaller ones; what shortens the way
    to another class is kept. The authors' tiles are stretches of the flattened image; here they are squares of a
    channel, in random order, and the first direction is the best of several drawn ones.

    It goes on until the module says that its queries are spent (`queries.Done`), or all pixels were turned.
    """
    best, least = torch.ones_like(images), torch.inf

    def keep(signs: torch.Tensor) -> None:
        nonlocal best, least
        distance = _distance(model, images, labels, signs, least)
        if distance < least:
            best, least = signs, distance

    for _ in range(STARTS):
        keep(_drawn_signs(images))
    for tile in _tiles(images):
        turned = best.clone()
        turned[tile] *= -1
        keep(turned)
    return (images + min(least, 1.0) * best).clamp(0, 1)


def _drawn_signs(images: torch.Tensor) -> torch.Tensor:
    grid = torch.randint(2, (len(images), images.shape[1], GRID, GRID)) * 2.0 - 1
    return functional.interpolate(grid, images.shape[2:], mode="nearest")


def _tiles(images: torch.Tensor) -> Iterator[tuple[slice, ...]]:
    """Squares of one channel, of half the image's side, a quarter and so on; those of a size in random order."""
    _, channels, height, width = images.shape
    size = max(height, width)
    while size > 1:
        size = -(-size // 2)
        places = list(itertools.product(range(channels), range(0, height, size), range(0, width, size)))
        for index in torch.randperm(len(places)).tolist():
            channel, top, left = places[index]
            yield slice(None), slice(channel, channel + 1), slice(top, top + size), slice(left, left + size)


def _distance(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, signs: torch.Tensor, least: float) -> float:
    """How far along these signs the class changes; `least` if that is no nearer."""

    def changed(distance: float) -> bool:
        return bool(model((images + distance * signs).clamp(0, 1)).argmax(1) != labels)

    above = min(least, 1.0)
    if not changed(above):
        return least
    below = 0.0
    while above - below > TOLERANCE:
        middle = (below + above) / 2
        below, above = (below, middle) if changed(middle) else (middle, above)
    return above
