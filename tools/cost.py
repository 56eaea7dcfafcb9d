"""What a .tflite model costs to store and to run, told from its file alone."""

from __future__ import annotations

import math

from ai_edge_litert import schema_py_generated as schema

_OPERATORS = schema.BuiltinOperator


def multiply_adds(model: bytes) -> int:
    """Multiply-adds of one inference in the convolutions and fully connected layers, nearly all of the work.

    An output value of a convolution takes one for each weight of its channel, so the count is the number of outputs
    times the weights of a channel, whatever stride and padding are. Adding, pooling and requantising are not counted.
    """
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    total = 0
    for graph in parsed.subgraphs:
        for operator in graph.operators:
            code = parsed.operatorCodes[operator.opcodeIndex]
            kind = max(code.builtinCode, code.deprecatedBuiltinCode)
            if kind not in (_OPERATORS.CONV_2D, _OPERATORS.DEPTHWISE_CONV_2D, _OPERATORS.FULLY_CONNECTED):
                continue
            weights, outputs = (
                [int(side) for side in graph.tensors[index].shape]
                for index in (operator.inputs[1], operator.outputs[0])
            )
            # Depthwise weights lie as (1, height, width, channels), the others as (channels, …).
            channels = weights[-1] if kind == _OPERATORS.DEPTHWISE_CONV_2D else weights[0]
            total += math.prod(outputs) * math.prod(weights) // channels
    return total
