"""The attacks by name: the library that makes each, why that one, and what its attacker knows.

All take one image at a time, so that a result never depends on which images shared a batch with it and a stopped run
loses one image at most; on a processor a batch is hardly faster.

torchattacks is pinned to 3.3.0 (see pyproject.toml): later ones ask for torchvision and for requests of 2020, which
this one needs as little as they do. Of an attack that several libraries have, foolbox's is taken, which is here
already; the paper's own experiments are most likely torchattacks'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

import foolbox
import numpy as np
import torch
import torchattacks
from torch import nn
from torch.nn import functional

from tools import attack, dataset
from tools.robustness import hard_label

#: What an attack is run against: the network alone; the network behind a defence, with a way back through it (see
#: `tools.robustness.aware`); or nothing but the answers of a victim behind a defence (`tools.robustness.queries`).
View = Literal["network", "identity", "surrogate", "seed", "alarm", "scores", "labels"]
#: AutoAttack's authors give its gradients 100 steps and its Square 5000 queries; fewer steps get fewer queries.
QUERIES_A_STEP = 50
#: Of attackers who know the defence.
AWARE_VIEWS: tuple[View, ...] = ("identity", "surrogate", "seed", "alarm")


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


@dataclass(frozen=True)
class Attack:
    """One attack: images (1, 3, H, W) float32 in [0, 1] and labels (1,) to images like them.

    Attributes:
        library: the distribution that makes it.
        why: why that one.
        run: the call.
        view: what it is run against.
        unit: of the strength: "1/255" is a radius in L∞; "" has none.
        strengths: where the caller gives none; for L∞ the caller always does.
        steps, looks: where the caller gives none.
        iterative: whether it must reach 0 % on an undefended network (at 4/255).
        revision: raised when `run` or what it is given changes, so that older examples are not taken for its.
    """

    library: str
    why: str
    run: Run
    view: View = "network"
    unit: str = "1/255"
    strengths: tuple[int | None, ...] = ()
    steps: int = 100
    looks: int = 1
    iterative: bool = False
    revision: int = 0

    @property
    def version(self) -> str:
        return f"{self.library} {metadata.version(self.library)}"

    @property
    def in_ball(self) -> bool:
        return self.unit == "1/255"

    @property
    def knows(self) -> str:
        """Who knows what, for a report."""
        return KNOWS[self.view]


KNOWS: Mapping[View, str] = {
    "network": "the network and its weights; not the defence",
    "identity": "the network and the defence, not its noise; takes the defence for the identity on the way back (BPDA)",
    "surrogate": "the network and the defence, not its noise; differentiates through the defence",
    "seed": "the network, the defence and the seed of its noise; differentiates through the defence",
    "alarm": "the network, the defence and its alarm, not its noise; misleads both views alike (BPDA)",
    "scores": "nothing; sees the scores of all classes for each image it sends through the defence",
    "labels": "nothing; sees the answered class for each image it sends through the defence",
}


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


_fgsm = _foolbox(lambda settings: foolbox.attacks.LinfFastGradientAttack())
_bim = _foolbox(
    lambda settings: foolbox.attacks.LinfBasicIterativeAttack(rel_stepsize=settings.step, steps=settings.steps)
)
_pgd = _foolbox(lambda settings: foolbox.attacks.LinfPGD(rel_stepsize=settings.step, steps=settings.steps))
_noise = _foolbox(lambda settings: foolbox.attacks.LinfAdditiveUniformNoiseAttack())
# From a constant of 1 few images need more than two doublings. A margin of 1 logit outlives the rounding to 8 bits,
# which undoes many of the least perturbations.
_cw = _foolbox(
    lambda settings: foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=3, steps=settings.steps, stepsize=0.01, confidence=1.0, initial_const=1.0
    )
)
_di_fgsm = _torchattacks(
    lambda model, settings: torchattacks.DIFGSM(
        model, eps=settings.radius, alpha=settings.step * settings.radius, steps=settings.steps
    )
)
_square = _torchattacks(
    lambda model, settings: torchattacks.Square(
        model, eps=settings.radius, n_queries=settings.steps // settings.looks, seed=_drawn_seed()
    )
)


def _drawn_seed() -> int:
    """A seed out of torch's own stream, for attacks that seed themselves."""
    return int(torch.randint(2**31, ()))


def _apgd(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings, **options: Any
) -> torch.Tensor:
    """APGD's image of the greatest loss; as an attack it would hand back the clean one where none was misread."""
    descent = torchattacks.APGD(model, eps=settings.radius, steps=settings.steps, seed=_drawn_seed(), **options)
    return descent.perturb(images, labels, best_loss=True)[1]


