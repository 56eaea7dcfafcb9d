"""ONNX graphs, rebuilt as PyTorch modules; what they answer as sources is ONNX Runtime's word, not that rebuilding's.

A node whose inputs are all constant is evaluated once by ONNX's reference implementation, and shapes are inferred for
one image, so that of the many ways in which exporters spell sizes only the arithmetic of the network remains. Its own
reader because none of the kept ones works here: onnx2torch (last release 2024) and onnx2pytorch need torchvision, whose
wheel on PyPI does not import beside a CPU build of PyTorch; onnx2tf for Python 3.11 pins NumPy 1 and TensorFlow 2.19.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper, reference, shape_inference
from torch import nn
from torch.nn import functional

from tools.source import tell_layout
from tools.source.module import Module

Constant = NDArray[Any]
Attributes = dict[str, Any]


class Apply(nn.Module):
    """A function of one or two tensors as a module."""

    def __init__(self, function: Callable[..., torch.Tensor]):
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs)


class WithConstant(nn.Module):
    """An operation between a tensor and a constant, in the order of the graph."""

    def __init__(self, function: Callable[..., torch.Tensor], constant: Constant, first: bool):
        super().__init__()
        self.function, self.first = function, first
        self.register_buffer("constant", torch.from_numpy(np.array(constant)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.constant, x) if self.first else self.function(x, self.constant)


class Graph(nn.Module):
    """The nodes of a graph that depend on the image, in the graph's order."""

    def __init__(self, model: onnx.ModelProto, shape: tuple[int, ...]):
        super().__init__()
        graph = fix_input(model, shape).graph
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        shapes = {value.name: known for value in graph.value_info if (known := _shape(value)) is not None}
        self.input, self.output = _only_input(graph).name, graph.output[0].name
        shapes[self.input] = shape
        self.steps: list[tuple[list[str], str]] = []
        self.layers = nn.ModuleList()
        for node in graph.node:
            attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
            if node.op_type == "Shape" and node.input[0] in shapes:
                known = shapes[node.input[0]]
                constants[node.output[0]] = np.array(known[attributes.get("start", 0) : attributes.get("end")])
            elif all(name in constants for name in node.input if name):
                values = {name: constants[name] for name in node.input if name}
                constants.update(zip(node.output, reference.ReferenceEvaluator(node).run(None, values), strict=True))
            else:
                if node.op_type not in BUILDERS:
                    raise ValueError(f"expected ONNX operators out of {', '.join(BUILDERS)}, got {node.op_type}")
                given = [constants.get(name) for name in node.input]
                self.layers.append(BUILDERS[node.op_type](attributes, given, shapes.get(node.input[0])))
                self.steps.append(([name for name in node.input if name and name not in constants], node.output[0]))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        values = {self.input: image}
        for (inputs, output), layer in zip(self.steps, self.layers, strict=True):
            values[output] = layer(*(values[name] for name in inputs))
        return values[self.output]


