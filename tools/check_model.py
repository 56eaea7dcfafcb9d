"""Compare a converted model with the network it was made of, on a folder of images.

    python -m tools.check_model models/mine mine.keras --data photos/ --labels labels.txt --input-range -1 1
    python -m tools.check_model models/mobilenet_v2 runs/purified/model_float.tflite --split val --figure difference.png

SOURCE answers in its own library, fed as the options say; CONVERTED answers as on the device. The labels are those of
the folder, if it is a labelled data set, and else the classes that SOURCE gives, so that accuracy is agreement.

Exit codes: 0, the model keeps its source's accuracy; 1, accuracy or balanced accuracy fell by more than --tolerance, or
one of the classic mistakes is suspected, which is named: another input range, order of channels or order of labels;
2, an option or a file is not what was expected.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from edge_mdda import model
from edge_mdda.errors import EdgeMddaError
from edge_mdda.model import Bundle
from tools import atomic, card_page, dataset, evaluate, metrics, pictures
from tools import source as sources
from tools.preparation import COLOURS, Colour, Deviation, InputRange, Mean, Preparation

SCHEMA = "edge-mdda/check/1"

# What networks are commonly fed: low, high, mean, deviation.
USUAL = (
    (0.0, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    (-1.0, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    (0.0, 255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    (0.0, 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # ImageNet's images
)
#: Images on which the usual mistakes are tried.
PROBE = 64
# A mistake is suspected where undoing it makes the outputs differ less than half as much, or more right by this part.
GAIN = 0.1


@dataclass(frozen=True)
class Compared:
    """What two classifiers said of the same images.

    Attributes:
        classes: codes, in the order of the columns of both.
        source: logits of the source, float32 (N, classes), each row without its mean, which a softmax does not see.
        converted: logits of the converted model, likewise.
        truth: class indices, int64 (N,).
        labelled: whether they came with the images; else they are the source's own classes.
    """

    classes: tuple[str, ...]
    source: NDArray[np.float32]
    converted: NDArray[np.float32]
    truth: NDArray[np.int64]
    labelled: bool

    def summary(self) -> dict[str, Any]:
        """All figures of the comparison, ready for JSON; accuracies as parts of one, differences in logits."""
        matrices = {
            name: metrics.confusion(self.truth, logits.argmax(1), len(self.classes))
            for name, logits in (("source", self.source), ("converted", self.converted))
        }
        difference = np.abs(self.converted - self.source)
        recalls = {name: np.diag(matrix) / np.maximum(1, matrix.sum(1)) for name, matrix in matrices.items()}
        worst = int(np.argmax(recalls["source"] - recalls["converted"]))
        accuracies = {name: metrics.accuracy(matrix) for name, matrix in matrices.items()}
        balanced = {name: metrics.balanced_accuracy(matrix) for name, matrix in matrices.items()}
        return {
            "images": len(self.truth),
            "labelled": self.labelled,
            "agreement": float(np.mean(self.source.argmax(1) == self.converted.argmax(1))),
            "accuracy": accuracies,
            "balanced_accuracy": balanced,
            "worst_class": {
                "class": self.classes[worst],
                "images": int(matrices["source"][worst].sum()),
                **{name: float(values[worst]) for name, values in recalls.items()},
            },
            "output_difference": {"largest": float(difference.max()), "mean": float(difference.mean())},
            "drop": max(values["source"] - values["converted"] for values in (accuracies, balanced)),
        }


def logits_of(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of a source, (N, classes), rows without their means; probabilities are taken back through the softmax."""
    if outputs.min() >= 0 and np.allclose(outputs.sum(1), 1, atol=1e-3):
        outputs = np.log(np.maximum(outputs, np.finfo(np.float32).tiny))
    return outputs - outputs.mean(1, keepdims=True)


