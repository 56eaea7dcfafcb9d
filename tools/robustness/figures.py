"""The figures of a store, as PNG and SVG: the paper's, and the curves that show whether an attack is one.

    python -m tools.robustness figures --out DIR

Draws what it finds: confusion matrices (the paper's figures 4 to 6), sweeps of σ, K (its figure 7), w and iterations,
the ablation, success against ε, convergence, corruptions and physical-like attacks, and accuracy against milliseconds.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import typer
from matplotlib import pyplot
from matplotlib.figure import Figure

from tools import atomic, confusion, dataset
from tools.robustness import attacks, corruptions, defences, results, wording
from tools.robustness.plan import CLEAN
from tools.robustness.results import Cell
from tools.robustness.table import StoreFolder, open_store

matplotlib.use("Agg")

#: Confusion matrices of the attack that the paper chose as the most dangerous.
MATRICES_OF = "di-fgsm"
SWEPT = {"sigma": "σ", "blocks": "blocks K", "weight": "weight w", "iterations": "iterations"}
KINDS = ("png", "svg")
#: Of ten colours each.
MARKERS = ("o", "s", "^")
Point = tuple[float, Cell]


def lines(curves: dict[str, list[Point]], across: str, title: str) -> Figure:
    """Accuracy with its 95 % intervals against a number, a line for each name."""
    figure, axes = pyplot.subplots(figsize=(7, 4.4), layout="constrained")
    for name, points in curves.items():
        points = sorted(points, key=lambda point: point[0])
        measured = [cell.measured for _, cell in points]
        heights, errors = _bars(measured)
        axes.errorbar([x for x, _ in points], heights, errors, marker="o", capsize=2, label=name)
    axes.set_xlabel(across)
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(-2, 102)
    axes.set_title(title)
    axes.legend(fontsize=7)
    return figure


def _bars(measured: Sequence[dict[str, Any]]) -> tuple[list[float], tuple[list[float], list[float]]]:
    """Accuracies in per cent, and how far their intervals reach below and above."""
    heights = [100 * each["accuracy"] for each in measured]
    intervals = [each["accuracy_95"] for each in measured]
    below = [max(0.0, height - 100 * low) for height, (low, _) in zip(heights, intervals, strict=True)]
    above = [max(0.0, 100 * high - height) for height, (_, high) in zip(heights, intervals, strict=True)]
    return heights, (below, above)


def attack_name(cell: Cell) -> str:
    return cell.attack if cell.attack == CLEAN else f"{cell.attack}, {wording.strength(cell)}"


def sweeps(cells: Sequence[Cell]) -> Iterable[tuple[str, Figure]]:
    """Accuracy against one parameter of a preset, everything else as in the preset."""
    for name, symbol in SWEPT.items():
        found: dict[tuple[str, str], dict[str, list[Point]]] = {}
        for cell in cells:
            preset, _, change = cell.defence.partition(":")
            key, _, value = change.partition("=")
            if preset in defences.PRESETS and (key == name or not change) and ":" not in value:
                number = float(value or getattr(defences.PRESETS[preset], name))
                found.setdefault((cell.victim, preset), {}).setdefault(_source(cell), []).append((number, cell))
        for (victim, preset), curves in found.items():
            swept = {source: points for source, points in curves.items() if len({number for number, _ in points}) > 1}
            if swept:
                title = f"{victim} behind {preset}, {symbol} changed"
                yield f"sweep_{name}_{victim}_{preset}", lines(swept, symbol, title)


def _source(cell: Cell) -> str:
    steps = f", {cell.steps} steps" if cell.steps > 1 else ""
    return attack_name(cell) + steps + (f" ({cell.source})" if cell.source else "")


def ablation(cells: Sequence[Cell]) -> Iterable[tuple[str, Figure]]:
    """What each part of a preset brings: it is left out."""
    parts = {"": "whole", ":scales=0": "no pyramid", ":sigma=0": "no noise", ":weight=0": "no TV"}
    parts[f":{defences.APART}"] = "no aggregation"
    found: dict[tuple[str, str], dict[str, dict[str, Cell]]] = {}
    for cell in cells:
        for change, label in parts.items():
            preset = cell.defence.removesuffix(change) if change else cell.defence
            if cell.defence == preset + change and preset in defences.PRESETS:
                found.setdefault((cell.victim, preset), {}).setdefault(_source(cell), {})[label] = cell
    for (victim, preset), groups in found.items():
        labels = [label for label in parts.values() if any(label in group for group in groups.values())]
        if len(labels) < 2:
            continue
        figure, axes = pyplot.subplots(figsize=(8, 4.4), layout="constrained")
        width = 0.8 / len(labels)
        for number, label in enumerate(labels):
            there = [(place, group[label].measured) for place, group in enumerate(groups.values()) if label in group]
            heights, errors = _bars([measured for _, measured in there])
            places = [place + number * width for place, _ in there]
            axes.bar(places, heights, width, yerr=errors, capsize=2, label=label)
        axes.set_xticks(
            [place + 0.4 - width / 2 for place in range(len(groups))], list(groups), fontsize=7, rotation=30
        )
        axes.set_ylabel("accuracy, %")
        axes.set_title(f"{victim} behind {preset}, parts left out")
        axes.legend(fontsize=7)
        yield f"ablation_{victim}_{preset}", figure


def radii(cells: Sequence[Cell]) -> Iterable[tuple[str, Figure]]:
    """Accuracy against ε, down to 0 %: an attack without a bound must always succeed."""
    found: dict[str, dict[str, list[Point]]] = {}
    for cell in cells:
        if cell.unit == "1/255" and cell.strength is not None and ":" not in cell.defence:
            name = f"{cell.attack}, {cell.steps} ({cell.source}), {cell.defence}"
            found.setdefault(cell.victim, {}).setdefault(name, []).append((cell.strength, cell))
    for victim, curves in found.items():
        long = {name: points for name, points in curves.items() if len(points) >= _fewest_radii(points[0][1])}
        if long:
            figure = lines(long, "ε, 1/255", f"{victim}: accuracy against the radius of the ball")
            figure.axes[0].set_xscale("log", base=2)
            yield f"radius_{victim}", figure


def _fewest_radii(cell: Cell) -> int:
    """From how many radii on a curve is drawn: who knows the defence has few, each of them dear, and matters most."""
    return 2 if cell.view in attacks.AWARE_VIEWS else 4


def convergence(cells: Sequence[Cell]) -> Iterable[tuple[str, Figure]]:
    """Accuracy against the number of steps, each number and the next on the images that both have: more steps must
    change nothing."""
    found: dict[str, dict[str, list[Point]]] = {}
    for cell in cells:
        if cell.attack in attacks.ATTACKS and cell.defence != "none":
            name = f"{attack_name(cell)} ({cell.source}), {cell.defence}, {cell.looks} looks"
            found.setdefault(cell.victim, {}).setdefault(name, []).append((cell.steps, cell))
    for victim, curves in found.items():
        several = {}
        for name, points in curves.items():
            for pair in itertools.pairwise(sorted(points, key=lambda point: point[0])):
                shared = results.common([cell for _, cell in pair])
                if shared:
                    label = f"{name}, {pair[0][0]:g} and {pair[1][0]:g} on {len(shared)} images"
                    several[label] = [(steps, results.on(cell, shared)) for steps, cell in pair]
        if several:
            yield f"convergence_{victim}", lines(several, "steps", f"{victim}: accuracy against the attack's steps")


def corrupted(cells: Sequence[Cell]) -> Iterable[tuple[str, Figure]]:
    """Accuracy against severity where nobody attacks, and against the strength of attacks that a camera might see."""
    for name in (*corruptions.CORRUPTIONS, *attacks.GROUPS["physical"]):
        across = f"strength, {attacks.ATTACKS[name].unit}" if name in attacks.ATTACKS else "severity"
        found: dict[str, dict[str, list[Point]]] = {}
        for cell in results.pick(cells, attack=name):
            found.setdefault(cell.victim, {}).setdefault(cell.defence, []).append((float(cell.strength or 0), cell))
        for victim, curves in found.items():
            for defence, points in curves.items():
                untouched = results.clean(cells, victim, defence, points[0][1].split)
                points += [(0.0, untouched)] if untouched else []
            yield f"{name}_{victim}", lines(curves, across, f"{victim}: {name}")


def costs(cells: Sequence[Cell]) -> Iterable[tuple[str, Figure]]:
    """Mean accuracy under the paper's attacks against the time of the defence."""
    pairs = [(cell.source, cell.victim, cell.strength) for cell in cells if cell.attack == "pgd"]
    for source, victim, radius in dict.fromkeys(pairs):
        own = [
            cell
            for cell in results.pick(cells, source=source, victim=victim)
            if results.of_paper(cell) and cell.strength in (radius, None) and ":" not in cell.defence
        ]
        names = list(dict.fromkeys(cell.defence for cell in sorted(own, key=wording.order)))
        if len(names) < 2 or not {*attacks.PAPER_LINF} <= {cell.attack for cell in own}:
            continue
        most = len({cell.attack for cell in own})
        figure, axes = pyplot.subplots(figsize=(8, 4.4), layout="constrained")
        for number, defence in enumerate(names):
            behind = results.pick(own, defence=defence)
            mean = results.mean_accuracy(behind)
            if mean is None or len(behind) < most:
                continue
            milliseconds = wording.milliseconds(behind)
            height, error = _bars([mean])
            axes.errorbar([milliseconds], height, error, marker=MARKERS[number // 10], capsize=2, label=defence)
        axes.set_xscale("log")
        axes.set_xlabel("the defence, ms an image")
        axes.set_ylabel("mean accuracy under the attacks, %")
        figure.legend(loc="outside right upper", fontsize=8)
        axes.set_title(f"{victim}, attacked through {source}, {radius}/255")
        yield f"cost_{victim}_{source}_{radius}", figure


DRAWN: tuple[Callable[[Sequence[Cell]], Iterable[tuple[str, Figure]]], ...] = (
    sweeps,
    ablation,
    radii,
    convergence,
    corrupted,
    costs,
)


def matrices(cells: Sequence[Cell]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Confusion matrices by title, of each source, victim and radius of the paper's most dangerous attack."""
    chosen = [cell for cell in results.pick(cells, attack=MATRICES_OF) if ":" not in cell.defence]
    for source, victim, radius in dict.fromkeys((cell.source, cell.victim, cell.strength) for cell in chosen):
        own = sorted(results.pick(chosen, source=source, victim=victim, strength=radius), key=wording.order)
        if len(own) < 2:
            continue
        yield f"confusion_{victim}_{source}_{radius}", {cell.defence: cell.measured["confusion"] for cell in own}


def every(cells: Sequence[Cell]) -> Iterator[tuple[str, Callable[[str], bytes]]]:
    """All figures of a store by name, each with what encodes it as one of `KINDS` until the next is asked for."""
    for split in dict.fromkeys(cell.split for cell in cells):
        own = wording.split_cells(cells, split)
        for name, figure in itertools.chain.from_iterable(draw(own) for draw in DRAWN):
            yield f"{split}_{name}", functools.partial(confusion.encode, figure, dpi=100)
            pyplot.close(figure)
        for name, shown in matrices(own):
            yield f"{split}_{name}", functools.partial(confusion.draw, shown, dataset.CLASSES)


def main(
    out: Annotated[Path, typer.Option(help="Folder of the figures.")],
    folder: StoreFolder = Path("runs/robustness"),
) -> None:
    """Draw what a store holds, as PNG and SVG."""
    store, cells = open_store(folder)
    store.close()
    for name, encode in every(cells):
        for kind in KINDS:
            atomic.write(out / f"{name}.{kind}", encode(kind))
        typer.echo(name)


if __name__ == "__main__":
    typer.run(main)
