"""Measure, layer by layer, the noise that int8 adds to a network, and what each mend takes away.

    python -m tools.layer_noise models/checkpoints/purified.ckpt --json models/quantisation.json

Signal to noise is that of a layer's output on images of `val`: Σx² / Σ(x - x̂)² in decibels, x in float32 and x̂ in int8,
all layers before it in int8 too. The page beside the JSON file, .md, holds the table.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer.utils import qsv_utils
from numpy.typing import NDArray

from tools import (
    atomic,
    card_page,
    checkpoint,
    equalisation,
    graph_rounding,
    inspection,
    pictures,
    quantise,
    rounding,
)
from tools.convert import ROUNDING_IMAGES
from tools.preparation import Preparation
from tools.source.module import Module

SCHEMA = "edge-mdda/layer-noise/1"
TITLES = {
    "nearest": "weights rounded to nearest",
    "moving average": "ranges by moving average",
    "rounded": "rounded by what layers compute",
    "equalised": "channels equalised",
    "both": "equalised, then rounded: shipped",
    "any model": "rounded in the .tflite file, as for any model",
}
LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MEAN")


@dataclass(frozen=True)
class Variant:
    """One way to int8: its model, and the float32 model that its layers are compared with."""

    floating: bytes
    integer: bytes


def variants(network: torch.nn.Module, pixels: NDArray[np.uint8]) -> dict[str, Variant]:
    """Quantise a network in every way of `TITLES`, by representative images, uint8 RGB (N, H, W, 3).

    Rounding is compared with the weights before it. Equalisation changes the scales of channels, not what the network
    computes, so that what is equalised is compared with the equalised network in float32.
    """
    seen = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255

    def floating(layers: torch.nn.Module) -> bytes:
        return Module("", layers, "NCHW", *pixels.shape[1:3]).to_float(Preparation())

    def rounded(layers: torch.nn.Module) -> bytes:
        rounding.refine(layers, seen[:ROUNDING_IMAGES])
        return quantise.to_int8(floating(layers), pixels)

    plain = rounding.fold(network)
    equal = copy.deepcopy(plain)
    equalisation.equalise(equal, seen)
    plain_model, equal_model = floating(plain), floating(equal)
    moving = qsv_utils.moving_average_update
    anyone = graph_rounding.refine(plain_model, pixels[:ROUNDING_IMAGES])
    return {
        "nearest": Variant(plain_model, quantise.to_int8(plain_model, pixels)),
        "moving average": Variant(plain_model, quantise.to_int8(plain_model, pixels, update=moving)),
        "rounded": Variant(plain_model, rounded(plain)),
        "equalised": Variant(equal_model, quantise.to_int8(equal_model, pixels)),
        "both": Variant(equal_model, rounded(equal)),
        "any model": Variant(plain_model, quantise.to_int8(anyone, pixels)),
    }


class Watched:
    """A model whose layers' outputs can be read; a class because the runtime keeps the model and its buffers."""

    def __init__(self, model: bytes) -> None:
        # Without XNNPACK, which keeps what is between operators to itself.
        self.native = litert.Interpreter(
            model_content=model,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self.native.allocate_tensors()
        self.input = self.native.get_input_details()[0]
        parsed = schema.ModelT.InitFromPackedBuf(model, 0)
        names = inspection.operator_names(parsed)
        outputs = [operator.outputs[0] for operator in parsed.subgraphs[0].operators]
        self.layers = [(name, int(index)) for name, index in zip(names, outputs, strict=True) if name in LAYERS]
        details = {detail["index"]: detail for detail in self.native.get_tensor_details()}
        self.details = [details[index] for _, index in self.layers]

    def run(self, image: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
        """The outputs of its layers, dequantised, of an RGB image (H, W, 3)."""
        integer = self.input["dtype"] == np.int8
        tensor = (image.astype(np.int16) - 128).astype(np.int8) if integer else image / np.float32(255)
        self.native.set_tensor(self.input["index"], tensor[None])
        self.native.invoke()
        outputs = []
        for detail in self.details:
            values = self.native.get_tensor(detail["index"]).astype(np.float64)
            scale, zero_point = detail["quantization"]
            outputs.append((values - zero_point) * scale if scale else values)
        return outputs


def measure(made: dict[str, Variant], pixels: NDArray[np.uint8]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The layers with their signal to noise by variant, and for each variant what it does to the logits."""
    layers: list[dict[str, Any]] = []
    outputs = {}
    floats = {model: Watched(model) for model in {variant.floating for variant in made.values()}}
    integers = {name: Watched(variant.integer) for name, variant in made.items()}
    signal: dict[str, Any] = dict.fromkeys(made, 0.0)
    noise: dict[str, Any] = dict.fromkeys(made, 0.0)
    same = dict.fromkeys(made, 0)
    for image in pixels:
        answers = {model: watched.run(image) for model, watched in floats.items()}
        for name, variant in made.items():
            expected, found = answers[variant.floating], integers[name].run(image)
            signal[name] = signal[name] + np.array([np.square(x).sum() for x in expected])
            noise[name] = noise[name] + np.array([np.square(x - y).sum() for x, y in zip(expected, found, strict=True)])
            same[name] += int(expected[-1].argmax() == found[-1].argmax())
    decibels = {name: 10 * np.log10(signal[name] / noise[name]) for name in made}
    first = integers["nearest"]
    for position, (operator, _) in enumerate(first.layers):
        shape = [int(side) for side in first.details[position]["shape"][1:]]
        values = {name: round(float(decibels[name][position]), 2) for name in made}
        layers.append({"operator": operator, "shape": shape, "decibels": values})
    for name in made:
        logits = noise[name][-1] / len(pixels) / first.details[-1]["shape"][-1]
        outputs[name] = {
            "worst_layer_decibels": round(float(decibels[name].min()), 2),
            "logits_decibels": round(float(decibels[name][-1]), 2),
            "logits_root_mean_square": round(float(np.sqrt(logits)), 4),
            "same_top_class": same[name] / len(pixels),
        }
    return layers, outputs


def markdown(report: dict[str, Any]) -> str:
    """The page: what each way does to the logits, and the table of layers."""
    ways = [
        (
            TITLES[name],
            f"{figures['worst_layer_decibels']:.1f}",
            f"{figures['logits_decibels']:.1f}",
            f"{figures['logits_root_mean_square']:.3f}",
            f"{figures['same_top_class']:.1%}",
        )
        for name, figures in report["outputs"].items()
    ]
    rows = [
        (
            f"{position} {layer['operator']} {'×'.join(map(str, layer['shape']))}",
            *(f"{layer['decibels'][name]:.1f}" for name in report["outputs"]),
        )
        for position, layer in enumerate(report["layers"])
    ]
    return (
        "\n\n".join(
            [
                "# What int8 costs, layer by layer",
                f"`{report['checkpoint']}`: signal to noise in decibels of int8 against float32, on {report['images']} "
                f"images of `val`; calibrated on {report['representative_images']} images of `train`. Written by "
                "`python -m tools.layer_noise`: do not edit.",
                card_page.table(
                    ("quantised with", "worst layer, dB", "logits, dB", "logits, RMS error", "same top class"), ways
                ),
                card_page.table(("layer, output", *report["outputs"]), rows),
            ]
        )
        + "\n"
    )


def main(
    path: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A MobileNetV2 of tools.train.")],
    json_file: Annotated[Path, typer.Option("--json", help="JSON file for the figures; the page goes beside it.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    images: Annotated[int, typer.Option(help="Images of val to measure on.", min=1)] = 100,
    representative: Annotated[int, typer.Option(help="Images of train to calibrate on.", min=1)] = 300,
    side: Annotated[int, typer.Option(help="Side of the input in pixels.", min=32)] = 224,
    seed: Annotated[int, typer.Option(help="Seed of both draws.")] = 1,
) -> None:
    """Measure the noise of every layer in int8, without mends and with them."""
    torch.set_num_threads(1)
    made = variants(checkpoint.read(path), pictures.load(data, "train", side, side, representative, seed).pixels)
    layers, outputs = measure(made, pictures.load(data, "val", side, side, images, seed).pixels)
    report = {
        "schema": SCHEMA,
        "checkpoint": path.name,
        "images": images,
        "representative_images": representative,
        "outputs": outputs,
        "layers": layers,
    }
    atomic.write(json_file, json.dumps(report, indent=2) + "\n")
    page = markdown(report)
    atomic.write(json_file.with_suffix(".md"), page)
    typer.echo(page.split("\n\n")[2])


if __name__ == "__main__":
    typer.run(main)
