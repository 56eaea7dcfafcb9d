"""Quantise a float32 .tflite model: int8 throughout, int8 weights alone, or float16 weights.

By ai-edge-quantizer; int8 weights have one scale per output channel, and int8 activations are calibrated on images.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.utils import qsv_utils
from numpy.typing import NDArray

from tools import inspection

PRECISIONS = ("int8", "dynamic", "float16", "float32")
Update = Callable[[Any, Any], Any]


def to_int8(
    model: bytes,
    images: NDArray[np.uint8],
    *,
    float_input: bool = False,
    float_output: bool = False,
    update: Update = qsv_utils.min_max_update,
) -> bytes:
    """Quantise a float32 model's weights and activations, calibrated on uint8 RGB images (N, H, W, 3).

    The range of the input is fixed to [0, 1]: scale 1/255 and zero point -128, so that an int8 input is `pixel - 128`
    and nothing is lost there.

    Args:
        float_input: leave the input float32 and quantise it inside.
        float_output: dequantise the output inside, to float32.
        update: how the range of an activation grows with each image; the widest seen by default.
    """
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    for kept, end in ((float_input, qtyping.TFLOperationName.INPUT), (float_output, qtyping.TFLOperationName.OUTPUT)):
        if kept:
            manager.add_quantization_config(".*", end, algorithm_key=AlgorithmName.NO_QUANTIZE)
    signature, argument, tensor = _input(model)
    calibration = calibrator.Calibrator(
        model,
        num_threads=os.cpu_count() or 1,
        mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,  # the same ranges, five times faster
        qsv_update_func=update,
    )
    calibration.calibrate({signature: [{argument: image[None] / np.float32(255)} for image in images]}, manager)
    ranges = calibration.get_model_qsvs()
    ranges[tensor] = {"min": np.array([0.0]), "max": np.array([1.0])}
    plan = manager.get_quantization_recipe()
    result = quantizer.Quantizer(model, plan).quantize(ranges, enable_progress_report=False)
    return bytes(result.quantized_model)


def to_dynamic(model: bytes) -> bytes:
    """Quantise the weights of a float32 model to int8; the runtime quantises activations image by image."""
    result = quantizer.Quantizer(model, recipe.dynamic_wi8_afp32()).quantize(enable_progress_report=False)
    return bytes(result.quantized_model)


def to_float16(model: bytes) -> bytes:
    """Round the weights of a float32 model to float16; it computes in float32."""
    manager = recipe_manager.RecipeManager()
    manager.add_quantization_config(
        ".*",
        qtyping.TFLOperationName.ALL_SUPPORTED,
        qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        AlgorithmName.FLOAT_CASTING,
    )
    plan = manager.get_quantization_recipe()
    return bytes(quantizer.Quantizer(model, plan).quantize(enable_progress_report=False).quantized_model)


def remove_softmax(model: bytes) -> tuple[bytes, bool]:
    """Let the logits leave a float32 model that ends in a softmax; tells whether it did.

    Probabilities in int8 have steps of 1/256: they saturate and tie. Softmax runs in float32 after the model.
    """
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    last = graph.operators[-1]
    if inspection.operator_names(parsed)[-1] != "SOFTMAX" or list(last.outputs) != list(graph.outputs):
        return model, False
    graph.operators.pop()
    for definition in parsed.signatureDefs or []:
        for output in definition.outputs:
            output.tensorIndex = last.inputs[0]
    graph.outputs = list(last.inputs)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output()), True


def _input(model: bytes) -> tuple[str, str, str]:
    """Signature, name of its argument and name of the tensor behind it."""
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    [definition] = parsed.signatureDefs or [None]
    if definition is None or len(definition.inputs) != 1:
        raise ValueError("expected a .tflite model with one signature of one input")
    [argument] = definition.inputs
    tensor = parsed.subgraphs[definition.subgraphIndex].tensors[argument.tensorIndex]
    return definition.signatureKey.decode(), argument.name.decode(), tensor.name.decode()
