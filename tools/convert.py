"""Convert a trained network of any common format to a TFLite model: int8 throughout, or less.

    python -m tools.convert runs/plain/best.ckpt --out models/mobilenet_v2
    python -m tools.convert mine.keras --data photos/ --labels labels.txt --input-range -1 1 --out models/mine
    python -m tools.convert mine.onnx --precision float16 --colour BGR --out mine.tflite

What is read, and how: `tools.source`. Whatever the network was trained to be fed is made inside the model: it takes RGB
in [0, 1], NHWC, and as int8 `pixel - 128`. Logits leave it, in int8 too: a softmax at its end is taken off, since
probabilities in steps of 1/256 saturate and tie; softmax and temperature run in float after it.

int8 hurts where weights are rounded blindly, so they are rounded to keep what each layer computes (`tools.rounding`),
and the channels of our own networks are spread over the int8 range first (`tools.equalisation`); what each of the two
is worth, layer by layer, `tools.layer_noise` measures. A bundle's folder gets model.tflite, labels.txt and a card.json
with which `edge-mdda classify --model` takes it; `tools.card` measures the model and writes the full card.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from edge_mdda import model
from edge_mdda.errors import EdgeMddaError
from tools import atomic, dataset, equalisation, graph_rounding, inspection, pictures, quantise, recipe, rounding
from tools import source as sources
from tools.preparation import Colour, Deviation, InputRange, Mean, Preparation
from tools.source.module import Module

INPUT_SCALE, INPUT_ZERO_POINT = 1 / 255, -128
TYPES = ("int8", "float32")
# Of the representative images, how many the rounding of the weights looks at: 0.2 s each.
ROUNDING_IMAGES = 64


def mend(own: Module, pixels: NDArray[np.uint8]) -> Module:
    """One of our networks, batch norms folded, channels equalised, weights on int8 steps, by what images show."""
    folded = rounding.fold(own.network)
    seen = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    equalisation.equalise(folded, seen)
    rounding.refine(folded, seen[:ROUNDING_IMAGES])
    return Module(own.kind, folded, own.layout, own.height, own.width)


def prior_shift(counts: NDArray[np.int64], balance_power: float, strength: float) -> NDArray[np.float64]:
    """What is added to the logits, float64 (classes,), to undo a balanced draw of the training images.

    Training draws a class of n images with probability ∝ n ** (1 − balance_power), so its logits carry that prior
    instead of n. Adding balance_power · log(n / Σn) restores it (logit adjustment: Menon et al., "Long-tail learning
    via logit adjustment", ICLR 2021); `strength`, 1 for all of it, trades balanced accuracy for plain accuracy and is
    chosen on `val`. The mean is removed: a common shift of all logits changes nothing.

    Raises:
        ValueError: a class has no images.
    """
    if counts.min() < 1:
        raise ValueError(f"expected training images of every class, got {counts.tolist()}")
    shift = strength * balance_power * np.log(counts / counts.sum())
    return np.asarray(shift - shift.mean())


def check(found: inspection.Inspection, float_input: bool = False, float_output: bool = False) -> None:
    """Raise ValueError unless an int8 model is what the package relies on: integer inside, input `pixel - 128`.

    Args:
        float_input: whether its input was asked to be float32, quantised by its first operator.
        float_output: whether its output was, dequantised by its last one.
    """
    types = tuple("FLOAT32" if wanted else "INT8" for wanted in (float_input, float_output))
    conversions = int(float_input) + int(float_output)
    if found.in_float or found.conversions != conversions or (found.input.dtype, found.output.dtype) != types:
        raise ValueError(
            f"expected a full-integer model, got {found.in_float or 'no'} operators in float, {found.conversions} "
            f"conversions, {found.input.dtype} in and {found.output.dtype} out"
        )
    check_weights(found)
    scale, zero_point = found.input.scale, found.input.zero_point
    if float_input:
        return
    if scale is None or not np.isclose(scale, INPUT_SCALE, rtol=1e-6) or zero_point != INPUT_ZERO_POINT:
        raise ValueError(f"expected input scale 1/255 and zero point {INPUT_ZERO_POINT}, got {scale} and {zero_point}")


def check_weights(found: inspection.Inspection) -> None:
    """Raise ValueError where int8 weights have a single scale for several channels."""
    if found.per_tensor:
        raise ValueError(f"expected weights quantised per channel, got {found.per_tensor} operators with one scale")


def describe(found: inspection.Inspection, size: int) -> str:
    """What a conversion made, for a person to read."""

    def count(names: dict[str, int]) -> str:
        return ", ".join(f"{times} {name}" for name, times in names.items()) or "none"

    lines = [
        f"operators            {count(found.operators)}",
        f"left in float        {count(found.in_float)}; conversions {found.conversions}",
        f"layout left over     {found.operators.get('TRANSPOSE', 0)} TRANSPOSE, {found.pads} PAD",
        f"weights              {found.per_channel} operators per channel, {found.per_tensor} with one scale",
        f"size                 {size:,} bytes",
    ]
    for name, tensor in (("input", found.input), ("output", found.output)):
        lines.append(f"{name:<21}{tensor.dtype} {tensor.shape}, scale {tensor.scale}, zero point {tensor.zero_point}")
    return "\n".join(lines)


def command(
    source: Path, out: Path, recipe_file: Path | None, strength: float, side: int, images: int, seed: int
) -> str:
    """This program's command line for one of our checkpoints, by names alone: no folder of the machine it ran on."""
    source, out = source.resolve(), out.resolve()
    parts = [f"python -m tools.convert runs/{source.parent.name}/{source.name} --out models/{out.name}"]
    if recipe_file is not None:
        parts.append(f"--recipe tools/recipes/{recipe_file.name} --prior-correction {strength:g}")
    return " ".join([*parts, f"--side {side} --images {images} --seed {seed}"])


def write_bundle(out: Path, content: bytes, labels: tuple[str, ...], found: inspection.Inspection, how: str) -> None:
    """Write a bundle that `edge_mdda.model.load` takes; a card that already fits the files, and says more, is left.

    Raises:
        EdgeMddaError: the labels or the folder's name are not what a bundle may have.
    """
    files = {"model.tflite": content, "labels.txt": "".join(f"{label}\n" for label in labels).encode()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    for name, data in files.items():
        atomic.write(out / name, data)
    card = out / "card.json"
    if not card.is_file() or json.loads(card.read_text()).get("sha256") != hashes:
        _, height, width, _ = found.input.shape
        described: dict[str, Any] = {
            "schema": model.SCHEMA,
            "name": out.resolve().name,
            "sha256": hashes,
            "input": {
                "height": height,
                "width": width,
                "dtype": found.input.dtype.lower(),
                "range": [0, 1],
                "layout": "NHWC",
                "colour": "RGB",
                "scale": found.input.scale,
                "zero_point": found.input.zero_point,
            },
            "output": {"kind": "logits", "temperature": 1.0},
            "command": how,
        }
        atomic.write(card, json.dumps(described, indent=2) + "\n")
    model.load(out)


def main(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A trained network: .ckpt, .pt2, .pt, .keras, .h5, .onnx, .tflite, or a SavedModel's folder.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the bundle: gets model.tflite, labels.txt and card.json; or a .tflite file.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "--representative",
            envvar="EDGE_MDDA_DATA",
            help="Folder of representative images: a labelled data set, of which train is used, or any folder.",
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help=f"One of {', '.join(quantise.PRECISIONS)}; dynamic: int8 weights.")
    ] = "int8",
    full_integer: Annotated[
        bool,
        typer.Option(
            "--full-integer/--allow-float", help="With int8, refuse a model that an operator in float is left in."
        ),
    ] = True,
    input_type: Annotated[str, typer.Option(help=f"With int8, {' or '.join(TYPES)}.")] = "int8",
    output_type: Annotated[str, typer.Option(help=f"With int8, {' or '.join(TYPES)}.")] = "int8",
    labels_file: Annotated[
        Path | None, typer.Option("--labels", help="Class codes, one a line, in the order of SOURCE's outputs.")
    ] = None,
    input_range: InputRange = (0.0, 1.0),
    mean: Mean = (0.0, 0.0, 0.0),
    deviation: Deviation = (1.0, 1.0, 1.0),
    colour: Colour = "RGB",
    layout: Annotated[
        str | None, typer.Option(help=f"Of a network that does not say: {' or '.join(sources.LAYOUTS)}.")
    ] = None,
    side: Annotated[
        int | None, typer.Option(help="Side of the input in pixels, of a network that takes any.", min=32)
    ] = None,
    images: Annotated[int, typer.Option(help="Representative images to draw.", min=1)] = 300,
    seed: Annotated[int, typer.Option(help="Seed of that draw.")] = 1,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="Unpickle a PyTorch module: runs any code its file holds.")
    ] = False,
    strength: Annotated[float, typer.Option("--prior-correction", help="How much of the balanced draw to undo.")] = 0,
    recipe_file: Annotated[Path | None, typer.Option("--recipe", help="Its recipe, for --prior-correction.")] = None,
    keep_float: Annotated[
        Path | None, typer.Option(help="The float32 model; default for a .ckpt: model_float.tflite beside it.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; more gain little.", min=1)] = 1,
) -> None:
    """Convert a trained network to a .tflite model, and say what came of it.

    The float32 model of a checkpoint is kept beside it, with the options of this conversion (.json) for `tools.card`.
    """
    own = path.suffix == ".ckpt"
    _one_of("--precision", precision, quantise.PRECISIONS)
    _one_of("--input-type", input_type, TYPES)
    _one_of("--output-type", output_type, TYPES)
    if strength and recipe_file is None:
        raise typer.BadParameter("expected --recipe with --prior-correction, got none")
    if strength and not own:
        raise typer.BadParameter(f"expected a checkpoint of tools.train with --prior-correction, got {path}")
    if data is None and (precision == "int8" or strength):
        raise typer.BadParameter("expected representative images in --data, got none")
    bundle = out.suffix != ".tflite"
    labels = _read_labels(labels_file, own) if bundle else ()
    torch.set_num_threads(threads)
    try:
        preparation = Preparation(*input_range, mean, deviation, colour)
        found_source = sources.open(path, side, layout, trust_pickle)
    except (ValueError, OSError, ImportError) as error:
        raise typer.BadParameter(str(error)) from None
    if own and not preparation.is_identity:
        raise typer.BadParameter(f"expected a checkpoint to be fed RGB in [0, 1], got options for {preparation}")
    height, width = found_source.height, found_source.width
    typer.echo(f"source               {found_source.kind}, {height}×{width}, fed {preparation}")

    if strength:
        _restore_prior(found_source, data, recipe_file, strength)
    float_model, removed = quantise.remove_softmax(found_source.to_float(preparation))
    if removed:
        typer.echo("softmax              taken off the end: logits leave the model")
    converted = float_model
    if precision == "int8":
        try:
            pixels = pictures.load(data, "train", height, width, images, seed).pixels
        except (ValueError, OSError) as error:
            raise typer.BadParameter(str(error)) from None
        typer.echo(f"calibrated on        {len(pixels)} images, seed {seed}")
        if own:
            ready = mend(found_source, pixels).to_float(preparation)
        else:
            ready = graph_rounding.refine(float_model, pixels[:ROUNDING_IMAGES])
        ends = {"float_input": input_type == "float32", "float_output": output_type == "float32"}
        converted = quantise.to_int8(ready, pixels, **ends)
    elif precision == "dynamic":
        converted = quantise.to_dynamic(float_model)
    elif precision == "float16":
        converted = quantise.to_float16(float_model)

    found = inspection.inspect(converted)
    typer.echo(describe(found, len(converted)))
    try:
        if precision == "int8" and full_integer:
            check(found, **ends)
        elif precision in ("int8", "dynamic"):
            check_weights(found)
        if bundle and found.output.shape != (1, len(labels)):
            raise ValueError(f"expected {found.output.shape[-1]} labels, one for each output, got {len(labels)}")
        float_file = keep_float or (path.parent / "model_float.tflite" if own else None)
        how = command(path, out, recipe_file, strength, height, images, seed) if own else _this_command()
        if float_file is not None:
            atomic.write(float_file, float_model)
        if own:
            record = {
                "command": how,
                "representative_images": len(pixels) if precision == "int8" else 0,
                "seed": seed,
                "prior_correction": strength,
            }
            atomic.write(float_file.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
        if bundle:
            write_bundle(out, converted, labels, found, how)
        else:
            atomic.write(out, converted)
    except (ValueError, EdgeMddaError) as error:
        typer.echo(f"refused: {error}", err=True)
        raise typer.Exit(1) from None


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise typer.BadParameter(f"expected {option} out of {', '.join(allowed)}, got {value!r}")


def _read_labels(file: Path | None, own: bool) -> tuple[str, ...]:
    if file is not None:
        try:
            return tuple(file.read_text().splitlines())
        except OSError as error:
            raise typer.BadParameter(f"expected readable labels in {file}, got: {error.strerror}") from None
    if own:
        return dataset.CLASSES
    raise typer.BadParameter("expected --labels for a bundle, got none (or give --out a file ending in .tflite)")


def _restore_prior(own: Module, data: Path, recipe_file: Path, strength: float) -> None:
    counts = Counter(sample.label for sample in dataset.select(dataset.read(data), "train"))
    power = recipe.read(recipe_file).balance_power
    shift = prior_shift(np.array([counts[label] for label in dataset.CLASSES]), power, strength)
    with torch.no_grad():
        own.network.head.bias += torch.from_numpy(shift).float()


def _this_command() -> str:
    """The command line as it was given, but files and folders by their names alone."""
    parts = [Path(part).name if "/" in part else part for part in sys.argv[1:]]
    return shlex.join(["python", "-m", "tools.convert", *parts])


if __name__ == "__main__":
    typer.run(main)