def _autoattack_rand(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """AutoAttack's version for random defences: APGD on the cross-entropy and on the DLR.

    The library would average gradients, but keep what the last of its looks misreads; here the model averages its
    looks. Of the two images this takes the one that is misread more surely in fresh looks.
    """
    found = [_apgd(model, images, labels, settings, loss=loss) for loss in ("ce", "dlr")]
    with torch.no_grad():
        fresh = torch.cat([model(each) for each in found])
    return found[int(functional.cross_entropy(fresh, labels.expand(2), reduction="none").argmax())]


@_torchattacks
def _autoattack(model: nn.Module, settings: Settings) -> Any:
    whole = torchattacks.AutoAttack(model, eps=settings.radius, n_classes=len(dataset.CLASSES), seed=_drawn_seed())
    for part in whole._autoattack.attacks:
        if isinstance(part, torchattacks.Square):
            part.n_queries = QUERIES_A_STEP * settings.steps
        else:
            part.steps = settings.steps
    return whole


class _LowFrequencies(nn.Module):
    """The network on an image moved by a coarse grid, bilinearly enlarged: what is attacked is the grid, in [0, 1]."""

    CELLS = 14  # a 16th of the model's side

    def __init__(self, model: nn.Module, images: torch.Tensor, radius: float):
        super().__init__()
        self.model, self.images, self.radius = model, images, radius

    def move(self, grid: torch.Tensor) -> torch.Tensor:
        # A mean of the grid's numbers with positive weights is never outside their range.
        smooth = functional.interpolate(grid * 2 - 1, self.images.shape[-2:], mode="bilinear")
        return (self.images + self.radius * smooth).clamp(0, 1)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        return self.model(self.move(grid))


def _low_frequency(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """PGD on a coarse grid: what no low-pass filter takes away (Guo, Frank, Weinberger, UAI 2019)."""
    coarse = _LowFrequencies(model, images, settings.radius).eval()
    still = torch.full((len(images), 3, coarse.CELLS, coarse.CELLS), 0.5)
    return coarse.move(_pgd(coarse, still, labels, Settings(255 // 2, settings.steps))).detach()


def _spatial(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """The worst of a grid of rotations and shifts, in degrees and tenths of a pixel."""
    degrees = settings.strength or 0
    search = foolbox.attacks.SpatialAttack(max_rotation=degrees, max_translation=degrees / 10)
    attacked = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    return search.run(attacked, images, labels)


def _patch(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """PGD without a bound inside a square of the given side, beside the middle where the lesion is."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch

    side = settings.strength or 0
    mask = np.zeros((1, *images.shape[1:]), np.float32)
    mask[:, :, 8 : 8 + side, 8 : 8 + side] = 1
    descent = ProjectedGradientDescentPyTorch(
        hard_label.classifier(model, images), eps=1.0, eps_step=0.05, max_iter=settings.steps, verbose=False
    )
    return torch.from_numpy(descent.generate(images.numpy(), labels.numpy(), mask=mask)).clamp(0, 1)


_HERE = "is here already"
#: Each step of theirs is 20 passes; whether more steps change anything is to be run beside it (`bpda-pgd:steps=40`).
AWARE_STEPS = 20
#: By name. The first six are the paper's.
ATTACKS: Mapping[str, Attack] = {
    "fgsm": Attack("foolbox", _HERE, _fgsm, steps=1),
    "bim": Attack("foolbox", _HERE, _bim, iterative=True),
    "cw": Attack(
        "foolbox", "searches for its constant; torchattacks' does not", _cw, unit="", strengths=(None,), iterative=True
    ),
    "pgd": Attack("foolbox", _HERE, _pgd, iterative=True),
    "di-fgsm": Attack("torchattacks", "the only one that has it", _di_fgsm, iterative=True),
    "autoattack": Attack(
        "torchattacks",
        "ART's is another ensemble; the authors' has no index",
        _autoattack,
        iterative=True,
    ),
    "apgd": Attack("torchattacks", "half of its AutoAttack", _apgd, iterative=True),
    "noise": Attack("foolbox", "no attack: noise of the same size, to compare with", _noise, steps=1),
    "bpda-pgd": Attack("foolbox", _HERE, _pgd, "identity", steps=AWARE_STEPS, looks=20),
    "bpda-apgd": Attack("torchattacks", "half of its AutoAttack", _apgd, "identity", steps=AWARE_STEPS, looks=20),
    "surrogate-pgd": Attack("foolbox", _HERE, _pgd, "surrogate", steps=AWARE_STEPS, looks=20),
    "seed-pgd": Attack("foolbox", _HERE, _pgd, "seed"),
    "alarm-pgd": Attack("foolbox", _HERE, _pgd, "alarm", steps=AWARE_STEPS, looks=20, revision=1),
    "autoattack-rand": Attack(
        "torchattacks", "as autoattack", _autoattack_rand, "identity", steps=AWARE_STEPS, looks=20
    ),
    "square": Attack(
        "torchattacks",
        "foolbox has none, ART's asks one query at a time",
        _square,
        "scores",
        steps=1000,
        revision=1,
    ),
    "square-repeated": Attack("torchattacks", "as square", _square, "scores", steps=4000, looks=4),
    "hard-label": Attack(
        "adversarial-robustness-toolbox",
        "HopSkipJump in L∞ that bears answers that change; foolbox's stops with an error",
        hard_label.hop_skip_jump,
        "labels",
        steps=2000,
        revision=1,
    ),
    "low-frequency": Attack("foolbox", "its PGD on a coarse grid", _low_frequency),
    "spatial": Attack(
        "foolbox", "a grid search; ART's asks one query at a time", _spatial, unit="°", strengths=(10, 20, 30), steps=1
    ),
    "patch": Attack(
        "adversarial-robustness-toolbox",
        "its PGD takes a mask; its AdversarialPatchPyTorch wants torchvision",
        _patch,
        unit="pixels a side",
        strengths=(16, 32, 48),
    ),
}

PAPER = ("fgsm", "bim", "cw", "pgd", "di-fgsm", "autoattack")
PAPER_LINF = tuple(name for name in PAPER if ATTACKS[name].in_ball)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "paper": PAPER,
    "table-3": ("bim", "pgd", "di-fgsm", "autoattack"),
    "aware": tuple(name for name, attack in ATTACKS.items() if attack.view in AWARE_VIEWS),
    "black-box": tuple(name for name, attack in ATTACKS.items() if attack.view in ("scores", "labels")),
    "physical": ("low-frequency", "spatial", "patch"),
}
