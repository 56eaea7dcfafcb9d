"""Bundles whose models do harm: one that never comes to an end, one that overflows the stack while it is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

_SIDE = 32
_SHAPE = [1, _SIDE, _SIDE, 3]
_SIZE = _SIDE * _SIDE * 3


def endless(folder: Path) -> Path:
    """A bundle whose model runs a loop with the condition "true"."""
    return _bundle(folder, _while(condition=1, body=2))


def bottomless(folder: Path) -> Path:
    """A bundle whose model's loop has the whole model for its body, and so on."""
    return _bundle(folder, _while(condition=1, body=0))


def _while(condition: int, body: int) -> bytes:
    """A model that passes its input through a loop and gives it back as logits, one for each sample."""
    main = _graph([_tensor(_SHAPE), _tensor(_SHAPE), _tensor([1, _SIZE])], [0], [2])
    loop = schema.OperatorT()
    loop.opcodeIndex, loop.inputs, loop.outputs = 0, [0], [1]
    loop.builtinOptionsType, loop.builtinOptions = schema.BuiltinOptions.WhileOptions, schema.WhileOptionsT()
    loop.builtinOptions.condSubgraphIndex, loop.builtinOptions.bodySubgraphIndex = condition, body
    flat = schema.OperatorT()
    flat.opcodeIndex, flat.inputs, flat.outputs = 1, [1], [2]
    flat.builtinOptionsType, flat.builtinOptions = schema.BuiltinOptions.ReshapeOptions, schema.ReshapeOptionsT()
    flat.builtinOptions.newShape = [1, _SIZE]
    main.operators = [loop, flat]
    always = _graph([_tensor(_SHAPE), _tensor([1], schema.TensorType.BOOL, buffer=1)], [0], [1])
    same = _graph([_tensor(_SHAPE)], [0], [0])

    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [_code(schema.BuiltinOperator.WHILE), _code(schema.BuiltinOperator.RESHAPE)]
    model.subgraphs = [main, always, same]
    empty, true = schema.BufferT(), schema.BufferT()
    true.data = [1]
    model.buffers = [empty, true]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(shape: list[int], kind: int = schema.TensorType.FLOAT32, buffer: int = 0) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer, tensor.name = shape, kind, buffer, b"tensor"
    return tensor


def _graph(tensors: list[schema.TensorT], inputs: list[int], outputs: list[int]) -> schema.SubGraphT:
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, inputs, outputs, []
    return graph


def _code(operator: int) -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = 1
    return code


def _bundle(folder: Path, model: bytes) -> Path:
    folder.mkdir(parents=True)
    files = {"model.tflite": model, "labels.txt": "".join(f"C{index}\n" for index in range(_SIZE)).encode()}
    card = {
        "schema": "edge-mdda/card/1",
        "name": folder.name,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "input": {"height": _SIDE, "width": _SIDE, "range": [0, 1], "layout": "NHWC", "colour": "RGB"},
        "output": {"kind": "logits", "temperature": 1},
    }
    for name, content in {**files, "card.json": json.dumps(card).encode()}.items():
        (folder / name).write_bytes(content)
    return folder
