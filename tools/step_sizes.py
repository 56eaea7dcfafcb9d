"""Learn the step sizes of the TV solver: for each number of iterations, those that leave the smallest energy gap.

    python -m tools.step_sizes --out edge_mdda/step_sizes.json

The theory of Chambolle and Pock gives steps that converge for any image and any number of iterations. MDDA runs a few
iterations, on images that resemble each other, so the steps of all of them can be fitted together: gradient descent
through the unrolled iteration on the logarithm of the ROF energy's excess over its minimum (unrolled optimisation as in
Gregor and LeCun, "Learning Fast Approximations of Sparse Coding", ICML 2010, here of step sizes alone). Fitted on noisy
levels of images of the `train` split; the gaps printed are those of other images of that split.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch.nn import functional

from edge_mdda import coefficients
from tools import atomic, dataset

# Enough iterations of the classical schedule to stand for the minimum: its gap is 0.13 % after 18 and falls as 1/n².
MINIMUM_ITERATIONS = 1000
SIDE, CROP = 224, 96
# (sigma, weight) fitted on: mild and strong. Not the presets themselves, which are chosen with these steps.
SETTINGS = ((0.05, 0.02), (0.125, 0.06))
DESCENTS, LEARNING_RATE = 240, 0.03
FLOOR = 1e-6  # of the relative gap inside the logarithm: the minimum itself is not known better
FREE = [0, 1, 2, 4]  # columns of a schedule that are learned: all but pull
Rows = list[tuple[torch.Tensor, ...]]


def gradient(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Forward differences of planes (N, H, W) down and to the right, 0 at the end."""
    return functional.pad(u[:, 1:] - u[:, :-1], (0, 0, 0, 1)), functional.pad(u[:, :, 1:] - u[:, :, :-1], (0, 1))


def divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """The negative adjoint of `gradient`."""
    down, right = p[:, :-1], q[:, :, :-1]
    return (
        functional.pad(down, (0, 0, 0, 1))
        - functional.pad(down, (0, 0, 1, 0))
        + functional.pad(right, (0, 1))
        - functional.pad(right, (1, 0))
    )


def solve(planes: torch.Tensor, rows: Rows) -> torch.Tensor:
    """The primal-dual iteration of `edge_mdda.reference` on float32 (N, H, W), differentiable in the step sizes."""
    u = bar = planes
    p = q = torch.zeros_like(planes)
    for dual, keep, push, pull, momentum in rows:
        down, right = gradient(bar)
        p, q = p + dual * down, q + dual * right
        scale = (p * p + q * q).clamp_min(1).rsqrt()
        p, q = p * scale, q * scale
        after = keep * u + push * divergence(p, q) + pull * planes
        u, bar = after, after + momentum * (after - u)
    return u


def energies(u: torch.Tensor, planes: torch.Tensor, weight: float) -> torch.Tensor:
    """ROF energy TV(u) + |u - f|² / (2 w) of each plane: (N,)."""
    down, right = gradient(u)
    density = (down**2 + right**2 + 1e-20).sqrt() + (u - planes) ** 2 / (2 * weight)
    return density.sum((1, 2), dtype=torch.float64)


class Problem:
    """Noisy planes, the weight they are denoised with, and the least energies."""

    def __init__(self, planes: torch.Tensor, weight: float):
        self.planes, self.weight = planes, weight
        with torch.no_grad():
            best = solve(planes, scaled(coefficients.accelerated(1, MINIMUM_ITERATIONS), weight))
            self.least = energies(best, planes, weight)

    def gap(self, schedule: torch.Tensor) -> torch.Tensor:
        """Mean relative excess of the energy over its minimum, after steps for weight 1, (iterations, 5)."""
        excess = energies(solve(self.planes, scaled(schedule, self.weight)), self.planes, self.weight) - self.least
        return (excess / self.least).mean()


