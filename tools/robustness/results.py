"""What a store holds, as cells: one attack against one victim behind one defence, over all images that were done."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from tools import dataset, evaluate, metrics
from tools.robustness import attacks
from tools.robustness.plan import CLEAN
from tools.robustness.store import Store, key_of

RESAMPLES = 10_000


@dataclass(frozen=True)
class Cell:
    """Answers to one question about many images.

    Attributes:
        attack, strength, unit, steps, looks, view, knows, source, known: of the examples, see `plan.Craft`.
        split: of the images.
        victim, defence: who answered, behind what.
        images: names of the images, sorted.
        labels: their class indices, (N,).
        logits: of each repetition, (repetitions, N, classes).
        seconds: the defence took for each image, (N,), the median over the repetitions.
        facts: of each example: distances, seconds, what was asked and when it first succeeded.
    """

    attack: str
    strength: int | None
    unit: str
    steps: int
    looks: int
    view: str
    knows: str
    source: str | None
    known: str | None
    split: str
    victim: str
    defence: str
    images: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    seconds: NDArray[np.float64]
    facts: tuple[dict[str, Any], ...] = field(repr=False, default=())

    @functools.cached_property
    def right(self) -> NDArray[np.float64]:
        """The part of its repetitions for which each image is answered rightly, (N,)."""
        return evaluate.right(self.logits, self.labels)

    @functools.cached_property
    def measured(self) -> dict[str, Any]:
        """Accuracy, balanced accuracy and confusion, with 95 % intervals, as `tools.evaluate` has them."""
        if len(self.logits) == 1:
            return evaluate.summarise(self.logits[0], self.labels, dataset.CLASSES)
        return evaluate.summarise_seeds(self.logits, self.labels, dataset.CLASSES)

    def facts_of(self, name: str) -> list[Any]:
        return [each.get(name) for each in self.facts]


_ROWS = """
select answers.example, answers.key, answers.image, answers.logits, answers.seconds, images.split, images.label,
       examples.facts
from answers join images on images.image = answers.image
join examples on examples.key = answers.example and examples.image = answers.image
order by answers.image
"""


def read(store: Store) -> list[Cell]:
    """Every cell of a store, with the repetitions that all of its images have.

    Raises:
        ValueError: a name stands for two models or two defences, of before and after a change.
    """
    meanings = {
        key: json.loads(content) for key, content in store.database.execute("select key, content from settings")
    }
    alike = {key: key_of({**each, "repetition": 0}) for key, each in meanings.items() if "repetition" in each}
    behind: dict[tuple[str, str], set[str]] = {}
    found: dict[tuple[Any, ...], dict[str, dict[int, Any]]] = {}
    for example, key, image, logits, seconds, split, label, facts in store.database.execute(_ROWS):
        made, asked = meanings[example], meanings[key]
        names = asked["victim_name"], asked["defence_name"]
        place = (example, *names, split)
        behind.setdefault(names, set()).add(alike[key])
        row = (np.frombuffer(logits, "<f4"), seconds, label, facts)
        found.setdefault(place, {}).setdefault(image, {})[asked["repetition"]] = row
    for (victim, defence), several in behind.items():
        if len(several) > 1:
            raise ValueError(
                f"expected one model called {victim} behind one {defence}, got answers of {len(several)}: "
                f"give what was changed a name, or a store, of its own"
            )
    cells = []
    for (example, victim, defence, split), images in found.items():
        made = meanings[example]
        shared = sorted(set.intersection(*(set(rows) for rows in images.values())))
        whole = {image: [rows[each] for each in shared] for image, rows in images.items()}
        cells.append(
            Cell(
                *(made[name] for name in ("attack", "strength", "unit", "steps", "looks", "view", "knows")),
                made["source_name"],
                made["defence_name"],
                split,
                victim,
                defence,
                tuple(whole),
                np.array([rows[0][2] for rows in whole.values()]),
                np.array([[row[0] for row in rows] for rows in whole.values()]).swapaxes(0, 1),
                np.array([np.median([row[1] for row in rows]) for rows in whole.values()]),
                tuple(json.loads(rows[0][3]) for rows in whole.values()),
            )
        )
    return cells


def of_paper(cell: Cell) -> bool:
    """Whether it is one of the paper's attacks with its number of steps; others stand apart."""
    return cell.attack in attacks.PAPER and cell.steps == attacks.ATTACKS[cell.attack].steps


def pick(cells: Iterable[Cell], **wanted: Any) -> list[Cell]:
    """The cells whose attributes have the wanted values."""
    attributes = operator.attrgetter(*wanted)
    values = tuple(wanted.values()) if len(wanted) > 1 else next(iter(wanted.values()))  # as attrgetter has one name's
    return [cell for cell in cells if attributes(cell) == values]


def alike(cells: Iterable[Cell], cell: Cell, **changed: Any) -> Cell | None:
    """The cell that is as another one but for some attributes; None where that was not run."""
    names = ("split", "source", "victim", "defence", "attack", "strength", "steps", "looks")
    return next(iter(pick(cells, **{name: getattr(cell, name) for name in names} | changed)), None)


def clean(cells: Iterable[Cell], victim: str, defence: str, split: str) -> Cell | None:
    """The unattacked images of a victim behind a defence."""
    return next(iter(pick(cells, attack=CLEAN, victim=victim, defence=defence, split=split)), None)


