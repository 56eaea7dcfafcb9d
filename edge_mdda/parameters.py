"""Every number of the method, in one frozen place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from edge_mdda.errors import ParameterError

Solver = Literal["chambolle-pock", "split-bregman"]
TotalVariation = Literal["isotropic", "anisotropic"]
Channels = Literal["apart", "joint"]
StepSizes = Literal["learned", "accelerated"]
SigmaMeaning = Literal["standard-deviation", "variance"]


@dataclass(frozen=True)
class Parameters:
    """What a purification does; the defaults are the paper's, or the assumptions made where its text is lost.

    Attributes:
        sigma: strength of the noise of each diffusion step on the [0, 1] scale, ≥ 0 (eq. 8).
        blocks: K, how many DDA blocks follow each other, ≥ 0; 0 leaves pyramid and fusion.
        weight: w = 1/λ of the ROF model, ≥ 0, as scikit-image counts it (eq. 10). Assumed: lost in
            the paper.
        iterations: fixed number of solver iterations of each denoising, ≥ 0. Assumed, as `weight`.
        scales: consecutive exponents s of the pyramid's ×2^s levels, 0 among them (Fig. 3).
        solver: how the ROF model is minimised. The paper's is almost surely split Bregman (its reference [34]);
            both reach the same minimiser.
        step_sizes: of Chambolle-Pock. "learned" leave a smaller energy gap than "accelerated", 14 to 21 % of it after 5
            to 16 iterations (step_sizes.json); the latter have a proof of convergence (see `coefficients.steps`).
        total_variation: isotropic as in eq. 11, or |∂x| + |∂y|.
        channels: denoise R, G, B apart, or with one gradient norm over all three. Assumed: apart.
        own_scale: whether a scale is one of its own neighbours when scales are averaged (eq. 14). Assumed: it is.
        sigma_meaning: read `sigma` as standard deviation or as variance. Assumed: standard deviation; the paper says
            "noise variance parameter", but as a variance 0.125 destroys the image.

    Raises:
        ParameterError: a value out of its range.
    """

    sigma: float = 0.125
    blocks: int = 5
    weight: float = 0.06
    iterations: int = 10
    scales: tuple[int, ...] = (-2, -1, 0, 1)
    solver: Solver = "chambolle-pock"
    step_sizes: StepSizes = "learned"
    total_variation: TotalVariation = "isotropic"
    channels: Channels = "apart"
    own_scale: bool = True
    sigma_meaning: SigmaMeaning = "standard-deviation"

    def __post_init__(self) -> None:
        for name, highest in (("sigma", 1.0), ("weight", 10.0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= highest):
                raise ParameterError(f"expected {name} in [0, {highest:g}], got {value}")
        for name, highest in (("blocks", 100), ("iterations", 1000)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
                raise ParameterError(f"expected {name} as whole number in [0, {highest}], got {value!r}")
        scales = tuple(self.scales)
        object.__setattr__(self, "scales", scales)
        if not scales or scales != tuple(range(scales[0], scales[0] + len(scales))) or 0 not in scales:
            raise ParameterError(f"expected consecutive ascending scales with 0 among them, got {scales}")
        if scales[0] < -4 or scales[-1] > 2:
            raise ParameterError(f"expected scales in -4…2, got {scales}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ParameterError(f"expected {name} out of {', '.join(known)}, got {getattr(self, name)!r}")
        if not self.own_scale and len(scales) == 1:
            raise ParameterError("expected own_scale with a single scale, which has no other neighbour")

    @property
    def standard_deviation(self) -> float:
        """Standard deviation of the noise on the [0, 1] scale."""
        return self.sigma if self.sigma_meaning == "standard-deviation" else math.sqrt(self.sigma)


_CHOICES = {
    "solver": get_args(Solver),
    "step_sizes": get_args(StepSizes),
    "total_variation": get_args(TotalVariation),
    "channels": get_args(Channels),
    "sigma_meaning": get_args(SigmaMeaning),
}

#: The paper's settings (section 4) for its small and its large perturbation budget. Weight and iterations are lost
#: there; these are chosen on validation images by `python -m tools.presets` (models/presets.json), as is all of EDGE.
PAPER_SMALL = Parameters(sigma=0.125, blocks=5, weight=0.055, iterations=4)
PAPER_LARGE = Parameters(sigma=0.125, blocks=3, weight=0.045, iterations=3)
EDGE = Parameters(sigma=0.075, blocks=2, weight=0.045, iterations=4, scales=(-2, -1, 0))

PRESETS = {"paper-small": PAPER_SMALL, "paper-large": PAPER_LARGE, "edge": EDGE}
