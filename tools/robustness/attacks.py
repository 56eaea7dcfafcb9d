"""The attacks by name: the library that makes each, why that one, and what its attacker knows.

All take one image at a time, so that a result never depends on which images shared a batch with it and a stopped run
loses one image at most; on a processor a batch is hardly faster.

torchattacks is pinned to 3.3.0 (see pyproject.toml): later ones ask for torchvision and for requests of 2020, which
this one needs as little as they do. Of an attack that several libraries have, foolbox's is taken, which is here
already; the paper's own experiments are most likely torchattacks'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from tools.robustness import hard_label, libraries, physical, ray_search
from tools.robustness.libraries import Run

#: What an attack is run against: the network alone; the network behind a defence, with a way back through it (see
#: `tools.robustness.aware`); or nothing but the answers of a victim behind a defence (`tools.robustness.queries`).
View = Literal["network", "identity", "surrogate", "seed", "alarm", "scores", "labels"]
#: Of attackers who know the defence.
AWARE_VIEWS: tuple[View, ...] = ("identity", "surrogate", "seed", "alarm")


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


_HERE = "is here already"
#: Each step of theirs is 20 passes; whether more steps change anything is to be run beside it (`bpda-pgd:steps=40`).
AWARE_STEPS = 20
#: By name. The first six are the paper's.
ATTACKS: Mapping[str, Attack] = {
    "fgsm": Attack("foolbox", _HERE, libraries.fgsm, steps=1),
    "bim": Attack("foolbox", _HERE, libraries.bim, iterative=True),
    "cw": Attack(
        "foolbox",
        "searches for its constant; torchattacks' does not",
        libraries.cw,
        unit="",
        strengths=(None,),
        iterative=True,
    ),
    "pgd": Attack("foolbox", _HERE, libraries.pgd, iterative=True),
    "di-fgsm": Attack("torchattacks", "the only one that has it", libraries.di_fgsm, iterative=True),
    "autoattack": Attack(
        "torchattacks",
        "ART's is another ensemble; the authors' has no index",
        libraries.autoattack,
        iterative=True,
    ),
    "apgd": Attack("torchattacks", "half of its AutoAttack", libraries.apgd, iterative=True),
    "noise": Attack("foolbox", "no attack: noise of the same size, to compare with", libraries.noise, steps=1),
    "bpda-pgd": Attack("foolbox", _HERE, libraries.pgd, "identity", steps=AWARE_STEPS, looks=20),
    "bpda-apgd": Attack(
        "torchattacks", "half of its AutoAttack", libraries.apgd, "identity", steps=AWARE_STEPS, looks=20
    ),
    "surrogate-pgd": Attack("foolbox", _HERE, libraries.pgd, "surrogate", steps=AWARE_STEPS, looks=20),
    "seed-pgd": Attack("foolbox", _HERE, libraries.pgd, "seed"),
    "alarm-pgd": Attack("foolbox", _HERE, libraries.pgd, "alarm", steps=AWARE_STEPS, looks=20, revision=1),
    "autoattack-rand": Attack(
        "torchattacks", "as autoattack", libraries.autoattack_rand, "identity", steps=AWARE_STEPS, looks=20
    ),
    "square": Attack(
        "torchattacks",
        "foolbox has none, ART's asks one query at a time",
        libraries.square,
        "scores",
        steps=1000,
        revision=1,
    ),
    "square-repeated": Attack("torchattacks", "as square", libraries.square, "scores", steps=4000, looks=4),
    "hard-label": Attack(
        "adversarial-robustness-toolbox",
        "HopSkipJump in L∞ that bears answers that change; foolbox's stops with an error",
        hard_label.hop_skip_jump,
        "labels",
        steps=2000,
        revision=1,
    ),
    "ray-search": Attack("torch", "RayS: no library has it", ray_search.ray_search, "labels", steps=2000),
    "low-frequency": Attack("foolbox", "its PGD on a coarse grid", physical.low_frequency),
    "spatial": Attack(
        "foolbox",
        "a grid search; ART's asks one query at a time",
        physical.spatial,
        unit="°",
        strengths=(10, 20, 30),
        steps=1,
    ),
    "patch": Attack(
        "adversarial-robustness-toolbox",
        "its PGD takes a mask; its AdversarialPatchPyTorch wants torchvision",
        physical.patch,
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