def common(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The images that all cells have."""
    shared = set(cells[0].images).intersection(*(cell.images for cell in cells[1:])) if cells else set()
    return tuple(sorted(shared))


def labels_of(cells: Iterable[Cell]) -> dict[str, int]:
    """The class index of every image of some cells."""
    return {image: int(label) for cell in cells for image, label in zip(cell.images, cell.labels, strict=True)}


def right_of(cell: Cell, images: Sequence[str]) -> NDArray[np.float64]:
    """`Cell.right` of some of its images, in their order."""
    known = dict(zip(cell.images, cell.right, strict=True))
    return np.array([known[image] for image in images])


def kept(cells: Sequence[Cell], reference: Cell, seed: int = 0) -> dict[str, Any] | None:
    """Mean accuracy of cells over that of a reference on the same images, with a 95 % interval; None without images.

    The interval is a bootstrap over the images, the numerator and the denominator of the same draw: an image is drawn
    with all attacks on it.
    """
    images = common([*cells, reference])
    if not images:
        return None
    above = np.mean([right_of(cell, images) for cell in cells], axis=0)
    below = right_of(reference, images)
    if not below.any():
        return None
    draws = _draws(len(images), seed)
    numerators, denominators = draws @ above, draws @ below
    low, high = np.quantile(numerators[denominators > 0] / denominators[denominators > 0], [0.025, 0.975])
    value = float(above.mean() / below.mean())
    return {"images": len(images), "kept": value, "kept_95": (float(low), float(high))}


def stays(cell: Cell, untouched: Cell) -> dict[str, Any] | None:
    """Of the images that are right without attack, how many stay right under it: exact (Clopper-Pearson) interval.

    An image of several repetitions counts as right where all of them are. None where none is right without attack.
    """
    images = common([cell, untouched])
    before = right_of(untouched, images) == 1 if images else np.zeros(0, bool)
    count = int(before.sum())
    if not count:
        return None
    right = int((right_of(cell, images)[before] == 1).sum())
    return {"images": count, "right": right, "stays": right / count, "stays_95": _exact(right, count)}


@functools.cache
def _exact(right: int, count: int) -> tuple[float, float]:
    low, high = binomtest(right, count).proportion_ci(method="exact")
    return float(low), float(high)


def survived(cells: Sequence[Cell], images: Sequence[str]) -> dict[str, Any] | None:
    """Accuracy against whichever attack is worst for each image: it has to be right under all that were run on it."""
    if not images:
        return None
    worst, labels = dict.fromkeys(images, True), labels_of(cells)
    for cell in cells:
        for image, right in zip(cell.images, cell.right, strict=True):
            if image in worst:
                worst[image] = worst[image] and right == 1
    scores, known = np.array(list(worst.values()), float), np.array([labels[image] for image in images])
    return {
        "images": len(images),
        "accuracy": float(scores.mean()),
        "accuracy_95": metrics.wilson(int(scores.sum()), len(images)),
        "balanced_accuracy": float(np.mean([scores[known == label].mean() for label in np.unique(known)])),
    }


def on(cell: Cell, images: Sequence[str]) -> Cell:
    """A cell of some of its images alone."""
    wanted = set(images)
    places = [place for place, image in enumerate(cell.images) if image in wanted]
    return replace(
        cell,
        images=tuple(cell.images[place] for place in places),
        labels=cell.labels[places],
        logits=cell.logits[:, places],
        seconds=cell.seconds[places],
        facts=tuple(cell.facts[place] for place in places),
    )


def behind(cells: Iterable[Cell], cell: Cell) -> Cell | None:
    """The unattacked images of a cell's victim behind its defence."""
    return clean(cells, cell.victim, cell.defence, cell.split)


def firsts(cell: Cell, untouched: Cell | None) -> dict[str, float]:
    """When each image fell that is right without attack, infinite for one that never did.

    Empty where it fell elsewhere: the attack watched another network, or this one behind another defence.
    """
    watched = "none" if cell.view == "network" else cell.known
    if untouched is None or (cell.source, watched) != (cell.victim, cell.defence):
        return {}
    right = dict(zip(untouched.images, untouched.right, strict=True))
    pairs = zip(cell.images, cell.facts_of("first"), strict=True)
    return {image: first or np.inf for image, first in pairs if right.get(image) == 1}


@functools.lru_cache(maxsize=4)
def _draws(images: int, seed: int) -> NDArray[np.float64]:
    """How often each image is in each resample, (RESAMPLES, images)."""
    draws = np.random.default_rng(seed).multinomial(images, [1 / images] * images, size=RESAMPLES)
    return draws.astype(np.float64)


def lead(ours: Sequence[Cell], theirs: Sequence[Cell]) -> tuple[float, tuple[float, float]] | None:
    """By how much the mean accuracy of cells is above that of others on the images they share; paired 95 % interval.

    A bootstrap over the images.
    """
    images = common([*ours, *theirs])
    if not images:
        return None
    above, below = (np.mean([right_of(cell, images) for cell in each], axis=0) for each in (ours, theirs))
    return float(np.mean(above - below)), _resampled(above - below)


def _resampled(scores: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean over images, by bootstrap."""
    low, high = np.quantile(_draws(len(scores), seed) @ scores / len(scores), [0.025, 0.975])
    return float(low), float(high)


def mean_accuracy(cells: Sequence[Cell]) -> dict[str, Any] | None:
    """Mean accuracy of cells on the images they share, with a 95 % interval over the images; None without any.

    A bootstrap over the images; Wilson's interval where each image is right under all attacks or under none, as under
    a single one, so that images that are all alike do not pass for certainty.
    """
    images = common(cells)
    if not images:
        return None
    scores = np.mean([right_of(cell, images) for cell in cells], axis=0)
    whole = np.isin(scores, (0, 1)).all()
    interval = metrics.wilson(int(scores.sum()), len(images)) if whole else _resampled(scores)
    return {"images": len(images), "accuracy": float(scores.mean()), "accuracy_95": interval}
