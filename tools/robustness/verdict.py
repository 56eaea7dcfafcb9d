"""What a defence stops, what it slows and what it does not stop, in words made of a store's numbers.

    python -m tools.robustness verdict --out DIR [--page tools/robustness/README.md]

Every attack that was run on a victim behind the defence has its line; the rules that sort them stand in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from tools import atomic, readme
from tools.robustness import accuracy_kept, attacks, defences, page, ranking, remarks, results, targets, wording
from tools.robustness.plan import CLEAN, UNIVERSAL
from tools.robustness.results import Cell
from tools.robustness.table import PageFile, References, StoreFolder, open_store

Kind = Literal["stopped", "perhaps stopped", "stopped in part", "not stopped", "failed anyway", "nobody attacks"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Parts of the accuracy on clean images behind the same defence that are left under the attack.
STOPPED, NOT_STOPPED = 0.9, 0.5
#: What the kinds mean.
DEFINITIONS = (
    f"Of the images that are right behind the defence without attack, some stay right under it. *Stopped*: the lower "
    f"end of the exact 95 % interval of their part is at least {STOPPED:.0%}. *Perhaps stopped*: the part is that "
    f"large, its interval is not, which on fewer than 36 images it cannot be. *Not stopped*: less than "
    f"{NOT_STOPPED:.0%} stay. *Stopped in part*: what lies between. *Failed anyway*: of what is right without defence "
    f"{STOPPED:.0%} stay right without it, so there was little to stop."
)
RULES = (
    f"{DEFINITIONS} *Slowed*: the median of the images that are right in both falls after at least "
    f"{remarks.SLOWED:g} times as many queries, or passes through the network, as without the defence (for who knows "
    f"the defence, as under pgd); an image that never fell counts as later than all others. What is stopped may still "
    f"be useless: a defence that answers the commonest class whatever it sees stays right under every attack, so read "
    f"the balanced accuracy too; it is the mean over the classes that have images, without interval where one has "
    f"fewer than {wording.FEWEST}."
)


def sort(cells: Sequence[Cell], cell: Cell, untouched: Cell) -> tuple[Kind, dict[str, Any] | None]:
    """Whether a defence stops the attack of a cell, and what stays right of what is right without it."""
    left = results.stays(cell, untouched)
    if cell.view == "corruption" or cell.attack == remarks.NOISE:
        return "nobody attacks", left
    bare, unharmed = remarks.undefended(cells, cell), results.clean(cells, cell.victim, "none", cell.split)
    without = results.stays(bare, unharmed) if bare and unharmed else None
    if without is not None and without["stays"] >= STOPPED:
        return "failed anyway", left
    if left is None or left["stays"] < NOT_STOPPED:
        return "not stopped", left
    if left["stays"] < STOPPED:
        return "stopped in part", left
    return ("stopped" if left["stays_95"][0] >= STOPPED else "perhaps stopped"), left


def line(cells: Sequence[Cell], cell: Cell, left: dict[str, Any] | None) -> str:
    """One attack's sentence."""
    where = "" if cell.source in (None, cell.victim) else f" crafted on {cell.source}"
    steps = f" of {cell.steps} steps" if cell.view not in ("scores", "labels", "corruption") and cell.steps > 1 else ""
    steps = f" of {cell.steps} queries" if cell.view in ("scores", "labels") else steps
    looks = f" of {cell.looks} looks each" if cell.looks > 1 else ""
    radius = "" if cell.strength is None else f" at {wording.strength(cell)}"
    stay = "none was right" if left is None else f"{left['right']} of {left['images']} stay right"
    parts = [
        f"{cell.attack}{radius}{steps}{looks}{where}: {stay}",
        f"accuracy {wording.estimate(cell.measured)} %, balanced {wording.balanced(cell.measured)} %",
        f"{len(cell.images)} images",
    ]
    said = (remark(cells, cell) for remark in remarks.ALL)
    return "; ".join([", ".join(parts), *filter(None, said)]) + "."


def of(cells: Sequence[Cell], victim: str, defence: str, split: str) -> str:
    """The verdict on one defence before one victim, Markdown; empty when its clean images were not run."""
    untouched = results.clean(cells, victim, defence, split)
    own = [cell for cell in results.pick(cells, victim=victim, defence=defence, split=split) if cell.attack != CLEAN]
    if untouched is None or not own:
        return ""
    plain = results.clean(cells, victim, "none", split)
    shared = results.common([untouched, plain]) if plain else untouched.images
    found: dict[Kind, dict[str, list[str]]] = {}
    for cell in own:
        kind, left = sort(cells, cell, untouched)
        found.setdefault(kind, {}).setdefault(knowledge(cell), []).append(line(cells, cell, left))
    cost = f"Without attack {_both(results.on(untouched, shared))} behind it"
    cost += f", {_both(results.on(plain, shared))} without it" if plain else ""
    cost += f", on {len(shared)} images."
    text = [f"#### {victim} behind {defence}", cost, "<details><summary>Every attack</summary>"]
    for kind in KINDS:
        for knows, sentences in found.get(kind, {}).items():
            who = "Nobody attacks" if kind == "nobody attacks" else f"{kind.capitalize()}, who knows {knows}"
            text.append(f"**{who}:**\n\n" + "\n".join(f"- {sentence}" for sentence in sentences))
    return "\n\n".join([*text, "</details>"])


def _both(cell: Cell) -> str:
    """Accuracy and balanced accuracy of a cell."""
    measured = cell.measured
    return f"{wording.estimate(measured)} % (balanced {wording.balanced(measured)} %)"


def _knows_purification(cell: Cell) -> bool:
    """Whether the attacker knows the purification, but not when it is done."""
    return cell.view in attacks.AWARE_VIEWS and cell.view != "alarm"


