"""The README of a model bundle, made of its card alone: every figure in it is one of card.json."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Card = dict[str, Any]
INTERVALS = (
    "In brackets 95 % intervals: Wilson's for accuracy, sensitivity and specificity of one pass; for balanced accuracy "
    "(the mean sensitivity of the classes that have images), for means over noise seeds and for differences a "
    "percentile bootstrap of 10 000 resamples over the images, within each class; differences are paired, image by "
    "image. No interval covers another training run."
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
        [
            split,
            found[kind]["images"],
            kind,
            estimate(found[kind], "accuracy"),
            estimate(found[kind], "balanced_accuracy"),
        ]
        for split, found in card["measured"]["raw"].items()
        for kind in ("int8", "float32")
    ]
    return table(("Split", "Images", "Model", "Accuracy", "Balanced accuracy"), rows)


def views(card: Card) -> dict[str, dict[str, Any]]:
    """What was measured, by name: every split as it came, then `test` behind each preset."""
    measured = card["measured"]
    return measured["raw"] | {f"test, {preset}": found for preset, found in measured["purified"].items()}


def differences(card: Card, name: str) -> list[list[str]]:
    """Rows of a comparison: the view, and by how many points accuracy and balanced accuracy are above the other's."""

    def cell(found: dict[str, Any], metric: str) -> str:
        low, high = found[f"{metric}_difference_95"]
        return f"{points(found[f'{metric}_difference'])} ({points(low)} to {points(high)})"

    return [
        [view, *(cell(found[name], metric) for metric in ("accuracy", "balanced_accuracy"))]
        for view, found in views(card).items()
        if name in found
    ]


def quantised(card: Card) -> str:
    """What the quantisation costs, purified or not."""
    agreements = [percent(found["int8_against_float32"]["agreement"]) for found in views(card).values()]
    rows = [
        [view, agreement, *cells]
        for (view, *cells), agreement in zip(differences(card, "int8_against_float32"), agreements, strict=True)
    ]
    return table(("Images", "Same top class", "Accuracy, points", "Balanced accuracy, points"), rows)


def against_plain(card: Card) -> str:
    """What the purification costs, against the best plainly trained model on images as they came."""
    plain = card["plain"]
    if plain is None:
        return "No plainly trained model was given to compare with."
    lines = [
        f"Accuracy on `test` minus that of the best plainly trained int8 model without purification, "
        f"{estimate(plain, 'accuracy')}, balanced {estimate(plain, 'balanced_accuracy')} (SHA-256 "
        f"`{plain['sha256'][:12]}…`); images without an attack.",
        table(("Images", "Accuracy, points", "Balanced accuracy, points"), differences(card, "against_plain")),
    ]
    return "\n\n".join(lines)


def classes(card: Card, split: str) -> str:
    """Sensitivity and specificity of every class on a split, int8."""
    rows = [
        [code, found["images"], estimate(found, "sensitivity"), estimate(found, "specificity")]
        for code, found in card["measured"]["raw"][split]["int8"]["classes"].items()
    ]
    return table(("Class", "Images", "Sensitivity", "Specificity"), rows)


def purified_classes(card: Card) -> str:
    """Sensitivity / specificity of every class on `test` behind each preset, int8."""
    presets = card["measured"]["purified"]
    codes = card["measured"]["raw"]["test"]["int8"]["classes"]
    found = {preset: each["int8"]["classes"] for preset, each in presets.items()}
    rows = [
        [
            code,
            *(
                f"{percent(each[code]['sensitivity'])} / {percent(each[code]['specificity'])}"
                for each in found.values()
            ),
        ]
        for code in codes
    ]
    return table(("Class", *presets), rows)


def melanoma(card: Card) -> str:
    """Sensitivity for melanoma at given specificities, int8."""
    rows = []
    for view, found in views(card).items():
        for specificity, each in found["melanoma"].items():
            kept = each["threshold_of_val"]
            row = [view, percent(float(specificity)), estimate(each, "sensitivity")]
            rows.append([*row, percent(kept["sensitivity"]), percent(kept["specificity"])])
    header = ("Images", "Specificity", "Sensitivity", "Sensitivity, threshold of val", "Specificity, threshold of val")
    return table(header, rows)


