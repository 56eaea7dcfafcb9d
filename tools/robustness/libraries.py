"""Attacks of foolbox and torchattacks; how every attack is called, and how strongly it attacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import foolbox
import torch
import torchattacks
from torch import nn
from torch.nn import functional

from tools import attack, dataset

#: AutoAttack's authors give its gradients 100 steps and its Square 5000 queries; fewer steps get fewer queries.
QUERIES_A_STEP = 50


@dataclass(frozen=True)
class Settings:
    """How strongly to attack.

    Attributes:
        strength: radius of the L∞ ball in 1/255; other attacks say in `Attack.unit` what it is, None for none.
        steps: gradient steps, or queries where there are no gradients.
        looks: evaluations averaged in one step (expectation over transformation: Athalye et al., ICML 2018).
    """

    strength: int | None
    steps: int
    looks: int = 1

    @property
    def radius(self) -> float:
        """Of the ball in [0, 1]."""
        if self.strength is None:
            raise ValueError("expected a strength, got none")
        return self.strength / 255

    @property
    def step(self) -> float:
        """Length of a step relative to the radius."""
        return min(1.0, attack.REACH / self.steps)


Run = Callable[[nn.Module, torch.Tensor, torch.Tensor, Settings], torch.Tensor]


def _foolbox(make: Callable[[Settings], Any]) -> Run:
    def run(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
        attacked = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        radius = {} if settings.strength is None else {"epsilon": settings.radius}
        return make(settings).run(attacked, images, labels, **radius)

    return run


def _torchattacks(make: Callable[[nn.Module, Settings], Any]) -> Run:
    def run(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
        return make(model, settings)(images, labels)

    return run


fgsm = _foolbox(lambda settings: foolbox.attacks.LinfFastGradientAttack())
bim = _foolbox(
    lambda settings: foolbox.attacks.LinfBasicIterativeAttack(rel_stepsize=settings.step, steps=settings.steps)
)
pgd = _foolbox(lambda settings: foolbox.attacks.LinfPGD(rel_stepsize=settings.step, steps=settings.steps))
noise = _foolbox(lambda settings: foolbox.attacks.LinfAdditiveUniformNoiseAttack())
# From a constant of 1 few images need more than two doublings. A margin of 1 logit outlives the rounding to 8 bits,
# which undoes many of the least perturbations.
cw = _foolbox(
    lambda settings: foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=3, steps=settings.steps, stepsize=0.01, confidence=1.0, initial_const=1.0
    )
)
di_fgsm = _torchattacks(
    lambda model, settings: torchattacks.DIFGSM(
        model, eps=settings.radius, alpha=settings.step * settings.radius, steps=settings.steps
    )
)
square = _torchattacks(
    lambda model, settings: torchattacks.Square(
        model, eps=settings.radius, n_queries=settings.steps // settings.looks, seed=_drawn_seed()
    )
)


def _drawn_seed() -> int:
    """A seed out of torch's own stream, for attacks that seed themselves."""
    return int(torch.randint(2**31, ()))


def apgd(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings, **options: Any
) -> torch.Tensor:
    """APGD's image of the greatest loss; as an attack it would hand back the clean one where none was misread."""
    descent = torchattacks.APGD(model, eps=settings.radius, steps=settings.steps, seed=_drawn_seed(), **options)
    return descent.perturb(images, labels, best_loss=True)[1]


def autoattack_rand(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """AutoAttack's version for random defences: APGD on the cross-entropy and on the DLR.

    The library would average gradients, but keep what the last of its looks misreads; here the model averages its
    looks. Of the two images this takes the one that is misread more surely in fresh looks.
    """
    found = [apgd(model, images, labels, settings, loss=loss) for loss in ("ce", "dlr")]
    with torch.no_grad():
        fresh = torch.cat([model(each) for each in found])
    return found[int(functional.cross_entropy(fresh, labels.expand(2), reduction="none").argmax())]


@_torchattacks
def autoattack(model: nn.Module, settings: Settings) -> Any:
    whole = torchattacks.AutoAttack(model, eps=settings.radius, n_classes=len(dataset.CLASSES), seed=_drawn_seed())
    for part in whole._autoattack.attacks:
        if isinstance(part, torchattacks.Square):
            part.n_queries = QUERIES_A_STEP * settings.steps
        else:
            part.steps = settings.steps
    return whole
