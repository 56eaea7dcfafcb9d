"""What an attack asks, and when it first succeeds: the passes through a network, or the images sent to a device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tools import attack


class Done(Exception):
    """The queries are spent, or what was looked for is found: the attack is to end."""


class Watched(nn.Module):
    """A module that counts the images it is given and keeps the best adversarial one.

    Args:
        model: images (N, 3, H, W) in [0, 1] to logits (N, classes).
        clean: the image under attack, (1, 3, H, W).
        label: its class.
        radius: of the L∞ ball around it that counts; None: any image of another class.
        budget: how many images may be asked about.
        stop: whether to end at the first adversarial image in the ball.
        confirm: how often an image that was given another class is asked about again. All its answers are averaged, so
            that one lucky draw of a defence's noise is not taken for success.

    Attributes:
        asked: how many images were.
        first: the number of the first of them in the ball that was given another class, None if there was none.
        best: the image nearest to the clean one that was given another class, and its L∞ distance.
        least: the image in the ball whose right class had the least margin, and that margin.
    """

    def __init__(
        self,
        model: nn.Module,
        clean: torch.Tensor,
        label: int,
        radius: float | None,
        *,
        budget: int | None = None,
        stop: bool = False,
        confirm: int = 0,
    ):
        super().__init__()
        self.model, self.clean, self.label, self.budget, self.stop = model, clean, label, budget, stop
        self.confirm = confirm
        # A hair wider, for images that were moved to the border of the ball and rounded in float32.
        self.radius = np.inf if radius is None else radius + 1e-6
        self.asked = 0
        self.first: int | None = None
        self.best: torch.Tensor | None = None
        self.distance = np.inf
        self.least: torch.Tensor | None = None
        self.margin = np.inf
        # Libraries ask a module's parameters for its device.
        self.here = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        spent = self.budget is not None and self.asked + len(images) > self.budget
        if self.budget is not None and spent:
            images = images[: max(0, self.budget - self.asked)]
            if not len(images):
                raise Done
        given = images
        if images.requires_grad:
            # A network in channels_last order gives gradients in that order, which FAB cannot reshape.
            given = images.view_as(images)
            given.register_hook(torch.Tensor.contiguous)
        logits: torch.Tensor = self.model(given)
        if self.confirm:
            logits = self._confirmed(given, logits)
        with torch.no_grad():
            distances = (images - self.clean).abs().flatten(1).amax(1)
            others = logits.clone()
            others[:, self.label] = -np.inf
            margins = logits[:, self.label] - others.amax(1)
            wrongs = logits.argmax(1) != self.label
            for wrong, margin, distance, image in zip(wrongs, margins, distances, images, strict=True):
                self.asked += 1
                if distance <= self.radius and margin < self.margin:
                    self.margin, self.least = float(margin), image.detach().clone()[None]
                if not wrong:
                    continue
                if distance < self.distance:
                    self.distance, self.best = float(distance), image.detach().clone()[None]
                if self.first is None and distance <= self.radius:
                    self.first = self.asked
        if spent or (self.stop and self.first is not None):
            raise Done
        return logits

    def _confirmed(self, images: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """The answers, those of another class as the mean of as many more."""
        logits = logits.clone()
        for place in (logits.argmax(1) != self.label).nonzero()[:, 0].tolist():
            self.asked += self.confirm
            again = [self.model(images[place : place + 1])[0] for _ in range(self.confirm)]
            logits[place] = torch.stack([logits[place], *again]).mean(0)
        return logits


class Answers(nn.Module):
    """A victim behind a defence as its user sees it: 8-bit images in, scores or classes out, no gradient.

    Of classes with the same score, which int8 models have, the answered one is told a hair higher: a margin of 0 would
    pass for success.

    Args:
        answer: uint8 (H, W, 3) to logits (classes,), with noise of its own for every call.
        looks: how often each image is sent; the answers are averaged.
        labels: whether the answered class alone is told.
    """

    def __init__(self, answer: Callable[[NDArray[np.uint8]], NDArray[np.float32]], *, looks: int, labels: bool):
        super().__init__()
        self.answer, self.looks, self.labels = answer, looks, labels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = np.ascontiguousarray(np.rint(images.detach().permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8))
        logits = np.stack([np.mean([self.answer(each) for _ in range(self.looks)], axis=0) for each in pixels])
        told = torch.from_numpy(logits.astype(np.float32))
        answered = nn.functional.one_hot(told.argmax(1), told.shape[1]).float()
        if self.labels:
            return answered
        above = torch.nextafter(told, torch.tensor(torch.inf))
        tied = (told == told.amax(1, keepdim=True)).sum(1, keepdim=True) > 1
        return torch.where(tied & (answered == 1), above, told)


def nearest_in_ball(watched: Watched, clean: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    """The best image of an attack that was ended by `Done`, drawn into the ball: uint8 (1, H, W, 3)."""
    if watched.best is None:
        return clean
    radius = levels / 255
    inside = torch.minimum(torch.maximum(watched.best, watched.clean - radius), watched.clean + radius)
    return attack.to_pixels(inside.clamp(0, 1), clean, levels)
