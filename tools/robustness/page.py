"""The tables of a store as Markdown: the paper's two with its numbers beside ours, then what it never faced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.card_page import percent
from tools.card_page import table as markdown
from tools.robustness import accuracy_kept, attacks, ranking, results, targets
from tools.robustness.plan import CLEAN
from tools.robustness.results import Cell, of_paper
from tools.robustness.store import Store
from tools.robustness.wording import estimate, milliseconds, most_common, order, quantity, split_cells, strength

#: The paper's two radii are lost; these stand beside ours (see paper.json).
RADII = {2: "small", 4: "large"}
#: A victim of this name is set beside the paper's first.
PAPER_VICTIM = "resnet50"
#: Accuracy of an undefended network under the iterative attacks at this radius, at most: otherwise they are no attacks.
VERIFIED_AT, MOST_LEFT = 4, 0.02

Tables = list[tuple[str, str]]


def unaware(cells: Sequence[Cell], paper: dict[str, Any]) -> Tables:
    """The paper's attacks, a table for each source, victim and radius: its tables 2 and 3."""
    found: Tables = []
    relevant = [cell for cell in cells if of_paper(cell)]
    for source, victim in dict.fromkeys((cell.source, cell.victim) for cell in relevant):
        both = results.pick(relevant, source=source, victim=victim)
        theirs: dict[str, Any] = {}
        if source == PAPER_VICTIM:
            theirs = paper["table 2" if victim == source else "table 3"]
        radii = sorted({cell.strength for cell in both if cell.strength is not None})
        run = {radius: {cell.attack for cell in both if cell.strength == radius} for radius in radii}
        for radius, names in run.items():
            own = [cell for cell in both if cell.strength == radius]
            # Beside the one attack of a curve's radius what has none would stand for most of the table.
            if len(names) == max(map(len, run.values())):
                own += [cell for cell in both if cell.strength is None]
            beside = theirs.get(RADII.get(radius, ""), {})
            title = f"{victim}, attacked through {source}, {radius}/255"
            found.append((title, _unaware(cells, own, victim, beside)))
    return found


def _unaware(cells: Sequence[Cell], own: Sequence[Cell], victim: str, beside: dict[str, Any]) -> str:
    names = [name for name in attacks.PAPER if any(cell.attack == name for cell in own)]
    lines = []
    for defence in dict.fromkeys(cell.defence for cell in sorted(own, key=order)):
        theirs = beside.get(defence, {})
        behind = {cell.attack: cell for cell in own if cell.defence == defence}
        untouched = results.clean(cells, victim, defence, own[0].split)
        columns = [(CLEAN, untouched), *((name, behind.get(name)) for name in names)]
        texts = [_beside(estimate(cell and cell.measured), theirs.get(name)) for name, cell in columns]
        means = [theirs[name] for name in names if name in theirs]
        mean = worst = None
        if len(behind) == len(names):
            run = list(behind.values())
            mean, worst = results.mean_accuracy(run), results.survived(run, results.common(run))
        average = _beside(estimate(mean), float(np.mean(means)) if len(means) == len(names) else None)
        lines.append([defence, *texts, average, estimate(worst), f"{milliseconds(list(behind.values())):.1f}"])
    shown = markdown(("defence", CLEAN, *names, "mean of the attacks", "all of them", "ms"), lines)
    defended = {cell.defence for cell in own}
    counted = [*(cell for cell in results.pick(cells, attack=CLEAN, victim=victim) if cell.defence in defended), *own]
    counts = {n: sorted({len(cell.images) for cell in counted if cell.attack == n}) for n in (CLEAN, *names)}
    images = ", ".join(f"{name} {' or '.join(map(str, found))}" for name, found in counts.items())
    shared = results.common(own)
    text = f"{shown}\n\nImages: {images}; their mean, and all of them together, of the {len(shared)} that all have"
    text += f", of which {most_common(own, shared)}." if shared else "."
    return text + (" In square brackets the paper's." if beside else "")


def _beside(text: str, theirs: float | None) -> str:
    return text if theirs is None else f"{text} [{theirs:.1f}]"


def verification(cells: Sequence[Cell]) -> str:
    """Whether the iterative attacks succeed on undefended networks; one was trained to withstand them."""
    lines = []
    for cell in cells:
        known = attacks.ATTACKS.get(cell.attack)
        alone = cell.source == cell.victim and cell.defence == "none" and cell.view == "network"
        if not (known and known.iterative and alone and cell.strength in (VERIFIED_AT, None)):
            continue
        measured = cell.measured
        missed = "no: trained to withstand it" if cell.victim == targets.ATTACK_AWARE else "no"
        verdict = "yes" if measured["accuracy"] < MOST_LEFT else missed
        lines.append([cell.victim, cell.attack, cell.steps, estimate(measured), len(cell.images), verdict])
    header = ("network", "attack", "steps", "accuracy left", "images", f"below {MOST_LEFT:.0%}")
    return markdown(header, lines) if lines else ""