def fix_input(model: onnx.ModelProto, shape: tuple[int, ...]) -> onnx.ModelProto:
    """The model with an input of a given shape, and the shapes that follow from it inferred."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for size, side in zip(_only_input(fixed.graph).type.tensor_type.shape.dim, shape, strict=True):
        size.dim_value = side
    return shape_inference.infer_shapes(fixed, data_prop=True)


def _only_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    initialised = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initialised]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ValueError(f"expected one input and one output, got {len(inputs)} and {len(graph.output)}")
    return inputs[0]


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
    return tuple(sizes) if all(sizes) else None


# Builders: a node's attributes, its constant inputs (None where an input depends on the image) and the shape of its
# first input, if known, to the module that computes its output from its other inputs.


def _conv(attributes: Attributes, given: list[Constant | None], shape: tuple[int, ...] | None) -> nn.Module:
    weight, bias = given[1], given[2] if len(given) > 2 else None
    if weight is None or weight.ndim != 4:
        raise ValueError("expected two-dimensional convolutions with constant weights")
    kernel = weight.shape[2:]
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    top, left, bottom, right = _pads(attributes, kernel, shape)
    even = (top, left) == (bottom, right)
    groups = attributes.get("group", 1)
    layer = nn.Conv2d(
        weight.shape[1] * groups, weight.shape[0], kernel, strides, (top, left) if even else 0, dilations, groups
    )
    layer.weight.data.copy_(torch.from_numpy(np.array(weight)))
    layer.bias.data.copy_(torch.from_numpy(np.array(bias)) if bias is not None else torch.zeros(len(weight)))
    return layer if even else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), layer)


def _pads(attributes: Attributes, kernel: tuple[int, ...], shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Padding at top, left, bottom and right."""
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if automatic in ("NOTSET", "VALID"):
        return tuple(attributes.get("pads", [0, 0, 0, 0]))
    if shape is None:
        raise ValueError(f"expected a known shape where auto_pad is {automatic}")
    strides = attributes.get("strides", [1, 1])
    total = [
        max(0, (-(-side // stride) - 1) * stride + size - side)
        for side, stride, size in zip(shape[2:], strides, kernel, strict=True)
    ]
    less, more = [pad // 2 for pad in total], [pad - pad // 2 for pad in total]
    return (*less, *more) if automatic == "SAME_UPPER" else (*more, *less)


def _batch_norm(attributes: Attributes, given: list[Constant | None], _: Any) -> nn.Module:
    scale, offset, mean, variance = (torch.from_numpy(np.array(value)) for value in given[1:5])
    layer = nn.BatchNorm2d(len(scale), eps=attributes.get("epsilon", 1e-5))
    layer.load_state_dict(
        {"weight": scale, "bias": offset, "running_mean": mean, "running_var": variance}, strict=False
    )
    return layer.eval()


def _gemm(attributes: Attributes, given: list[Constant | None], _: Any) -> nn.Module:
    weight = given[1]
    if weight is None or attributes.get("transA"):
        raise ValueError("expected matrix products of the image's features and constant weights")
    weight = np.array(weight if attributes.get("transB") else weight.T) * attributes.get("alpha", 1.0)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data.copy_(torch.from_numpy(weight))
    bias = given[2] * attributes.get("beta", 1.0) if len(given) > 2 and given[2] is not None else 0.0
    layer.bias.data.copy_(torch.from_numpy(np.broadcast_to(np.array(bias), len(weight)).copy()))
    return layer


def _between(function: Callable[..., torch.Tensor]) -> Callable[..., nn.Module]:
    def build(_: Attributes, given: list[Constant | None], __: Any) -> nn.Module:
        if given[0] is None and given[1] is None:
            return Apply(function)
        return WithConstant(function, given[0] if given[1] is None else given[1], first=given[1] is None)

    return build


def _alone(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., nn.Module]:
    return lambda attributes, given, shape: Apply(function)


def _clip(attributes: Attributes, given: list[Constant | None], _: Any) -> nn.Module:
    low, high = [*given[1:], None, None][:2]
    low = attributes.get("min") if low is None else float(low)
    high = attributes.get("max") if high is None else float(high)
    if (low, high) == (0, 6):
        return nn.ReLU6()
    return Apply(lambda x: x.clamp(low, high))


def _pool(kind: type[nn.Module]) -> Callable[..., nn.Module]:
    def build(attributes: Attributes, given: list[Constant | None], shape: tuple[int, ...] | None) -> nn.Module:
        kernel = attributes["kernel_shape"]
        top, left, bottom, right = _pads(attributes, kernel, shape)
        if (top, left) != (bottom, right) or attributes.get("ceil_mode"):
            raise ValueError("expected pooling with even padding and no ceil_mode")
        options = {} if kind is nn.MaxPool2d else {"count_include_pad": bool(attributes.get("count_include_pad"))}
        return kind(kernel, attributes.get("strides", [1, 1]), (top, left), **options)

    return build


def _reduce_mean(attributes: Attributes, given: list[Constant | None], _: Any) -> nn.Module:
    axes = attributes.get("axes") if len(given) < 2 else given[1].tolist()
    keep = bool(attributes.get("keepdims", 1))
    return Apply(lambda x: x.mean(axes, keepdim=keep))


def _reshape(_: Attributes, given: list[Constant | None], shape: tuple[int, ...] | None) -> nn.Module:
    if given[1] is None:
        raise ValueError("expected Reshape to a shape that does not depend on the image")
    sizes = [shape[axis] if size == 0 and shape else int(size) for axis, size in enumerate(given[1])]
    return Apply(lambda x: x.reshape(sizes))


def _squeeze(attributes: Attributes, given: list[Constant | None], _: Any) -> nn.Module:
    axes = attributes.get("axes") if len(given) < 2 else given[1].tolist()
    return Apply(lambda x: x.squeeze(tuple(axes)))


def _pad(attributes: Attributes, given: list[Constant | None], _: Any) -> nn.Module:
    pads = attributes.get("pads") if len(given) < 2 else given[1].tolist()
    value = 0.0 if len(given) < 3 or given[2] is None else float(given[2])
    if attributes.get("mode", b"constant") != b"constant":
        raise ValueError(f"expected padding by a constant, got {attributes['mode'].decode()}")
    axes = len(pads) // 2
    ends = [side for axis in reversed(range(axes)) for side in (pads[axis], pads[axis + axes])]
    return Apply(lambda x: functional.pad(x, ends, value=value))


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "Add": _between(torch.add),
    "AveragePool": _pool(nn.AvgPool2d),
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": lambda attributes, given, shape: Apply(lambda *x: torch.cat(x, attributes["axis"])),
    "Conv": _conv,
    "Div": _between(torch.div),
    "Dropout": _alone(lambda x: x),
    "Flatten": lambda attributes, given, shape: nn.Flatten(attributes.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": _alone(lambda x: functional.adaptive_avg_pool2d(x, 1)),
    "HardSigmoid": lambda attributes, given, shape: Apply(
        lambda x: (x * attributes.get("alpha", 0.2) + attributes.get("beta", 0.5)).clamp(0, 1)
    ),
    "HardSwish": _alone(functional.hardswish),
    "Identity": _alone(lambda x: x),
    "LeakyRelu": lambda attributes, given, shape: nn.LeakyReLU(attributes.get("alpha", 0.01)),
    "MatMul": _gemm,
    "MaxPool": _pool(nn.MaxPool2d),
    "Mul": _between(torch.mul),
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": lambda attributes, given, shape: nn.ReLU(),
    "Reshape": _reshape,
    "Sigmoid": _alone(torch.sigmoid),
    "Softmax": lambda attributes, given, shape: nn.Softmax(attributes.get("axis", -1)),
    "Squeeze": _squeeze,
    "Sub": _between(torch.sub),
    "Transpose": lambda attributes, given, shape: Apply(lambda x: x.permute(attributes["perm"])),
}


@dataclass(frozen=True)
class Onnx(Module):
    """A graph whose outputs are those of ONNX Runtime."""

    model: onnx.ModelProto

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs, float32 (N, classes), of prepared images, float32 (N, H, W, 3), one at a time."""
        import onnxruntime

        session = onnxruntime.InferenceSession(self.model.SerializeToString(), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        axes = (0, 3, 1, 2) if self.layout == "NCHW" else (0, 1, 2, 3)
        prepared = np.ascontiguousarray(images.transpose(axes))
        return np.concatenate([session.run(None, {name: image[None]})[0] for image in prepared])


def read(path: Path, side: int | None, layout: str | None) -> Onnx:
    """See `tools.source.open`."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, the checker and the loader of external data have no error in common
        raise ValueError(f"expected an ONNX model in {path}, got: {error}") from None
    shape = tuple(size.dim_value or None for size in _only_input(model.graph).type.tensor_type.shape.dim)
    found, height, width = tell_layout(shape, side)
    if layout not in (None, found):
        raise ValueError(f"expected an ONNX model of layout {layout}, got an input {shape}")
    fixed = (1, 3, height, width) if found == "NCHW" else (1, height, width, 3)
    return Onnx("ONNX graph", Graph(model, fixed), found, height, width, model)
