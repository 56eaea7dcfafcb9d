"""What the project set out to reach, beside what each preset of MDDA reached: accuracy kept on the shipped model."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from edge_mdda.parameters import PRESETS
from tools.card_page import table as markdown
from tools.robustness import accuracy_kept, attacks, defences, results, wording
from tools.robustness.plan import CLEAN
from tools.robustness.results import Cell

#: The victim, its float parent that it is attacked through, and the model trained with attacked images, as --model
#: names them.
VICTIM, SOURCE, ATTACK_AWARE = "int8", "float", "aware"
#: The presets, and what a device does unless told otherwise.
SHOWN = (*PRESETS, f"{defences.DEFAULT}{defences.AUTO}")


class Target(NamedTuple):
    """What is averaged, at which radius; floor and aim, % kept of the best undefended, plainly trained model."""

    title: str
    attacks: tuple[str, ...]
    radius: int | None
    floor: int
    aim: int


UNAWARE = (
    Target("six attacks, 2/255", attacks.PAPER, 2, 92, 98),
    Target("five attacks in L∞, 4/255", attacks.PAPER_LINF, 4, 90, 97),
    Target("five attacks in L∞, 8/255", attacks.PAPER_LINF, 8, 84, 93),
    Target("clean images", (CLEAN,), None, 95, 99),
)
#: Radius, and the accuracy in % aimed at under all attacks of those who know the defence but not its noise.
AWARE = ((2, 50), (4, 30))
BLIND_TO_NOISE = ("identity", "surrogate", "alarm")


def write(cells: Sequence[Cell], references: Sequence[str], split: str) -> str:
    """The table, Markdown; empty where the victim or the reference was not run."""
    reference = accuracy_kept.best_reference(cells, references, split)
    own = [cell for cell in results.pick(cells, victim=VICTIM, split=split) if cell.source in (SOURCE, None)]
    if reference is None or not own:
        return ""
    always, *constant = accuracy_kept.commonest(own, reference, [(each.radius, each.attacks) for each in UNAWARE])
    lines, shares = [], []
    for target, of_constant in zip(UNAWARE, constant, strict=True):
        reached = [accuracy_kept.under_attacks(own, each, target.radius, target.attacks, reference) for each in SHOWN]
        images = " or ".join(map(str, sorted({found["images"] for found in reached if found})))
        title = f"{target.title}, % kept" + (f", {images} images" if images else "")
        texts = [wording.estimate(found, "kept") for found in reached]
        lines.append([title, target.floor, target.aim, *texts, of_constant])
        shares.append(reached)
    for radius, aim in AWARE:
        for victim in (VICTIM, ATTACK_AWARE):
            knowing = [_knowing(cells, victim, preset, radius, split) for preset in SHOWN]
            title = f"{victim}, known defence, unknown noise, {radius}/255, accuracy in %"
            aimed = aim if victim == ATTACK_AWARE else "–"
            of_constant = _constant(itertools.chain(*knowing), reference)
            lines.append([title, "reported", aimed, *map(_worst, knowing), of_constant])
    judged = "\n".join(filter(None, map(_judged, SHOWN, zip(*shares, strict=True))))
    return markdown(("", "floor", "aim", *SHOWN, always), lines) + (f"\n\n{judged}" if judged else "")


def _judged(preset: str, reached: Sequence[dict[str, Any] | None]) -> str:
    """Which floors and aims a preset reaches, and which its interval leaves no doubt of."""
    measured = [(target, found) for target, found in zip(UNAWARE, reached, strict=True) if found]
    parts = []
    for name in ("floor", "aim"):
        wanted = [(target.title, getattr(target, name), found) for target, found in measured]
        missed = [
            f"{title} ({100 * found['kept']:.1f} of {least})"
            for title, least, found in wanted
            if 100 * found["kept"] < least
        ]
        sure = sum(100 * found["kept_95"][0] >= least for _, least, found in wanted)
        text = f"{name} reached in {len(wanted) - len(missed)} of {len(wanted)}, in {sure} with its whole interval"
        parts.append(text + (f"; missed: {', '.join(missed)}" if missed else ""))
    return f"- **{preset}**: {'; '.join(parts)}." if measured else ""


def _knowing(cells: Sequence[Cell], victim: str, defence: str, radius: int, split: str) -> list[Cell]:
    """The attacks with knowledge of the defence."""
    same = {"victim": victim, "defence": defence, "strength": radius, "split": split}
    return [cell for cell in results.pick(cells, **same) if cell.view in BLIND_TO_NOISE]


def _worst(knowing: Sequence[Cell]) -> str:
    """Accuracy under all of these attacks, with their number and that of the images."""
    if not knowing:
        return "–"
    images = sorted({image for cell in knowing for image in cell.images})
    found = results.survived(knowing, images)
    fewest = min(len(cell.images) for cell in knowing)
    some = f"on {fewest} or more of " if fewest < len(images) else ""
    several = f"all {len(knowing)} attacks" if len(knowing) > 1 else knowing[0].attack
    balanced = f"balanced {100 * found['balanced_accuracy']:.1f}" if found else ""
    return f"{wording.estimate(found)}, {balanced}; {several}, {some}{len(images)} images"


def _constant(cells: Iterable[Cell], reference: Cell) -> str:
    """Accuracy on the images of these cells of who answers the commonest class whatever comes."""
    labels = list(results.labels_of(cells).values())
    if not labels:
        return "–"
    accuracy = labels.count(accuracy_kept.commonest_class(reference)) / len(labels)
    return f"{100 * accuracy:.1f}, balanced {100 / len(set(labels)):.1f}"
