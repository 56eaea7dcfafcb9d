"""One job: an example crafted and saved, checked as it was saved, and shown to victims behind defences."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_mdda import image as gate
from tools import attack
from tools.robustness import aware, corruptions, defences
from tools.robustness.attacks import ATTACKS
from tools.robustness.plan import CLEAN, UNIVERSAL, Craft, Job, Picture, Pixels, seed_of
from tools.robustness.queries import Answers, Done, Watched, nearest_in_ball
from tools.robustness.store import Answer

#: How often a random defence is asked again about an image that it gave another class.
CONFIRM = 8
# Libraries draw from the random numbers of the whole process, and a cluster's worker may have several threads.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What a job made, for `Store.add`."""

    example: str
    image: str
    facts: dict[str, Any] | None
    encoded: bytes | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Failure:
    """A job that could not be done, and why; nothing of it is kept, and the next run tries it again."""

    attack: str
    image: str
    message: str


def attempt(job: Job) -> Outcome | Failure:
    """`do` for a long run, which one image must not end: whatever a library raises is told and not lost."""
    try:
        return do(job)
    except Exception as error:
        return Failure(job.craft.attack, job.picture.digest, f"{type(error).__name__}: {error}")


def do(job: Job) -> Outcome:
    """Do a job; the same job has the same outcome in every process, but for the times in it.

    Raises:
        ValueError: an example that does not lie in its ball or in [0, 1] after it was saved as 8-bit PNG.
    """
    with _ONE_AT_A_TIME:
        return _do(job)


def _do(job: Job) -> Outcome:
    torch.set_num_threads(1)  # one image is too small to share
    example, facts, encoded = job.example, None, None
    if example is None:
        example, facts = craft(job.craft, job.picture, job.perturbation)
        encoded = gate.encode_png(example)
        example = gate.decode(encoded)
        facts |= check(example, job)
    elif job.craft.attack == CLEAN:
        facts = {}
    answers = []
    seen: dict[tuple[str, int], tuple[defences.Unit, float]] = {}  # all victims see the same purified images
    for question in job.questions:
        defence, place = defences.read(question.defence), (question.defence, question.repetition)
        if place not in seen:
            seen[place] = defence.purify(example, noise_seed(job.picture, question.repetition))
        purified, seconds = seen[place]
        answers.append(Answer(question.key, defence.logits(question.victim, example, purified), seconds))
    return Outcome(job.craft.key, job.picture.digest, facts, encoded, tuple(answers))


def noise_seed(picture: Picture, repetition: int) -> int:
    """The seed of a defender's noise, the one that an attacker who knows seeds knows for the repetition 0."""
    return seed_of("defender", picture.digest, repetition)


def craft(craft: Craft, picture: Picture, perturbation: NDArray[Any] | None) -> tuple[Pixels, dict[str, Any]]:
    """An example of an image, uint8 (H, W, 3), and how it went: seconds; what was asked and when it first succeeded.

    `asked` and `first` count passes through the network, or images sent to the device; each of `looks` counts.
    """
    start = time.perf_counter()
    facts: dict[str, Any] = {}
    if craft.attack == UNIVERSAL:
        if perturbation is None:
            raise ValueError("expected the universal perturbation with the job, got none")
        example = np.clip(picture.pixels + perturbation, 0, 255).astype(np.uint8)
    elif craft.attack in corruptions.CORRUPTIONS:
        random = np.random.default_rng(seed_of(craft.attack, picture.digest))
        example = corruptions.corrupt(craft.attack, picture.pixels, craft.settings.strength or 0, random)
    else:
        example, facts = _attack(craft, picture)
    return example, {**facts, "seconds": time.perf_counter() - start}


def _attack(craft: Craft, picture: Picture) -> tuple[Pixels, dict[str, Any]]:
    if craft.source is None:
        raise ValueError(f"expected a source of {craft.attack}, got none")
    known, settings = ATTACKS[craft.attack], craft.settings
    seed = seed_of("attacker", craft.attack, picture.digest)
    levels = settings.strength if known.in_ball else None
    clean = picture.pixels[None]
    images, labels = attack.to_unit(clean).contiguous(), torch.tensor([picture.label])
    limits: dict[str, Any] = {}
    if known.view == "network":
        model = craft.source.network
    elif known.view in ("scores", "labels"):
        defence = defences.read(craft.defence or "none")
        source, random = craft.source, np.random.default_rng(seed)
        model = Answers(
            lambda pixels: defence.answer(source, pixels, int(random.integers(2**63)))[0],
            looks=settings.looks,
            labels=known.view == "labels",
        )
        # Scores end by themselves; labels would go on to lessen the distance inside the ball.
        limits = {"budget": settings.steps // settings.looks, "stop": known.view == "labels"}
        limits["confirm"] = CONFIRM // settings.looks if defence.random else 0
    else:
        model = aware.defended(
            craft.source.network,
            defences.read(craft.defence or "none"),
            known.view,
            label=picture.label,
            looks=settings.looks,
            seed=seed,
            known_seed=noise_seed(picture, 0),
        )
    watched = Watched(model, images, picture.label, None if levels is None else settings.radius, **limits).eval()
    with torch.random.fork_rng(devices=[]), defences.numpy_seeded(seed):
        torch.manual_seed(seed)
        try:
            example = attack.to_pixels(known.run(watched, images, labels, settings), clean, levels)
        except Done:
            example = nearest_in_ball(watched, clean, settings.strength or 0)
    if limits and watched.least is not None and (example == clean).all():
        # What did not succeed is handed back as it came; the most doubtful image serves the attacker better.
        example = attack.to_pixels(watched.least, clean, levels)
    first = watched.first and watched.first * settings.looks
    return example[0], {"asked": watched.asked * settings.looks, "first": first}


def check(example: Pixels, job: Job) -> dict[str, float]:
    """The distances of a saved example; ValueError when it left its ball."""
    moved = example.astype(np.float64) - job.picture.pixels
    largest, name = float(np.abs(moved).max()), job.craft.attack
    in_ball = name == UNIVERSAL or (name in ATTACKS and ATTACKS[name].in_ball)
    if in_ball and largest > (job.craft.settings.strength or 0):
        raise ValueError(f"expected {name} within {job.craft.settings.strength} of 255, got {largest:g}")
    return {"linf": largest, "l2": float(np.linalg.norm(moved) / 255)}