def purified(card: Card) -> str:
    """Accuracy behind each preset of the purification, int8."""
    rows = []
    for preset, found in card["measured"]["purified"].items():
        used, measured = found["parameters"], found["int8"]
        setting = f"{used['sigma']:g}, {used['blocks']}, {used['weight']:g}, {used['iterations']}"
        row = [preset, setting, measured["seeds"]]
        for name in ("accuracy", "balanced_accuracy"):
            low, high = measured[f"{name}_range"]
            row += [estimate(measured, name), f"{100 * low:.1f}–{100 * high:.1f}"]
        rows.append([*row, percent(found["agreement_with_raw"])])
    header = ("Preset", "σ, K, w, iterations", "Seeds", "Accuracy", "its range over seeds")
    return table((*header, "Balanced accuracy", "its range over seeds", "Same class as raw"), rows)


def calibration(card: Card) -> str:
    """Expected calibration error before and after the temperature, int8."""
    rows = [
        [view, percent(found["calibration"]["before"]), percent(found["calibration"]["after"])]
        for view, found in views(card).items()
    ]
    return table(("Images", "Temperature 1", f"Temperature {card['output']['temperature']:.3f}"), rows)


def matrices(card: Card) -> tuple[dict[str, list[list[float]]], list[str]]:
    """The confusion matrices of `test`, raw and behind each preset, by title, and the classes: a figure's content."""
    found = views(card)
    shown = {view: found[view]["int8"]["confusion"] for view in found if view.startswith("test")}
    return shown, list(found["test"]["int8"]["classes"])


def images(card: Card) -> str:
    """Images of each class in every split."""
    counts = card["training"]["images"]
    codes = list(next(iter(counts.values())))
    return table(("Split", *codes), [[split, *(found[code] for code in codes)] for split, found in counts.items()])


def rebuild(card: Card) -> str:
    """The one command that makes the bundle again, and what it runs; the commands known where there is no script."""
    known = card["rebuilding"]
    given = "With the folder of labelled images in `EDGE_MDDA_DATA` and the extra `workstation` installed"
    if known is None:
        conversion = card["training"]["conversion"]
        lines = [*([] if conversion is None else [conversion["command"]]), card["command"]]
        return f"{given}, from a trained checkpoint:\n\n```sh\n" + "\n".join(lines) + "\n```"
    return (
        f"{given}:\n\n```sh\n{known['command']}\n```\n\nwhich is\n\n```sh\n{known['script'].rstrip()}\n```\n\n"
        f"This card was written by\n\n```sh\n{card['command']}\n```"
    )


def training(card: Card) -> str:
    """How the model was trained, as far as the card knows the recipe, and how long that took."""
    known = card["training"]
    recipe, minutes = known["recipe"], known["minutes"]
    lasted = "The training time was not recorded." if minutes is None else f"The training took {minutes:.0f} minutes."
    if recipe is None:
        return f"The recipe was not recorded. {lasted}"
    stages = ", ".join(f"{epochs} at {side}" for side, epochs in recipe["stages"])
    parts = [
        f"MobileNetV2 {recipe['width']:g} fine-tuned by the recipe `{recipe['name']}`: epochs at a side in pixels: "
        f"{stages}; classes drawn with probability ∝ n^{1 - recipe['balance_power']:g}."
    ]
    if recipe["purified_share"]:
        parts.append(
            f"{percent(recipe['purified_share'])} of the training views passed through the purification, with "
            f"{len(recipe['purifications'])} settings of it in turn at random."
        )
    if recipe.get("attacked_share"):
        radii = ", ".join(map(str, recipe["radii"]))
        steps = recipe.get("attack_steps", 1)
        parts.append(
            f"{percent(recipe['attacked_share'])} of the views were attacked at a radius of {radii} / 255, in {steps} "
            f"step{'s' if steps > 1 else ''}."
        )
    if recipe.get("distillation"):
        parts.append(f"{percent(recipe['distillation'])} of the loss is the distance from a teacher's answers.")
    parts.append(lasted)
    return " ".join(parts)


def glance(card: Card) -> str:
    """What the model takes on a device."""
    given = card["input"]
    rows = [
        ("Size of model.tflite", f"{card['bytes'] / 1e6:.2f} MB"),
        ("Multiply-adds", f"{card['multiply_adds'] / 1e6:.0f} million"),
        ("Input", f"{given['height']}×{given['width']} {given['colour']}, {given['dtype']}, {given['layout']}"),
        ("Output", card["output"]["kind"]),
        ("Measured with", card["measured"]["runtime"]),
    ]
    return table(("The model", ""), rows)


