"""Make the two sample images: a drawn lesion, and its adversarial twin for the shipped model.

    python -m tools.samples --out models/samples --checkpoint runs/plain/best.ckpt

The attack is projected gradient descent (Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks",
ICLR 2018) in the L∞ ball, on the float network the int8 model was converted from. It is foolbox's: torchattacks 3.5.1
wants torchvision and requests 2.25, and pip would take requests and urllib3 back to 2020 for it; the
adversarial-robustness-toolbox brings scikit-learn for the same few lines.

Drawings are tried in the order of their seeds until one shows what the program is for: the int8 model's class changes
under attack, and the purified twin has the class of the clean image for most purification seeds. That is a choice, so
every drawing tried is listed in the README written beside the images. Measured accuracy is in the model's card.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import foolbox
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import nn

from edge_mdda import EDGE, Classifier, Purifier, image
from tools import atomic, checkpoint, drawing

LEVELS, STEPS = 4, 100  # radius of the ball in 1/255, gradient steps of one level / 4 each
PURIFICATIONS = 20  # seeds 0, 1, … of the purification of each adversarial image
CLEAN_FILE, ADVERSARIAL_FILE = "lesion.png", "lesion_adversarial.png"


@dataclass(frozen=True)
class Trial:
    """One drawing, its adversarial twin, and what the int8 model says about them.

    Attributes:
        seed: of the drawing.
        clean: the drawing, uint8 RGB (H, W, 3).
        adversarial: its twin, likewise, nowhere further than `LEVELS` from it.
        clean_class: class of the drawing.
        adversarial_class: class of the twin.
        restored: how many of `PURIFICATIONS` purifications of the twin have the drawing's class.
    """

    seed: int
    clean: NDArray[np.uint8]
    adversarial: NDArray[np.uint8]
    clean_class: str
    adversarial_class: str
    restored: int

    @property
    def fooled(self) -> bool:
        return self.adversarial_class != self.clean_class

    @property
    def shows(self) -> bool:
        """Whether the attack succeeds and most purifications undo it."""
        return self.fooled and self.restored > PURIFICATIONS / 2


def attack(
    network: nn.Module, pixels: NDArray[np.uint8], label: int, *, steps: int = STEPS, seed: int = 0
) -> NDArray[np.uint8]:
    """Drive an image away from a class within `LEVELS` of 255, and round it to 8 bits.

    Args:
        network: RGB float32 NCHW in [0, 1] to logits, in evaluation mode.
        pixels: uint8 RGB (H, W, 3).
        label: index of the class to leave.
        steps: of projected gradient descent.
        seed: of its random start.

    Raises:
        ValueError: the rounded image is outside the ball.
    """
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    descent = foolbox.attacks.LinfPGD(abs_stepsize=LEVELS / 4 / 255, steps=steps, random_start=True)
    start = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    torch.manual_seed(seed)
    moved = descent.run(model, start, torch.tensor([label]), epsilon=LEVELS / 255)
    rounded = np.rint(moved[0].permute(1, 2, 0).detach().numpy() * np.float32(255))
    distance = np.abs(rounded - pixels).max()
    if distance > LEVELS or rounded.min() < 0 or rounded.max() > 255:
        raise ValueError(f"expected pixels in 0…255 within {LEVELS} of the clean image, got a distance of {distance:g}")
    return rounded.astype(np.uint8)


def trials(network: nn.Module, classifier: Classifier, purifier: Purifier, count: int) -> Iterator[Trial]:
    """Draw, attack and purify seed after seed; an attack that does not change the class is not purified."""
    for seed in range(count):
        clean = drawing.draw(seed, classifier.bundle.height)
        label = int(classifier.logits(clean).argmax())
        adversarial = attack(network, clean, label, seed=seed)
        found = int(classifier.logits(adversarial).argmax())
        restored = 0
        if found != label:
            purified = (purifier.purify(adversarial, seed=draw) for draw in range(PURIFICATIONS))
            restored = sum(int(classifier.logits(pixels).argmax()) == label for pixels in purified)
        yield Trial(seed, clean, adversarial, classifier.labels[label], classifier.labels[found], restored)


def summarise(tried: list[Trial]) -> str:
    """The counts, for the terminal and the README."""
    fooled = [trial for trial in tried if trial.fooled]
    return (
        f"drawings tried {len(tried)}, class changed by the attack {len(fooled)}, of those restored in most of "
        f"{PURIFICATIONS} purifications {sum(trial.shows for trial in fooled)}"
    )


def describe(tried: list[Trial], model: str) -> str:
    """The README of the two images; the last drawing tried is the one shown."""
    shown = tried[-1]
    rows = "\n".join(
        f"| {trial.seed} | {trial.clean_class} | {trial.adversarial_class} | "
        + (f"{trial.restored} of {PURIFICATIONS} |" if trial.fooled else "not fooled |")
        for trial in tried
    )
    return f"""# Sample images

Generated by `python -m tools.samples --out models/samples --checkpoint CHECKPOINT`; do not edit by hand.

- `{CLEAN_FILE}`: a drawing (`tools/drawing.py`, seed {shown.seed}), not a photograph: no patient, no foreign licence.
  The int8 model says {shown.clean_class}; for a drawing that means nothing medically.
- `{ADVERSARIAL_FILE}`: the same after {STEPS} steps of projected gradient descent on the float network, no channel of
  a pixel changed by more than {LEVELS} of 255. The int8 model says {shown.adversarial_class}.

Purified with the preset `edge`, the adversarial image is {shown.clean_class} again for
{shown.restored} of the {PURIFICATIONS} seeds 0 to {PURIFICATIONS - 1}.

The drawing was chosen, as the first that shows this:
{summarise(tried)}.
It is an illustration, no measurement. Model: SHA-256 `{model}`.

| drawing's seed | clean | adversarial | restored by purification |
|---|---|---|---|
{rows}
"""


def main(
    out: Annotated[Path, typer.Option(help=f"Folder that gets {CLEAN_FILE}, {ADVERSARIAL_FILE} and README.md.")],
    source: Annotated[Path, typer.Option("--checkpoint", help="The checkpoint the bundle's model was converted from.")],
    bundle: Annotated[Path | None, typer.Option(help="Model bundle; default: the shipped one.")] = None,
    count: Annotated[int, typer.Option(help="How many drawings to try at most.", min=1)] = 40,
) -> None:
    """Draw a lesion and its adversarial twin; exit code 1 and nothing written if no drawing tried shows the effect."""
    # A step on one image is too small to share: 0.09 s of CPU time with one thread, 2.8 s with two on a busy machine.
    torch.set_num_threads(1)
    network = checkpoint.read(source).requires_grad_(False).to(memory_format=torch.channels_last)
    classifier = Classifier(bundle)
    tried: list[Trial] = []
    for trial in trials(network, classifier, Purifier(EDGE), count):
        tried.append(trial)
        verdicts = f"{trial.clean_class}, attacked {trial.adversarial_class}, restored {trial.restored}"
        typer.echo(f"drawing {trial.seed}: {verdicts} of {PURIFICATIONS}")
        if trial.shows:
            break
    typer.echo(summarise(tried))
    if not tried[-1].shows:
        raise typer.Exit(1)
    atomic.write(out / CLEAN_FILE, image.encode_png(tried[-1].clean))
    atomic.write(out / ADVERSARIAL_FILE, image.encode_png(tried[-1].adversarial))
    atomic.write(out / "README.md", describe(tried, classifier.bundle.sha256))


if __name__ == "__main__":
    typer.run(main)
