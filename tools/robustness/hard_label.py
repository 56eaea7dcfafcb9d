"""Attacks of the adversarial-robustness-toolbox (ART) on a torch module: its classifier, and HopSkipJump."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tools import dataset
from tools.robustness.libraries import Settings

#: How many images are drawn to start from: grids of so many random colours a side, smoothly enlarged.
STARTS, GRIDS = 100, (4, 3, 16, 2, 1)


def classifier(model: nn.Module, images: torch.Tensor) -> Any:
    """ART's view of a module that takes images like these, float32 (N, 3, H, W) in [0, 1]."""
    from art.estimators.classification import PyTorchClassifier  # takes seconds to import, and few attacks need it

    return PyTorchClassifier(
        model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=len(dataset.CLASSES),
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


def hop_skip_jump(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """HopSkipJump in L∞ (Chen, Jordan, Wainwright, IEEE Symposium on Security and Privacy 2020).

    It goes on until the module says that its queries are spent (`queries.Done`), whatever is found by then.
    """
    from art.attacks.evasion import HopSkipJump

    queried = classifier(model, images)
    attack = HopSkipJump(queried, norm="inf", max_iter=settings.steps, max_eval=1000, init_eval=50, verbose=False)
    start = _start(model, images, labels).numpy()
    return torch.from_numpy(attack.generate(images.numpy(), labels.numpy(), x_adv_init=start))


def _start(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """An image of another class: ART would draw nothing but noise, which a defence smooths to the commonest class.

    Raises:
        ValueError: there was none among the drawn ones.
    """
    for number in range(STARTS):
        cells = GRIDS[number % len(GRIDS)]
        grid = torch.rand((len(images), images.shape[1], cells, cells))
        candidate = functional.interpolate(grid, images.shape[2:], mode="bilinear")
        if model(candidate).argmax(1) != labels:
            return candidate
    raise ValueError(f"expected an image of another class to start from, got none among {STARTS} drawn ones")