def overview(cards: Sequence[Card]) -> str:
    """The table of all bundles, a row each, of cards measured with the same presets."""
    rows = []
    for card in cards:
        raw = card["measured"]["raw"]
        rows.append(
            [
                f"[`{card['name']}`]({card['name']}/README.md)",
                f"{card['bytes'] / 1e6:.2f}",
                card["input"]["height"],
                f"{card['multiply_adds'] / 1e6:.0f}",
                *(
                    both(found["int8"])
                    for found in (raw["test"], *card["measured"]["purified"].values(), raw["external"])
                ),
                percent(raw["test"]["int8"]["classes"]["MEL"]["sensitivity"]),
                percent(raw["test"]["melanoma"]["0.9"]["sensitivity"]),
                percent(raw["test"]["calibration"]["after"]),
            ]
        )
    header = (
        "Bundle",
        "MB",
        "Side",
        "Multiply-adds, million",
        "`test`",
        *cards[0]["measured"]["purified"],
        "`external`",
    )
    return table((*header, "MEL sensitivity", "at 90 % specificity", "Calibration error"), rows)


def both(measured: dict[str, Any]) -> str:
    """Accuracy and balanced accuracy in one cell."""
    return f"{percent(measured['accuracy'])} / {percent(measured['balanced_accuracy'])}"


def write(card: Card) -> str:
    """The whole README, Markdown."""
    licence, seeds = card["licence"], next(iter(card["measured"]["purified"].values()))["int8"]["seeds"]
    codes = ", ".join(card["measured"]["raw"]["val"]["int8"]["classes"])
    curves = card["training"]["curves"]
    sections = {
        "Accuracy": f"{INTERVALS}\n\n{headline(card)}",
        "Purified": (
            f"int8, `test`, images without an attack; means over {seeds} seeds of the noise.\n\n{purified(card)}\n\n"
            f"{against_plain(card)}"
        ),
        "int8 against float32": (
            f"int8 minus float32, in percentage points; both see the same purified pixels.\n\n{quantised(card)}"
        ),
        "Melanoma": (
            "Sensitivity when the probability of MEL alone decides, at the threshold that has the specificity on the "
            "very images, as it is usually given; and what comes of the threshold chosen on `val` as it came, which "
            f"is what a device would have.\n\n{melanoma(card)}"
        ),
        "Each class, test": (
            f"{classes(card, 'test')}\n\nSensitivity / specificity behind each preset:\n\n{purified_classes(card)}"
        ),
        "Each class, external": classes(card, "external"),
        "Confusion on test": (
            "Colour: part of the images of the true class. Numbers: images, behind a preset their mean over the "
            "seeds.\n\n![Confusion matrices on test, raw and behind each preset](confusion.png)"
        ),
        "Calibration": (
            "Expected calibration error, 15 bins; the temperature was fitted on `val` as it came and divides the "
            f"logits.\n\n{calibration(card)}"
        ),
        "Training": (
            f"{training(card)} Training, calibration of the int8 ranges: `train`; every choice: `val`; `test` and "
            f"`external` are only reported.\n\n{images(card)}"
            + (f"\n\n![Losses and accuracies by epoch]({curves})" if curves else "")
        ),
        "Rebuild": rebuild(card),
        "Licence": (
            f"Weights: {licence['weights']}. Data: {licence['data']}. Code: {licence['code']}. Attribution:\n\n"
            + "\n".join(f"- {source}" for source in licence["attribution"])
        ),
        "Intended use": card["intended_use"],
        "Limits": "\n".join(f"- {limit}" for limit in card["limits"]),
    }
    title = (
        f"# {card['name']} {card['version']}\n\n"
        f"A full-integer int8 TFLite model that classifies dermoscopic images: {codes}. SHA-256 of model.tflite: "
        f"`{card['sha256']['model.tflite']}`. Written by `tools.card`: do not edit.\n\n{glance(card)}\n"
    )
    return title + "".join(f"\n## {name}\n\n{text}\n" for name, text in sections.items())
