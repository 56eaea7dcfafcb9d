"""What the project set out to reach, beside what each preset of MDDA reached: accuracy kept on the shipped model."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mdda.parameters import PRESETS
from tools.card_page import table as markdown
from tools.robustness import attacks, page, results
from tools.robustness.plan import CLEAN
from tools.robustness.results import Cell

#: The victim, attacked through its float parent, and the model trained with attacked images, as --model names them.
VICTIM, ATTACK_AWARE = "int8", "aware"
#: What is averaged, at which radius; floor and aim, % kept of the best undefended, plainly trained model.
UNAWARE: tuple[tuple[str, tuple[str, ...], int | None, int, int], ...] = (
    ("six attacks, 2/255", attacks.PAPER, 2, 92, 98),
    ("five attacks in L∞, 4/255", attacks.PAPER_LINF, 4, 90, 97),
    ("five attacks in L∞, 8/255", attacks.PAPER_LINF, 8, 84, 93),
    ("clean images", (CLEAN,), None, 95, 99),
)
#: Radius, and the accuracy in % aimed at under the worst of the attacks of one who knows the defence.
AWARE = ((2, 50), (4, 30))


def write(cells: Sequence[Cell], references: Sequence[str], split: str) -> str:
    """The table, Markdown; empty where the victim or the reference was not run."""
    reference = page.best_reference(cells, references, split)
    own = results.pick(cells, victim=VICTIM, split=split)
    if reference is None or not own:
        return ""
    lines = []
    for title, names, radius, floor, aim in UNAWARE:
        reached = []
        for preset in PRESETS:
            chosen = [c for c in own if c.defence == preset and c.attack in names and c.strength in (radius, None)]
            chosen = [c for c in chosen if c.attack == CLEAN or results.of_paper(c)]
            whole = {c.attack for c in chosen} == set(names)
            reached.append(page.estimate(results.kept(chosen, reference) if whole else None, "kept"))
        lines.append([f"{title}, % kept", floor, aim, *reached])
    for radius, aim in AWARE:
        for victim in (VICTIM, ATTACK_AWARE):
            worst = [_worst(cells, victim, preset, radius, split) for preset in PRESETS]
            title = f"{victim}, known defence, {radius}/255, accuracy in %"
            lines.append([title, "reported", aim if victim == ATTACK_AWARE else "–", *worst])
    return markdown(("", "floor", "aim", *PRESETS), lines)


def _worst(cells: Sequence[Cell], victim: str, defence: str, radius: int, split: str) -> str:
    """The least accuracy under an attacker who knows the defence, with the attack and its number of images."""
    same = {"victim": victim, "defence": defence, "strength": radius, "split": split}
    knowing = [cell for cell in results.pick(cells, **same) if cell.view in attacks.AWARE_VIEWS]
    if not knowing:
        return "–"
    cell = min(knowing, key=lambda cell: cell.right.mean())
    return f"{page.estimate(cell.measured)}, {cell.attack}, {len(cell.images)} images"
