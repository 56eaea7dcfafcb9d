"""Convert a trained checkpoint to a full-integer int8 TFLite model.

    python -m tools.convert runs/plain/best.ckpt --out models/mobilenet_v2

The route: PyTorch, its channels spread by `tools.equalisation`, its weights rounded by `tools.rounding` and wrapped to
take NHWC, by litert-torch to a float32 .tflite, by ai-edge-quantizer to int8 (weights per output channel, activations
by calibration on images of the `train` split). On `val` int8 loses 4.3 points of accuracy and 2.8 of balanced accuracy
without that rounding, 0.3 and 0.2 with it (plain training, epoch 6; before equalisation was added). The input tensor is
fixed to scale 1/255 and zero point -128, so an int8 input is `pixel - 128` and nothing is lost there. Logits leave the
model; softmax and temperature run in float after it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import litert_torch
import numpy as np
import torch
import typer
from ai_edge_quantizer import calibrator, quantizer, recipe_manager
from ai_edge_quantizer.recipe import static_wi8_ai8
from ai_edge_quantizer.utils import qsv_utils
from numpy.typing import NDArray
from torch import nn

from tools import atomic, checkpoint, dataset, equalisation, inspection, recipe, rounding

SIGNATURE, INPUT = "serving_default", "args_0"
INPUT_SCALE, INPUT_ZERO_POINT = 1 / 255, -128
# Rare classes are calibrated on more often than they occur, as in training: (images of the class) ** -power.
BALANCE_POWER = 0.5
# Of the representative images, how many the rounding of the weights looks at: 0.2 s each.
ROUNDING_IMAGES = 64


class ChannelsLast(nn.Module):
    """A network that takes NHWC, as TFLite does: the transpose is folded away by the conversion."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x.permute(0, 3, 1, 2))


def to_float(network: nn.Module, side: int) -> bytes:
    """Convert a network (RGB float32 NCHW in [0, 1] to logits) to a float32 .tflite model of one NHWC image."""
    with contextlib.redirect_stdout(io.StringIO()):  # the converter's own progress
        return litert_torch.convert(ChannelsLast(network).eval(), (torch.zeros(1, side, side, 3),)).model_content()


def to_int8(model: bytes, images: NDArray[np.uint8]) -> bytes:
    """Quantise a float32 .tflite model to full-integer int8, calibrated on uint8 RGB images (N, H, W, 3)."""
    plan = static_wi8_ai8()
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(plan)
    calibration = calibrator.Calibrator(
        model,
        num_threads=os.cpu_count() or 1,
        mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,  # the same ranges, five times faster
        qsv_update_func=qsv_utils.min_max_update,
    )
    calibration.calibrate({SIGNATURE: [{INPUT: image[None] / np.float32(255)} for image in images]}, manager)
    ranges = calibration.get_model_qsvs()
    ranges[f"{SIGNATURE}_{INPUT}"] = {"min": np.array([0.0]), "max": np.array([1.0])}
    result = quantizer.Quantizer(model, plan).quantize(ranges, enable_progress_report=False)
    return bytes(result.quantized_model)


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


def choose(samples: list[dataset.Sample], count: int, seed: int) -> list[dataset.Sample]:
    """Draw representative images without replacement, rare classes more often than they occur; all if there are few."""
    labels = np.array([dataset.CLASSES.index(sample.label) for sample in samples])
    weights = np.bincount(labels).astype(float)[labels] ** -BALANCE_POWER
    random = np.random.default_rng(seed)
    drawn = random.choice(len(samples), min(count, len(samples)), replace=False, p=weights / weights.sum())
    return [samples[position] for position in drawn]


def check(found: inspection.Inspection) -> None:
    """Raise ValueError unless a converted model is what the package relies on: full integer, input `pixel - 128`."""
    if not found.full_integer:
        raise ValueError(
            f"expected a full-integer model, got {found.in_float or 'no'} operators in float, {found.conversions} "
            f"conversions, {found.input.dtype} in and {found.output.dtype} out"
        )
    if found.per_tensor:
        raise ValueError(f"expected weights quantised per channel, got {found.per_tensor} operators with one scale")
    scale, zero_point = found.input.scale, found.input.zero_point
    if scale is None or not np.isclose(scale, INPUT_SCALE, rtol=1e-6) or zero_point != INPUT_ZERO_POINT:
        raise ValueError(f"expected input scale 1/255 and zero point {INPUT_ZERO_POINT}, got {scale} and {zero_point}")