def answers(found: sources.Source, preparation: Preparation, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A source's `logits_of` images, uint8 RGB (N, H, W, 3)."""
    parts = np.array_split(pixels, -(-len(pixels) // 32))  # prepared images take four times the memory
    return logits_of(np.concatenate([found.run(preparation.apply(part / np.float32(255))) for part in parts]))


def suspect_preparation(
    found: sources.Source, declared: Preparation, pixels: NDArray[np.uint8], compared: Compared
) -> list[str]:
    """The usual inputs that explain the answers better than the declared one: of the converted model, of the truth.

    Args:
        pixels: the images, uint8 RGB (N, H, W, 3); the first `PROBE` of them are used.
    """
    pixels, truth, converted = (values[:PROBE] for values in (pixels, compared.truth, compared.converted))
    distances, rights = {}, {}
    usual = (Preparation(*values, colour) for values in USUAL for colour in COLOURS)
    for candidate in dict.fromkeys([declared, *usual]):  # in this order whatever the hashes, for the sake of ties
        logits = answers(found, candidate, pixels)
        distances[candidate] = float(np.abs(logits - converted).mean())
        rights[candidate] = float(np.mean(logits.argmax(1) == truth))
    suspicions = []
    nearest = min(distances, key=distances.__getitem__)
    if distances[nearest] < distances[declared] / 2:
        suspicions.append(
            f"{_what_differs(nearest, declared)}: the converted model answers as its source does when that is fed "
            f"{nearest}, not {declared}"
        )
    best = max(rights, key=rights.__getitem__)
    if compared.labelled and rights[best] > rights[declared] + GAIN:
        suspicions.append(
            f"{_what_differs(best, declared)}: fed {best} the source is right on {rights[best]:.0%} of {len(truth)} "
            f"images, fed {declared} on {rights[declared]:.0%}"
        )
    return suspicions


def _what_differs(found: Preparation, declared: Preparation) -> str:
    parts = []
    if (found.low, found.high, found.mean, found.deviation) != (
        declared.low,
        declared.high,
        declared.mean,
        declared.deviation,
    ):
        parts.append("input range")
    if found.colour != declared.colour:
        parts.append("channel order")
    return " and ".join(parts)


def suspect_labels(compared: Compared) -> list[str]:
    """Whether the labels are in another order than the outputs: of the converted model, or of the source."""
    suspicions = []
    said, answered = compared.source.argmax(1), compared.converted.argmax(1)
    for name, given, expected in (
        ("the converted model's outputs, against its source's", answered, said),
        ("the source's outputs, against the folder's labels", said, compared.truth),
    ):
        matrix = metrics.confusion(expected, given, len(compared.classes))
        rows, columns = linear_sum_assignment(matrix, maximize=True)
        right, reordered = metrics.accuracy(matrix), float(matrix[rows, columns].sum() / matrix.sum())
        # A bad model has confusions too, which some order would help; one that is only misnamed becomes a good one.
        if reordered > right + GAIN and 1 - reordered < (1 - right) / 2:
            pairs = [
                f"{compared.classes[row]} is called {compared.classes[column]}"
                for row, column in zip(rows, columns, strict=True)
                if row != column and matrix[row, column]
            ]
            suspicions.append(
                f"label order: {reordered:.0%} of {name}, are right in another order, {right:.0%} in the given one; "
                + ", ".join(pairs)
            )
    return suspicions


def draw(compared: Compared, file: Path) -> None:
    """A histogram of the differences of all outputs, converted less source."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.hist((compared.converted - compared.source).ravel(), bins=61, color="tab:blue")
    axes.set(xlabel="converted less source, logits", ylabel="outputs", yscale="log")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    atomic.write(file, content.getvalue())


def describe(summary: dict[str, Any]) -> str:
    """The comparison as a table, and the figures that belong to both."""
    rows = [
        (title, *(f"{values[name]:.1%}" for name in ("source", "converted")))
        for title, values in (
            ("accuracy", summary["accuracy"]),
            ("balanced accuracy", summary["balanced_accuracy"]),
            (f"worst class, {summary['worst_class']['class']}", summary["worst_class"]),
        )
    ]
    truth = "the folder's labels" if summary["labelled"] else "the source's classes"
    difference = summary["output_difference"]
    return "\n".join(
        [
            card_page.table((f"{summary['images']} images, {truth}", "source", "converted"), rows),
            "",
            f"same top class       {summary['agreement']:.1%}",
            f"output difference    {difference['largest']:.4g} at most, {difference['mean']:.4g} on the mean (logits)",
        ]
    )


def main(
    converted: Annotated[Path, typer.Argument(help="A bundle's folder or a .tflite file of tools.convert.")],
    path: Annotated[Path, typer.Argument(metavar="SOURCE", help="What it was made of, as tools.convert takes it.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="A labelled data set, or any folder of images.")],
    split: Annotated[str, typer.Option(help=f"Of a data set: {', '.join(dataset.SPLITS)}.")] = "val",
    tolerance: Annotated[float, typer.Option(help="Points of accuracy that may be lost.", min=0)] = 1.0,
    labels_file: Annotated[
        Path | None, typer.Option("--labels", help="Class codes in the order of SOURCE's outputs; CONVERTED's if none.")
    ] = None,
    input_range: InputRange = (0.0, 1.0),
    mean: Mean = (0.0, 0.0, 0.0),
    deviation: Deviation = (1.0, 1.0, 1.0),
    colour: Colour = "RGB",
    layout: Annotated[str | None, typer.Option(help="Of a network that does not say: NCHW or NHWC.")] = None,
    images: Annotated[int | None, typer.Option(help="Images to draw; all by default.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of that draw.")] = 1,
    trust_pickle: Annotated[bool, typer.Option("--trust-pickle", help="Unpickle a PyTorch module.")] = False,
    figure: Annotated[Path | None, typer.Option(help="PNG file for a histogram of the output differences.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="JSON file for the figures.")] = None,
) -> None:
    """Compare a converted model with its source; fails where it is worse, and names the mistake it suspects."""
    try:
        preparation = Preparation(*input_range, mean, deviation, colour)
        bundle, classes = _open_converted(converted, labels_file)
        found = sources.open(path, None, layout, trust_pickle)
        if (found.height, found.width) != (bundle.height, bundle.width):
            found = sources.open(path, bundle.height, layout, trust_pickle)
        seen = pictures.load(data, split, bundle.height, bundle.width, images, seed)
        compared = compare(bundle, found, preparation, classes, seen)
    except (ValueError, OSError, ImportError, EdgeMddaError) as error:
        raise typer.BadParameter(str(error)) from None
    summary = compared.summary()
    # In another range or order of channels classes may take each other's places, so that comes first.
    suspicions = suspect_preparation(found, preparation, seen.pixels, compared) or suspect_labels(compared)
    typer.echo(describe(summary))
    if figure is not None:
        draw(compared, figure)
    if json_file is not None:
        report = {"schema": SCHEMA, "model": bundle.name, "sha256": bundle.sha256, **summary, "suspected": suspicions}
        atomic.write(json_file, json.dumps(report, indent=2) + "\n")
    failures = [f"suspected: {suspicion}" for suspicion in suspicions]
    if 100 * summary["drop"] > tolerance:
        failures.insert(0, f"lost {100 * summary['drop']:.1f} points, {tolerance:g} are tolerated")
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)


def compare(
    bundle: Bundle,
    found: sources.Source,
    preparation: Preparation,
    classes: tuple[str, ...],
    seen: pictures.Pictures,
) -> Compared:
    """Run both on the images; columns are in the order of the source's classes.

    Raises:
        ValueError: source, converted model and images do not have the same classes.
    """
    if set(classes) != set(bundle.labels) or not set(seen.labels or ()) <= set(classes):
        known = ", ".join(sorted(set(seen.labels or bundle.labels)))
        raise ValueError(f"expected the same classes everywhere, got {', '.join(classes)} and {known}")
    source_logits = answers(found, preparation, seen.pixels)
    if source_logits.shape[1] != len(classes):
        raise ValueError(f"expected a source with {len(classes)} outputs, got {source_logits.shape[1]}")
    order = [bundle.labels.index(name) for name in classes]
    converted = logits_of(evaluate.classify(bundle, seen.pixels)[0][:, order])
    labels = seen.labels
    truth = source_logits.argmax(1) if labels is None else np.array([classes.index(label) for label in labels])
    return Compared(classes, source_logits, converted, truth, labels is not None)


def _open_converted(path: Path, labels_file: Path | None) -> tuple[Bundle, tuple[str, ...]]:
    """The converted model, and the classes in the order of its source's outputs."""
    named = None if labels_file is None else tuple(labels_file.read_text().splitlines())
    if path.is_dir():
        bundle = model.load(path)
    else:
        bundle = evaluate.read_model(path)
        bundle = replace(bundle, labels=named) if named else bundle
    return bundle, named or bundle.labels


if __name__ == "__main__":
    typer.run(main)