def knowledge(cell: Cell) -> str:
    """What the attacker knows, and of which network; behind an alarm, of the alarm too."""
    knows = cell.knows
    if cell.source not in (None, cell.victim):
        knows = knows.replace("the network", f"the network {cell.source} (not {cell.victim})", 1)
    hidden = _knows_purification(cell) and cell.defence.endswith(defences.AUTO)
    return f"{knows}; not the alarm" if hidden else knows


def summary(cells: Sequence[Cell], victim: str, split: str) -> str:
    """One sentence for each MDDA before a victim: how many attacks it stops, in part or not at all."""
    lines = []
    for defence in dict.fromkeys(cell.defence for cell in results.pick(cells, victim=victim, split=split)):
        if ":" in defence or not defences.is_mdda(defence):
            continue
        untouched = results.clean(cells, victim, defence, split)
        behind = results.pick(cells, victim=victim, defence=defence, split=split)
        own = [cell for cell in behind if cell.attack in {*attacks.ATTACKS, UNIVERSAL} - {remarks.NOISE}]
        if untouched is None or not own:
            continue
        unaware, blind, aware, asks = (
            "who does not know the defence",
            "who knows the purification, not the alarm",
            "who knows it",
            "who only asks",
        )
        elsewhere = dict.fromkeys(cell.source for cell in own if cell.view == "network" and cell.source != victim)
        others = {source: f"{unaware}, crafted on {source}," for source in elsewhere}
        groups: dict[str, list[Cell]] = {who: [] for who in (unaware, *others.values(), blind, aware, asks)}
        who = {"scores": asks, "labels": asks}
        for cell in own:
            known = blind if defence.endswith(defences.AUTO) and _knows_purification(cell) else aware
            whom = others.get(cell.source, unaware) if cell.view == "network" else who.get(cell.view, known)
            groups[whom].append(cell)
        parts = []
        for whom, members in groups.items():
            kinds = [sort(cells, cell, untouched)[0] for cell in members]
            counts = [f"{kinds.count(kind)} {kind}" for kind in KINDS if kind in kinds]
            if kinds:
                attempts = "1 attack" if len(kinds) == 1 else f"{len(kinds)} attacks"
                parts.append(f"of {attempts} of one {whom} " + ", ".join(counts))
        lines.append(f"- **{defence}**: " + "; ".join(parts) + ".")
    return "\n".join(lines)


def quote(cells: Sequence[Cell], references: Sequence[str], victim: str, split: str) -> str:
    """What the project's README says of one victim: accuracy kept, targets, MDDA among the others, the counts; and of
    every victim under an attacker who knows the defence."""
    own = wording.split_cells(cells, split)
    through = targets.SOURCE if victim == targets.VICTIM else victim
    rows = [cell for cell in own if (cell.victim, cell.source) == (victim, through) or cell.attack == CLEAN]
    shown = [cell for cell in own if cell.victim in (victim, *references)]
    ranked = [f"- {text}" for text in ranking.write(shown, split)]
    if ranked:
        ranked += ["", ranking.FAIRNESS]
    knowing = page.others([cell for cell in own if cell.defence != "none"], attacks.AWARE_VIEWS)
    if knowing:
        knowing = f"Accuracy in % under an attacker who knows the defence:\n\n{knowing}"
    reached = targets.write(own, references, split) if victim == targets.VICTIM else ""
    if reached:
        reached = f"What this project set out to reach, and what was reached:\n\n{reached}"
    counts = summary(own, victim, split)
    if counts:
        counts = f"{DEFINITIONS}\n\n{counts}"
    parts = [accuracy_kept.write(rows, references, split), reached, "\n".join(ranked), counts, knowing]
    return "\n\n".join(filter(None, parts))


def write(cells: Sequence[Cell]) -> str:
    """The whole verdict, Markdown."""
    parts = [RULES]
    for split in dict.fromkeys(cell.split for cell in cells):
        own = wording.split_cells(cells, split)
        parts += [f"- {text}" for text in ranking.write(own, split)]
        for victim in dict.fromkeys(cell.victim for cell in own):
            # Sweeps of a preset's numbers are for the tables and figures.
            names = dict.fromkeys(cell.defence for cell in own if cell.victim == victim and ":" not in cell.defence)
            found = [of(own, victim, name, split) for name in names if name != "none"]
            if any(found):
                parts += [f"### {victim} (`{split}`)", summary(own, victim, split), *found]
    return "\n\n".join(filter(None, parts)) + "\n"


def main(
    out: Annotated[Path, typer.Option(help="Folder that gets verdict.md.")],
    folder: StoreFolder = Path("runs/robustness"),
    page_file: PageFile = None,
    readme_file: Annotated[
        Path | None, typer.Option("--readme", help="A page whose section `robustness` is filled with the main points.")
    ] = None,
    victim: Annotated[str, typer.Option(help="The victim that --readme speaks of.")] = "int8",
    split: Annotated[str, typer.Option(help="The split that --readme speaks of.")] = "test",
    reference: References = None,
) -> None:
    """Say in words what each defence stops, slows and does not stop."""
    store, cells = open_store(folder)
    store.close()
    text = write(cells)
    atomic.write(out / "verdict.md", text)
    if page_file is not None:
        atomic.write(page_file, readme.fill(page_file.read_text(), "verdict", text))
    if readme_file is not None:
        quoted = quote(cells, reference or accuracy_kept.REFERENCES, victim, split)
        if not quoted:
            raise typer.BadParameter(f"expected results of {victim} on {split}, got none")
        atomic.write(readme_file, readme.fill(readme_file.read_text(), "robustness", quoted))
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