def describe(found: inspection.Inspection, size: int) -> str:
    """What a conversion made, for a person to read."""
    operators = ", ".join(f"{count} {name}" for name, count in found.operators.items())
    lines = [
        f"operators            {operators}",
        f"left in float        {sum(found.in_float.values())}, conversions {found.conversions}",
        f"PAD, TRANSPOSE left  {found.layout}",
        f"weights              {found.per_channel} operators per channel, {found.per_tensor} with one scale",
        f"size                 {size:,} bytes",
    ]
    for name, tensor in (("input", found.input), ("output", found.output)):
        lines.append(f"{name:<21}{tensor.dtype} {tensor.shape}, scale {tensor.scale}, zero point {tensor.zero_point}")
    return "\n".join(lines)


def command(
    source: Path, out: Path, recipe_file: Path | None, strength: float, side: int, images: int, seed: int
) -> str:
    """This program's command line, by names alone: no folder of the machine it ran on."""
    source, out = source.resolve(), out.resolve()
    parts = [f"python -m tools.convert runs/{source.parent.name}/{source.name} --out models/{out.name}"]
    if recipe_file is not None:
        parts.append(f"--recipe tools/recipes/{recipe_file.name} --prior-correction {strength:g}")
    return " ".join([*parts, f"--side {side} --images {images} --seed {seed}"])


def main(
    source: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint of tools.train.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle: gets model.tflite and labels.txt.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    side: Annotated[int, typer.Option(help="Side of the input in pixels.", min=32)] = 224,
    images: Annotated[int, typer.Option(help="Representative images, drawn from the train split.", min=1)] = 300,
    seed: Annotated[int, typer.Option(help="Seed of that draw.")] = 1,
    strength: Annotated[float, typer.Option("--prior-correction", help="How much of the balanced draw to undo.")] = 0,
    recipe_file: Annotated[Path | None, typer.Option("--recipe", help="Its recipe, for --prior-correction.")] = None,
    keep_float: Annotated[Path | None, typer.Option(help="Default: model_float.tflite beside CHECKPOINT.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; more gain little.", min=1)] = 1,
) -> None:
    """Convert a checkpoint to full-integer int8: a bundle's model.tflite and labels.txt.

    The float32 model is kept beside the checkpoint, with the options of this conversion (.json) for `tools.card`.
    """
    if strength and recipe_file is None:
        raise typer.BadParameter("expected --recipe with --prior-correction, got none")
    torch.set_num_threads(threads)
    network = checkpoint.read(source)
    samples = dataset.select(dataset.read(data), "train")
    if recipe_file is not None:
        counts = Counter(sample.label for sample in samples)
        power = recipe.read(recipe_file).balance_power
        shift = prior_shift(np.array([counts[label] for label in dataset.CLASSES]), power, strength)
        with torch.no_grad():
            network.head.bias += torch.from_numpy(shift).float()
    representative = choose(samples, images, seed)
    pixels, _ = dataset.load(representative, side)
    float_model = to_float(network, side)
    rounded = rounding.fold(network)
    seen = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    equalisation.equalise(rounded, seen)
    rounding.refine(rounded, seen[:ROUNDING_IMAGES])
    int8_model = to_int8(to_float(rounded, side), pixels)
    found = inspection.inspect(int8_model)
    typer.echo(f"calibrated on        {len(representative)} images of the train split, seed {seed}")
    typer.echo(describe(found, len(int8_model)))
    check(found)
    float_file = keep_float or source.parent / "model_float.tflite"
    record = {
        "command": command(source, out, recipe_file, strength, side, images, seed),
        "representative_images": len(representative),
        "seed": seed,
        "prior_correction": strength,
    }
    atomic.write(float_file, float_model)
    atomic.write(float_file.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    atomic.write(out / "labels.txt", "".join(f"{label}\n" for label in dataset.CLASSES))
    atomic.write(out / "model.tflite", int8_model)


if __name__ == "__main__":
    typer.run(main)