def scaled(schedule: torch.Tensor | np.ndarray, weight: float) -> Rows:
    """A schedule for weight 1 as rows for another weight: dual steps shrink with it, primal steps grow."""
    factors = torch.tensor([1 / weight, 1, weight, 1, 1])
    return [tuple(row) for row in torch.as_tensor(schedule) * factors]


def problems(pixels: np.ndarray, seed: int) -> list[Problem]:
    """Every setting's noise and weight on crops of uint8 RGB images (N, SIDE, SIDE, 3), at the scales 0 and 1."""
    random = torch.Generator().manual_seed(seed)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    doubled = functional.interpolate(images, scale_factor=2, mode="bicubic")
    made = []
    for sigma, weight in SETTINGS:
        for level in (images, doubled):
            edge = (level.shape[2] - CROP) // 2
            planes = level[:, :, edge : edge + CROP, edge : edge + CROP].reshape(-1, CROP, CROP)
            made.append(Problem(planes + sigma * torch.randn(planes.shape, generator=random), weight))
    return made


def complete(columns: torch.Tensor) -> torch.Tensor:
    """A schedule, (iterations, 5), from its free columns, (iterations, 4): keep + pull = 1, so that constants stay."""
    dual, keep, push, momentum = columns.unbind(1)
    return torch.stack([dual, keep, push, 1 - keep, momentum], 1)


def learn(iterations: int, start: torch.Tensor, seen: list[Problem]) -> torch.Tensor:
    """Fit the schedule of so many iterations, (iterations, 5) for weight 1, by Adam from `start`."""

    def schedule() -> torch.Tensor:
        return complete(logarithms.exp())

    logarithms = start[:, FREE].clamp_min(1e-3).log().requires_grad_()
    optimiser = torch.optim.Adam([logarithms], LEARNING_RATE)
    cooling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, DESCENTS)
    for descent in range(DESCENTS):
        optimiser.zero_grad()
        (seen[descent % len(seen)].gap(schedule()).clamp_min(0) + FLOOR).log().backward()
        optimiser.step()
        cooling.step()
    return schedule().detach()


def main(
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    longest: Annotated[int, typer.Option(help="Learn for 1 to this many iterations.", min=1)] = 16,
    images: Annotated[int, typer.Option(help="Images to fit on, and as many others to report on.", min=1)] = 6,
    seed: Annotated[int, typer.Option(help="Seed of the choice of images and of the noise.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads; more gain little.", min=1)] = 1,
) -> None:
    """Learn a schedule for every number of iterations; print the energy gaps on other images."""
    torch.set_num_threads(threads)
    samples = dataset.select(dataset.read(data), "train")
    drawn = np.random.default_rng(seed).choice(len(samples), 2 * images, replace=False)
    pixels, _ = dataset.load([samples[position] for position in drawn], SIDE)
    seen, unseen = problems(pixels[:images], seed), problems(pixels[images:], seed + 1)
    typer.echo("iterations   gap, classical   gap, learned")
    schedules: list[list[list[float]]] = []
    gaps: list[dict[str, float]] = []
    for iterations in range(1, longest + 1):
        classical = torch.from_numpy(coefficients.accelerated(1, iterations))
        learned = learn(iterations, classical, seen)
        schedules.append([[round(value, 4) for value in row] for row in learned[:, FREE].tolist()])
        shipped = complete(torch.tensor(schedules[-1]))
        gaps.append(
            {
                name: round(100 * float(np.mean([float(problem.gap(steps)) for problem in unseen])), 4)
                for name, steps in (("classical", classical), ("learned", shipped))
            }
        )
        typer.echo(f"{iterations:>10}   {gaps[-1]['classical']:>13.3f} %   {gaps[-1]['learned']:>10.3f} %")
    record = {
        "command": f"python -m tools.step_sizes --longest {longest} --images {images} --seed {seed}",
        "settings": [{"sigma": sigma, "weight": weight} for sigma, weight in SETTINGS],
        "gap_percent": gaps,
        "columns": ["dual step × weight", "keep", "primal push / weight", "momentum"],
        "schedules": schedules,
    }
    atomic.write(out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
