"""What is inside a .tflite file: operators, tensor types, quantisation of input, output and weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

_NAMES = {
    owner: {code: name for name, code in vars(owner).items() if not name.startswith("_")}
    for owner in (schema.BuiltinOperator, schema.TensorType)
}
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
_LAYOUT = ("PAD", "PADV2", "TRANSPOSE")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class Tensor:
    """One input or output tensor; scale and zero point are None where it is not quantised."""

    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Inspection:
    """The operators of a model with one subgraph, and what is left over in it.

    Attributes:
        operators: how often each operator occurs.
        in_float: operators that read or write a float tensor, how often each.
        conversions: QUANTIZE and DEQUANTIZE operators.
        layout: PAD and TRANSPOSE operators, which a clean conversion folds away.
        per_channel: convolutions with one weight scale per output channel.
        per_tensor: quantised operators with weights that have a single scale for several channels.
        input: the only input tensor.
        output: the only output tensor.
    """

    operators: dict[str, int]
    in_float: dict[str, int]
    conversions: int
    layout: int
    per_channel: int
    per_tensor: int
    input: Tensor
    output: Tensor

    @property
    def pads(self) -> int:
        """PAD operators of both kinds."""
        return sum(self.operators.get(name, 0) for name in ("PAD", "PADV2"))

    @property
    def full_integer(self) -> bool:
        """Whether input, output and everything between is integer."""
        return not self.in_float and not self.conversions and self.input.dtype == self.output.dtype == "INT8"


def inspect(model: bytes) -> Inspection:
    """Read the flatbuffer of a model; ValueError unless it has one subgraph with one input and one output."""
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    if len(parsed.subgraphs) != 1:
        raise ValueError(f"expected a model with one subgraph, got {len(parsed.subgraphs)}")
    graph = parsed.subgraphs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(f"expected one input and one output, got {len(graph.inputs)} and {len(graph.outputs)}")
    operators: Counter[str] = Counter()
    in_float: Counter[str] = Counter()
    scales: Counter[bool] = Counter()
    for operator, name in zip(graph.operators, operator_names(parsed), strict=True):
        operators[name] += 1
        tensors = [graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
        types = [_NAMES[schema.TensorType][tensor.type] for tensor in tensors]
        if name not in _CONVERSIONS and any(kind.startswith("FLOAT") for kind in types):
            in_float[name] += 1
        if name in _WEIGHTED and tensors[1].quantization is not None and tensors[1].quantization.scale is not None:
            channels = tensors[-1].shape[-1]
            scales[len(tensors[1].quantization.scale) == channels] += 1
    return Inspection(
        operators=dict(operators.most_common()),
        in_float=dict(in_float.most_common()),
        conversions=sum(operators[name] for name in _CONVERSIONS),
        layout=sum(operators[name] for name in _LAYOUT),
        per_channel=scales[True],
        per_tensor=scales[False],
        input=_describe(graph.tensors[graph.inputs[0]]),
        output=_describe(graph.tensors[graph.outputs[0]]),
    )


def operator_names(parsed: Any) -> list[str]:
    """The names of the operators of a parsed model's first subgraph, in order."""
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in parsed.operatorCodes]
    return [_NAMES[schema.BuiltinOperator][codes[operator.opcodeIndex]] for operator in parsed.subgraphs[0].operators]


def _describe(tensor: Any) -> Tensor:
    quantization = tensor.quantization
    quantised = quantization is not None and quantization.scale is not None and len(quantization.scale) == 1
    return Tensor(
        shape=tuple(int(side) for side in tensor.shape),
        dtype=_NAMES[schema.TensorType][tensor.type],
        scale=float(quantization.scale[0]) if quantised else None,
        zero_point=int(quantization.zeroPoint[0]) if quantised else None,
    )
