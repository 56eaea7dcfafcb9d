"""The README of a model bundle, made of its card alone: every figure in it is one of card.json."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Card = dict[str, Any]
INTERVALS = (
    "In brackets 95 % intervals: Wilson's for accuracy, sensitivity and specificity, a bootstrap over images for "
    "balanced accuracy (the mean sensitivity of the classes that have images)."
)


def percent(value: float | None) -> str:
    """A part of one as percentage with one decimal; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f} %"


def estimate(measured: dict[str, Any], name: str) -> str:
    """A metric of the card with its interval, in per cent."""
    if measured[name] is None:
        return percent(None)
    low, high = measured[f"{name}_95"]
    return f"{percent(measured[name])} ({100 * low:.1f}–{100 * high:.1f})"


def points(value: float) -> str:
    """A difference of two parts of one in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, its first column to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def headline(card: Card) -> str:
    """Accuracy of the int8 and the float32 model on every split."""
    rows = [
        [split, measured["images"], kind, estimate(measured, "accuracy"), estimate(measured, "balanced_accuracy")]
        for split in card["measured"]["int8"]
        for kind, measured in ((kind, card["measured"][kind][split]) for kind in ("int8", "float32"))
    ]
    return table(("Split", "Images", "Model", "Accuracy", "Balanced accuracy"), rows)


def comparison(card: Card) -> str:
    """What the quantisation costs."""
    rows = [
        [
            split,
            percent(found["agreement"]),
            points(found["accuracy_difference"]),
            points(found["balanced_accuracy_difference"]),
        ]
        for split, found in card["measured"]["int8_against_float32"].items()
    ]
    return table(("Split", "Same top class", "Accuracy, points", "Balanced accuracy, points"), rows)


def classes(card: Card, split: str) -> str:
    """Sensitivity and specificity of every class on a split, int8."""
    rows = [
        [code, found["images"], estimate(found, "sensitivity"), estimate(found, "specificity")]
        for code, found in card["measured"]["int8"][split]["classes"].items()
    ]
    return table(("Class", "Images", "Sensitivity", "Specificity"), rows)


def purified(card: Card) -> str:
    """Accuracy behind each preset of the purification, int8."""
    rows = []
    for preset, found in card["measured"]["purified"].items():
        used = found["parameters"]
        setting = f"{used['sigma']:g}, {used['blocks']}, {used['weight']:g}, {used['iterations']}"
        for split, measured in found.items():
            if split != "parameters":
                row = [preset, setting, split, measured["seeds"]]
                row += [estimate(measured, name) for name in ("accuracy", "balanced_accuracy")]
                rows.append([*row, percent(measured["agreement_with_raw"])])
    header = ("Preset", "σ, K, w, iterations", "Split", "Seeds", "Accuracy", "Balanced accuracy", "Same class as raw")
    return table(header, rows)


def calibration(card: Card) -> str:
    """Expected calibration error before and after the temperature, int8."""
    rows = [
        [split, percent(found["before"]), percent(found["after"])]
        for split, found in card["measured"]["calibration"].items()
    ]
    return table(("Split", "Temperature 1", f"Temperature {card['output']['temperature']:.3f}"), rows)


def confusion(card: Card, split: str) -> str:
    """Images by true class (rows) and predicted class (columns), int8."""
    codes = list(card["measured"]["int8"][split]["classes"])
    matrix = card["measured"]["int8"][split]["confusion"]
    return table(("True \\ predicted", *codes), [[code, *row] for code, row in zip(codes, matrix, strict=True)])


def images(card: Card) -> str:
    """Images of each class in every split."""
    counts = card["training"]["images"]
    codes = list(next(iter(counts.values())))
    return table(("Split", *codes), [[split, *(found[code] for code in codes)] for split, found in counts.items()])


def rebuild(card: Card) -> str:
    """The commands that make the bundle again."""
    recipe, conversion = card["training"]["recipe"], card["training"]["conversion"]
    lines = []
    if recipe is not None:
        lines.append(
            "python -m tools.train tools/recipes/plain.toml --weights mobilenet_v2_pretrained.npz --out runs/plain"
        )
        if recipe["name"] != "plain":
            name = recipe["name"]
            start = f"--weights runs/plain/best.ckpt --out runs/{name}"
            lines.append(f"python -m tools.train tools/recipes/{name}.toml {start}")
    if conversion is not None:
        lines.append(conversion["command"])
    return "\n".join([*lines, card["command"]])


def training(card: Card) -> str:
    """How the model was trained, as far as the card knows the recipe."""
    recipe = card["training"]["recipe"]
    if recipe is None:
        return "The recipe was not recorded."
    stages = ", ".join(f"{epochs} at {side}" for side, epochs in recipe["stages"])
    text = (
        f"MobileNetV2 {recipe['width']:g} fine-tuned by the recipe `{recipe['name']}`: epochs at a side in pixels: "
        f"{stages}; classes drawn with probability ∝ n^{1 - recipe['balance_power']:g}."
    )
    if recipe["purified_share"]:
        text += (
            f" {percent(recipe['purified_share'])} of the training views passed through the purification, with "
            f"{len(recipe['purifications'])} settings of it in turn at random."
        )
    return text


def write(card: Card) -> str:
    """The whole README, Markdown."""
    given, licence = card["input"], card["licence"]
    codes = ", ".join(card["measured"]["int8"]["val"]["classes"])
    sections = {
        "Accuracy": f"{INTERVALS}\n\n{headline(card)}",
        "int8 against float32": f"int8 minus float32, in percentage points.\n\n{comparison(card)}",
        "Each class, test": classes(card, "test"),
        "Each class, external": classes(card, "external"),
        "Purified": f"int8, unattacked images; means over the seeds of the noise.\n\n{purified(card)}",
        "Calibration": (
            "Expected calibration error, 15 bins; the temperature was fitted on val and divides the logits.\n\n"
            f"{calibration(card)}"
        ),
        "Confusion on test": confusion(card, "test"),
        "Training": (
            f"{training(card)} Training, calibration of the int8 ranges: `train`; every choice: `val`; `test` and "
            f"`external` are only reported.\n\n{images(card)}"
        ),
        "Rebuild": (
            "With the folder of labelled images in `EDGE_MDDA_DATA` and the extra `workstation` installed:\n\n"
            f"```sh\n{rebuild(card)}\n```"
        ),
        "Licence": (
            f"Weights: {licence['weights']}. Data: {licence['data']}. Code: {licence['code']}. Attribution:\n\n"
            + "\n".join(f"- {source}" for source in licence["attribution"])
        ),
        "Intended use": card["intended_use"],
        "Limits": "\n".join(f"- {limit}" for limit in card["limits"]),
    }
    title = (
        f"# {card['name']} {card['version']}\n\n"
        f"A full-integer int8 TFLite model that classifies dermoscopic images: {codes}. Input "
        f"{given['height']}×{given['width']} {given['colour']}, {given['dtype']}, {given['layout']}; output "
        f"{card['output']['kind']}. SHA-256 of model.tflite: `{card['sha256']['model.tflite']}`. "
        f"Measured with the runtime {card['measured']['runtime']}. Written by `tools.card`: do not edit.\n"
    )
    return title + "".join(f"\n## {name}\n\n{text}\n" for name, text in sections.items())
