"""What averaging several looks at one lesion brings: accuracy and calibration against their number, and against time.

    python -m tools.averaging models/mobilenet_v2 --checkpoint models/checkpoints/purified.ckpt \\
        --json models/averaging.json --figure models/averaging.png --page models/AVERAGING.md

Two ways to look n times. `--samples n`: one image purified n times, each with noise of its own. `--frames n`: n frames
of a camera, each of them purified once. There are no films of lesions in the data set, so frames are simulated, as a
hand that holds a dermatoscope makes them: the still image moved, turned, scaled and brightened by a little, with a
sensor's noise (`frame`). Real frames differ in more than that – focus, reflections, pressure on the skin.

It takes an hour or two of one core, part by part; a run that was ended goes on where it was.

Nothing is chosen here but the likeness below which two frames show different lesions (`edge_mdda.averaging`), on `val`.
The thresholds of calibration.json come from one look; what they do to averages is measured: how often the alarm rings
for nothing and under attack, how often prediction sets hold the true class, how many answers are given and are wrong.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import cv2
import matplotlib
import numpy as np
import typer
from numpy.typing import NDArray

matplotlib.use("Agg")
import torch
from matplotlib import pyplot

from edge_mdda import EDGE, Classifier, Purifier, assess, averaging, model, seeds
from edge_mdda.calibration import Calibration
from edge_mdda.judgement import COVERAGE
from edge_mdda.model import Bundle
from edge_mdda.parameters import PRESETS
from tools import atomic, attack, benchmark, calibrate, card, card_page, checkpoint, doubt, evaluate, metrics
from tools.machine import machine
from tools.sections import fill

SCHEMA = "edge-mdda/averaging/1"
#: Looks that are averaged.
COUNTS = (1, 2, 4, 8, 16)
MOST = COUNTS[-1]
SPLITS = ("val", "test")
#: Of `tools.doubt.ATTACKS`, the weakest and the one that presets are chosen with.
ATTACKS = ("PGD-1, 4/255", "PGD-10, 4/255")
#: Part of the pairs of different lesions that may be taken for one.
JOINED = 0.01
# What a hand does between two frames, at most: parts of the side, degrees, parts of the size, parts of the brightness.
_MOVE, _TURN, _SCALE, _BRIGHTNESS = 0.02, 2.0, 0.02, 0.05
#: Standard deviation of the simulated sensor's noise, of 255.
_GRAIN = 2.0
_LIKENESS_IMAGES = 400

Pixels = NDArray[np.uint8]
Part = Callable[[], Any]
Probabilities = NDArray[np.float64]


def frame(picture: Pixels, random: np.random.Generator) -> Pixels:
    """The picture as one frame of a hand-held camera sees it: uint8 RGB (H, W, 3), the same shape."""
    height, width = picture.shape[:2]
    turn, scale = random.uniform(-_TURN, _TURN), 1 + random.uniform(-_SCALE, _SCALE)
    change = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
    change[:, 2] += random.uniform(-_MOVE, _MOVE, 2) * (width, height)
    moved = cv2.warpAffine(picture, change, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    lit = moved * (1 + random.uniform(-_BRIGHTNESS, _BRIGHTNESS)) + random.normal(0, _GRAIN, moved.shape)
    return np.asarray(np.rint(np.clip(lit, 0, 255)), np.uint8)


def film(pixels: Pixels, number: int) -> Pixels:
    """The frame of that number of each picture, uint8 (N, H, W, 3)."""
    return np.stack([frame(picture, np.random.default_rng((number, each))) for each, picture in enumerate(pixels)])


def means(looks: Probabilities, count: int) -> Probabilities:
    """Means over each `count` looks in a row, (looks // count, N, classes), of (looks, N, classes)."""
    groups = len(looks) // count
    return looks[: groups * count].reshape(groups, count, *looks.shape[1:]).mean(axis=1)


def quality(answer: Probabilities, labels: NDArray[np.int64]) -> dict[str, float]:
    """Accuracy, balanced accuracy, log loss and expected calibration error of probabilities, (N, classes)."""
    logarithms = np.log(np.maximum(answer, np.finfo(float).tiny))  # as logits, whose softmax they are
    return {
        **calibrate.quality(answer, labels),
        "log_loss": metrics.log_loss(logarithms, labels),
        "calibration_error": metrics.calibration_error(logarithms, labels),
    }


def judged(known: Calibration, preset: str, raw: Probabilities, purified: Probabilities, labels: Any) -> dict[str, Any]:
    """What the device makes of verdicts, with `--purify auto` and the thresholds that are calibrated for one look."""
    of = known.of(PRESETS[preset])
    if of is None:
        raise ValueError(f"expected a calibration of {preset}, got none")
    answer, answers, verdicts = doubt.ways(known, {"raw": raw, preset: purified})[f"{preset}, auto"]
    chosen, sets = doubt.selective(answer, answers, verdicts, labels), doubt.sets(answer, answers, labels, COVERAGE)
    return {
        **quality(answer, labels),
        "alarms": float((calibrate.divergence(raw, purified) > of.most_divergence).mean()),
        "coverage": sets["coverage"],
        "set_classes": sets["size"],
        "answered": chosen["answered"],
        "risk": chosen["risk"],
    }


def rows(
    raw: Probabilities, purified: Probabilities, labels: NDArray[np.int64], judge: Callable[..., dict[str, Any]] | None
) -> list[dict[str, Any]]:
    """A row for each number of looks: means over the groups of so many that all the looks make.

    Args:
        raw: probabilities of each look as it came, (looks, N, classes), or (1, N, classes) where all are of one image.
        purified: of each look purified.
        judge: makes of raw and purified ones what the device does; None where it is not calibrated.
    """
    found: list[dict[str, Any]] = []
    single = evaluate.right(purified, labels)
    for count in COUNTS:
        averaged = means(purified, count)
        before = means(raw, count) if len(raw) > 1 else np.repeat(raw, len(averaged), axis=0)
        row: dict[str, Any] = {"looks": count, "purified": _mean([quality(each, labels) for each in averaged])}
        row["purified"] |= evaluate.difference(evaluate.right(averaged, labels), single, labels)
        if len(raw) > 1:
            row["raw"] = _mean([quality(each, labels) for each in before])
        if judge is not None:
            row["auto"] = _mean([judge(*both, labels) for both in zip(before, averaged, strict=True)])
        found.append(row)
    return found


def _mean(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each figure; None, no answer having been given, counts for nothing."""
    figures = {}
    for name in groups[0]:
        values = [group[name] for group in groups if group[name] is not None]
        figures[name] = float(np.mean(values)) if values else None
    return figures


def measure_samples(
    bundle: Bundle, known: Calibration, preset: str, images: doubt.Images, what: str, threads: int | None = None
) -> list[dict[str, Any]]:
    """One image purified many times."""
    pixels, labels = images
    typer.echo(f"{what}, {preset}, samples", err=True)
    logits = evaluate.classify(bundle, pixels, PRESETS[preset], seeds=MOST, seeds_of=seeds.derive, threads=threads)
    purified, raw = (
        _probabilities(bundle, logits),
        _probabilities(bundle, evaluate.classify(bundle, pixels, threads=threads)),
    )
    return rows(raw, purified, labels, lambda *given: judged(known, preset, *given))


def measure_frames(
    bundle: Bundle, known: Calibration, preset: str, images: doubt.Images, what: str, threads: int | None = None
) -> list[dict[str, Any]]:
    """Many frames of one lesion, each purified once."""
    pixels, labels = images
    raw, purified = [], []
    for number in range(MOST):
        typer.echo(f"{what}, {preset}, frame {number}", err=True)
        seen = film(pixels, number)
        raw.append(evaluate.classify(bundle, seen, threads=threads)[0])
        # Seeds of its own for each frame, as the device draws them.
        seed_of = lambda position, count, number=number: seeds.derive(position, number + 1)[-1:]  # noqa: E731
        purified.append(evaluate.classify(bundle, seen, PRESETS[preset], seeds_of=seed_of, threads=threads)[0])
    both = (_probabilities(bundle, np.stack(logits)) for logits in (raw, purified))
    return rows(*both, labels, lambda *given: judged(known, preset, *given))


def measure_attacks(
    bundle: Bundle,
    known: Calibration,
    preset: str,
    network: torch.nn.Module,
    images: doubt.Images,
    count: int,
    what: str,
    threads: int | None = None,
) -> dict[str, Any]:
    """The same as samples, of some images under attack by one who does not know of the purification."""
    pixels, labels = images
    order = np.random.default_rng(0).permutation(len(pixels))[:count]
    found = {}
    for name in ATTACKS:
        levels, steps = doubt.ATTACKS[name]
        adversarial = attack.descend(network, pixels[order], labels[order], levels=levels, steps=steps)
        found[name] = measure_samples(bundle, known, preset, (adversarial, labels[order]), f"{what}, {name}", threads)
    return found


def measure_likeness(pixels: Pixels) -> dict[str, Any]:
    """How alike frames of one lesion and of different ones are, and what the device's threshold does to them."""
    first, second = film(pixels, MOST), film(pixels, MOST + 1)
    same = np.array([averaging.likeness(*pair) for pair in zip(first, second, strict=True)])
    different = np.concatenate(
        [
            [averaging.likeness(*pair) for pair in zip(first, np.roll(second, step, axis=0), strict=True)]
            for step in range(1, 6)
        ]
    )
    return {
        "pairs": {"same": len(same), "different": len(different)},
        "auroc": calibrate.auroc(different, same),
        "threshold_by_this": float(np.quantile(different, 1 - JOINED)),
        "threshold": averaging.LEAST_LIKENESS,
        "same_kept": float((same >= averaging.LEAST_LIKENESS).mean()),
        "different_joined": float((different >= averaging.LEAST_LIKENESS).mean()),
    }


def measure_time(bundle: Bundle, picture: Pixels, rounds: int) -> dict[str, Any]:
    """Milliseconds of a whole assessment with so many samples, one thread: of the processor, so that it may be busy.

    The numbers of samples take turns within a round, after one round not counted, as in `tools.benchmark`.
    """
    classifier, purifier = Classifier(bundle), Purifier(EDGE, threads=1)
    taken: dict[str, list[float]] = {str(count): [] for count in COUNTS}
    for counted in [False] + [True] * rounds:
        for count in COUNTS:
            start = time.process_time()
            assess(picture, purifier, classifier, samples=count)
            if counted:
                taken[str(count)].append((time.process_time() - start) * 1000)
    return {name: benchmark.spread(times) for name, times in taken.items()}


def measure(head: dict[str, Any], parts: dict[str, Part], file: Path) -> dict[str, Any]:
    """Measure part by part, and keep each in the file as soon as it is there; those that are there are not repeated."""
    record = json.loads(file.read_text()) if file.is_file() else dict(head)
    if {key: record.get(key) for key in head} != head:
        raise typer.BadParameter(f"expected a record of this model, machine and options in {file}, or none")
    for name, part in parts.items():
        *way, last = name.split("/")
        place = record
        for step in way:
            place = place.setdefault(step, {})
        if last not in place:
            place[last] = card.rounded(part())
            atomic.write(file, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return record


def _probabilities(bundle: Bundle, logits: NDArray[np.float32]) -> Probabilities:
    return np.stack([metrics.probabilities(each, bundle.temperature) for each in logits])


def markdown(record: dict[str, Any]) -> str:
    """What was measured as tables."""
    parts = []
    for kind, title in (
        ("samples", "`--samples n`: one image purified n times"),
        ("frames", "`--frames n`: n simulated frames of a lesion, each purified once"),
    ):
        for preset, splits in record[kind].items():
            lines: list[tuple[object, ...]] = []
            for split, found in splits.items():
                for row in found["rows"]:
                    purified = row["purified"]
                    points = (purified["accuracy_difference"], *purified["accuracy_difference_95"])
                    gain = "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * each for each in points))
                    lines.append(
                        (
                            f"{split}, {found['images']}",
                            row["looks"],
                            f"{purified['accuracy']:.1%} / {purified['balanced_accuracy']:.1%}",
                            gain,
                            f"{purified['calibration_error']:.1%}",
                            f"{purified['log_loss']:.3f}",
                        )
                    )
            header = ("images", "n", "accuracy / balanced", "points gained", "calibration error", "log loss")
            parts += [f"{title}, `{preset}`, the purified verdict:", card_page.table(header, lines)]
    lines = []
    for name, found in _judged(record):
        for row in found:
            auto = row["auto"]
            risk = "–" if auto["risk"] is None else f"{auto['risk']:.1%}"
            lines.append(
                (
                    name,
                    row["looks"],
                    f"{auto['accuracy']:.1%} / {auto['balanced_accuracy']:.1%}",
                    f"{auto['alarms']:.1%}",
                    f"{auto['coverage']:.1%}",
                    f"{auto['set_classes']:.2f}",
                    f"{auto['answered']:.1%}",
                    risk,
                )
            )
    header = ("`edge`, `auto`", "n", "accuracy / balanced", "alarm rings", "set holds it", "set's classes", "answered")
    parts += [
        "What the thresholds, calibrated for one look, do to averages "
        f"({record['attacked']} images under each attack):",
        card_page.table((*header, "wrong of these"), lines),
    ]
    times = [f"{each['median']:.0f}" for each in record["milliseconds"].values()]
    likeness = record["likeness"]
    parts += [
        f"{record['machine']}, a whole assessment with n samples, processor time of one thread:",
        card_page.table(("n", *record["milliseconds"]), [("ms", *times)]),
        f"Frames at least {likeness['threshold']:g} alike are of one lesion: {likeness['same_kept']:.1%} of "
        f"{likeness['pairs']['same']} pairs of simulated frames of one are kept together, "
        f"{likeness['different_joined']:.1%} of {likeness['pairs']['different']} pairs of different ones are "
        f"(area under the curve {likeness['auroc']:.4f}).",
    ]
    return "\n\n".join(parts) + "\n"


def _judged(record: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    found = []
    for kind in ("samples", "frames"):
        found += [(f"{split}, {kind}", each["rows"]) for split, each in record[kind]["edge"].items()]
    for split, attacks in record["attacks"].items():
        found += [(f"{split}, samples, {name}", each) for name, each in attacks.items()]
    return found


def draw(record: dict[str, Any], file: Path) -> None:
    """Accuracy, balanced accuracy, calibration error and log loss against the looks, and the first against time."""
    figure, panels = pyplot.subplots(2, 3, figsize=(13, 7), layout="constrained")
    names = {
        "accuracy": "accuracy, %",
        "balanced_accuracy": "balanced accuracy, %",
        "calibration_error": "calibration error, %",
        "log_loss": "log loss, nats",
    }
    cost = [each["median"] for each in record["milliseconds"].values()]
    for kind, style in (("samples", "-"), ("frames", "--")):
        for colour, preset in zip(("C0", "C1", "C2"), PRESETS, strict=True):
            for split, marker in zip(SPLITS, "os", strict=True):
                found = record[kind].get(preset, {}).get(split)
                if found is None:
                    continue
                line = {"color": colour, "linestyle": style, "marker": marker}
                label = f"{preset}, {kind}, {split} ({found['images']})"
                for panel, name in zip(panels.flat, names, strict=False):
                    scale = 1 if name == "log_loss" else 100
                    panel.plot(COUNTS, [scale * row["purified"][name] for row in found["rows"]], label=label, **line)
                if kind == "samples" and preset == "edge":
                    accuracy = [100 * row["purified"]["accuracy"] for row in found["rows"]]
                    panels.flat[4].plot(cost, accuracy, label=label, **line)
    for panel, title in zip(panels.flat, names.values(), strict=False):
        panel.set_xscale("log", base=2)
        panel.set_xticks(COUNTS, [str(count) for count in COUNTS])
        panel.set_xlabel("looks averaged")
        panel.set_ylabel(title)
    panels.flat[4].set_xlabel("ms of processor time for an assessment")
    panels.flat[4].set_ylabel("accuracy, %")
    panels.flat[5].axis("off")
    panels.flat[5].legend(*panels.flat[0].get_legend_handles_labels(), loc="center", title="the purified verdict")
    figure.suptitle(f"The mean of several looks: {record['machine']}")
    figure.savefig(file, dpi=100)
    pyplot.close(figure)


def main(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a bundle with its calibration.")],
    source: Annotated[Path, typer.Option("--checkpoint", help="The checkpoint the model was converted from.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    json_file: Annotated[Path, typer.Option("--json", help="Write the record here.")],
    figure: Annotated[Path, typer.Option(help="Draw it here, as PNG.")],
    page: Annotated[Path | None, typer.Option(help="Fill this page's generated section with the tables.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many images of each split: a trial.", min=1)] = None,
    frames: Annotated[int, typer.Option(help="Images of each split that frames are made of.", min=1)] = 200,
    paper: Annotated[int, typer.Option(help="Images of each split for paper-small.", min=1)] = 100,
    attacked: Annotated[int, typer.Option(help="Images of each split under each attack.", min=1)] = 100,
    threads: Annotated[
        int | None, typer.Option(help="Images at the same time, by default the processors allowed.", min=1)
    ] = None,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds of the timing.", min=3)] = 15,
) -> None:
    """Measure what averaging brings, write it, draw it, and print the tables."""
    bundle = model.load(folder)
    known = bundle.calibration
    if known is None:
        raise typer.BadParameter(f"expected a bundle with a calibration (tools.doubt), got none in {folder}")
    network = checkpoint.read(source).requires_grad_(False).to(memory_format=torch.channels_last)
    images = {split: evaluate.load(data, split, bundle, limit) for split in SPLITS}

    def some(split: str, count: int) -> doubt.Images:
        pixels, labels = images[split]
        chosen = evaluate.spread(len(pixels), count)
        return pixels[chosen], labels[chosen]

    def table(measure: Callable[..., list[dict[str, Any]]], preset: str, split: str, used: doubt.Images) -> Part:
        return lambda: {"images": len(used[1]), "rows": measure(bundle, known, preset, used, split, threads)}

    pixels = some("val", _LIKENESS_IMAGES)[0]
    parts: dict[str, Part] = {"likeness": lambda: measure_likeness(pixels)}
    for split in SPLITS:
        parts[f"samples/edge/{split}"] = table(measure_samples, "edge", split, images[split])
    for split in SPLITS:
        parts[f"attacks/{split}"] = partial(
            measure_attacks, bundle, known, "edge", network, images[split], attacked, split, threads
        )
        parts[f"frames/edge/{split}"] = table(measure_frames, "edge", split, some(split, frames))
        parts[f"samples/paper-small/{split}"] = table(measure_samples, "paper-small", split, some(split, paper))
    parts["milliseconds"] = lambda: measure_time(bundle, pixels[0], rounds)
    head = {"schema": SCHEMA, "model": bundle.sha256, "machine": machine(), "attacked": attacked}
    record = measure(head, parts, json_file)
    draw(record, figure)
    if page is not None:
        atomic.write(page, fill(page.read_text(), "averaging", markdown(record)))
    typer.echo(markdown(record), nl=False)


if __name__ == "__main__":
    typer.run(main)