def transfer(cells: Sequence[Cell]) -> str:
    """How many examples that fool their source also fool another victim, of images that both had right."""
    lines = []
    for cell in cells:
        if cell.defence != "none" or cell.source in (None, cell.victim) or cell.view != "network":
            continue
        same = {name: getattr(cell, name) for name in ("attack", "strength", "steps", "source")}
        white = next(iter(results.pick(cells, victim=cell.source, defence="none", **same)), None)
        before = [results.clean(cells, name, "none", cell.split) for name in (cell.source, cell.victim)]
        if white is None or before[0] is None or before[1] is None:
            continue
        images = results.common([cell, white, before[0], before[1]])
        right = [results.right_of(each, images) for each in (before[0], before[1], white, cell)]
        fooled = (right[0] == 1) & (right[1] == 1) & (right[2] == 0)
        count = int(fooled.sum())
        also = int((fooled & (right[3] == 0)).sum())
        rate = percent(also / count) if count else percent(None)
        lines.append([cell.source, cell.victim, cell.attack, strength(cell), count, rate])
    header = ("crafted on", "victim", "attack", "strength", "fooled their source", "of these fooled the victim")
    return markdown(header, lines) if lines else ""


def others(cells: Sequence[Cell], views: Sequence[str]) -> str:
    """Attacks of these views, a row each, by strength: what is left, and when the median image that fell did so.

    An image that is wrong behind the defence without attack did not fall to it.
    """
    chosen = [cell for cell in cells if cell.view in views and not of_paper(cell)]
    parts = []
    for unit in dict.fromkeys(cell.unit for cell in chosen):
        own = [cell for cell in chosen if cell.unit == unit]
        strengths = sorted({cell.strength or 0 for cell in own})
        found: dict[tuple[str, ...], dict[int, Cell]] = {}
        for cell in own:
            steps = f", {cell.steps} steps" if cell.steps > 1 else ""
            looks = f" of {cell.looks} looks" if cell.looks > 1 else ""
            row = (f"{cell.attack}{steps}{looks}", cell.source or "–", cell.victim, cell.defence)
            found.setdefault(row, {})[cell.strength or 0] = cell
        lines = []
        for row, columns in found.items():
            counts = sorted({len(cell.images) for cell in columns.values()})
            lines.append(
                [*row, " or ".join(map(str, counts)), *(_left(cells, columns.get(each)) for each in strengths)]
            )
        header = ("attack", "against", "victim", "defence", "images", *(quantity(each, unit) for each in strengths))
        parts.append(markdown(header, lines))
    return "\n\n".join(parts)


def _left(cells: Sequence[Cell], cell: Cell | None) -> str:
    if cell is None:
        return "–"
    firsts = results.firsts(cell, results.behind(cells, cell)).values()
    fell = [first for first in firsts if np.isfinite(first)]
    took = f"; {len(fell)} after {np.median(fell):.0f}" if fell else ""
    return estimate(cell.measured) + took


def write(cells: Sequence[Cell], references: Sequence[str], paper: dict[str, Any]) -> str:
    """All tables of a store, Markdown."""
    parts: Tables = []
    for split in dict.fromkeys(cell.split for cell in cells):
        own = split_cells(cells, split)
        sections = [
            ("Accuracy kept", accuracy_kept.write(own, references, split)),
            ("The attacks succeed where nothing defends", verification(own)),
            *unaware(own, paper),
            ("Transfer", transfer(own)),
            (f"The attacker knows {attacks.KNOWS['identity']}", others(own, ["identity"])),
            (f"The attacker knows {attacks.KNOWS['surrogate']}", others(own, ["surrogate"])),
            (f"The attacker knows {attacks.KNOWS['seed']}", others(own, ["seed"])),
            (f"The attacker knows {attacks.KNOWS['alarm']}", others(own, ["alarm"])),
            (f"The attacker knows {attacks.KNOWS['scores']}", others(own, ["scores"])),
            (f"The attacker knows {attacks.KNOWS['labels']}", others(own, ["labels"])),
            (f"Further attacks; the attacker knows {attacks.KNOWS['network']}", others(own, ["network"])),
            ("Nobody attacks: corruptions by severity", others(own, ["corruption"])),
        ]
        parts += [(f"{title} (`{split}`)", text) for title, text in sections if text]
    note = (
        "Accuracy in %, in round brackets its 95 % interval: Wilson's, for means and what is kept a bootstrap over the "
        "images. CW has no radius, so the same column stands at each. *All of them*: right under every one of the "
        "attacks. After a semicolon, where the attack watched the very victim behind the very defence: how many images "
        "that are right there without attack were misread on the way, and the median number of passes or queries it "
        "took, each look counted; the defender then draws other noise. AutoAttack and CW leave an image alone that "
        "their source has wrong anyway. ms are the defence's alone; behind `-auto` the model runs a second time. "
        f"{ranking.FAIRNESS}"
    )
    return note + "".join(f"\n\n### {title}\n\n{text}" for title, text in parts) + "\n"


def runs(store: Store) -> str:
    """The commands that filled a store, and the time they took."""
    lines = [
        [f"`{command}`", jobs, f"{seconds / 60:.1f}", machine]
        for command, machine, seconds, jobs in store.database.execute("select * from runs")
    ]
    return markdown(("command", "jobs", "minutes", "machine"), lines)
