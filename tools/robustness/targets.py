"""What the project set out to reach, beside what each preset of MDDA reached: accuracy kept on the shipped model."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

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
#: What is averaged, at which radius; floor and aim, % kept of the best undefended, plainly trained model.
UNAWARE: tuple[tuple[str, tuple[str, ...], int | None, int, int], ...] = (
    ("six attacks, 2/255", attacks.PAPER, 2, 92, 98),
    ("five attacks in L∞, 4/255", attacks.PAPER_LINF, 4, 90, 97),
    ("five attacks in L∞, 8/255", attacks.PAPER_LINF, 8, 84, 93),
    ("clean images", (CLEAN,), None, 95, 99),
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
    always, *constant = accuracy_kept.commonest(own, reference, [(radius, names) for _, names, radius, _, _ in UNAWARE])
    lines = []
    for (title, names, radius, floor, aim), of_constant in zip(UNAWARE, constant, strict=True):
        reached = [
            wording.estimate(accuracy_kept.under_attacks(own, each, radius, names, reference), "kept") for each in SHOWN
        ]
        lines.append([f"{title}, % kept", floor, aim, *reached, of_constant])
    for radius, aim in AWARE:
        for victim in (VICTIM, ATTACK_AWARE):
            knowing = [_knowing(cells, victim, preset, radius, split) for preset in SHOWN]
            title = f"{victim}, known defence, unknown noise, {radius}/255, accuracy in %"
            aimed = aim if victim == ATTACK_AWARE else "–"
            of_constant = _constant(itertools.chain(*knowing), reference)
            lines.append([title, "reported", aimed, *map(_worst, knowing), of_constant])
    return markdown(("", "floor", "aim", *SHOWN, always), lines)


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
