"""A TFLite model written by hand: two float inputs, added. It classifies nothing, and takes no image."""

from __future__ import annotations

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

SHAPE = (1, 4)


def addition() -> bytes:
    """The content of its file."""
    model = schema.ModelT()
    model.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    model.operatorCodes = [code]
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(name) for name in ("a", "b", "sum")]
    graph.inputs, graph.outputs = [0, 1], [2]
    operator = schema.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs, operator.outputs = [0, 1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.AddOptions
    operator.builtinOptions = schema.AddOptionsT()
    graph.operators = [operator]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(name: str) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name = name
    tensor.shape = list(SHAPE)
    tensor.type = schema.TensorType.FLOAT32
    tensor.buffer = 0
    return tensor
