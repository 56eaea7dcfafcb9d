"""Round the weights of any float32 .tflite model as `tools.rounding` rounds those of our own networks.

Whatever a model came from, in a .tflite file its convolutions and matrix products look alike: NHWC, weights by output
channel, batch norms merged. The runtime shows what each of them is fed on representative images; its weights then move
to int8 steps that keep what it computes, and the quantizer, which rounds to nearest, finds them where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import torch
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from tools import inspection, rounding

# PyTorch's weights are OIHW; TFLite's OHWI, and 1HWO for a depthwise convolution.
_TO_TORCH = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "FULLY_CONNECTED": (0, 1)}
_FROM_TORCH = {"CONV_2D": (0, 2, 3, 1), "DEPTHWISE_CONV_2D": (1, 2, 3, 0), "FULLY_CONNECTED": (0, 1)}


@dataclass(frozen=True)
class Weighted:
    """One operator with weights, and its twin in PyTorch, without padding.

    Attributes:
        name: of the operator.
        operator: as it was parsed.
        layer: a convolution or linear layer with its weights and bias.
        same: whether it pads so that its output is as large as its input, but for the stride.
    """

    name: str
    operator: Any
    layer: nn.Conv2d | nn.Linear
    same: bool

    def seen(self, x: NDArray[np.float32]) -> torch.Tensor:
        """What the twin is fed where the operator is fed x: NCHW and padded."""
        if self.name == "FULLY_CONNECTED":
            return torch.from_numpy(x.reshape(-1, x.shape[-1]))
        image = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        if not self.same:
            return image
        ends = []
        sides = image.shape[2:], self.layer.kernel_size, self.layer.stride
        for side, size, stride in reversed(list(zip(*sides, strict=True))):
            total = max(0, (-(-side // stride) - 1) * stride + size - side)
            ends += [total // 2, total - total // 2]
        return functional.pad(image, ends)


def refine(model: bytes, images: NDArray[np.uint8]) -> bytes:
    """Round the weights of a float32 model of one image in [0, 1]; it stays a float32 model.

    Operators with dilation, with several outputs for each channel of a depthwise convolution, or with weights that are
    computed are left as they are.

    Args:
        images: representative RGB, uint8 (N, H, W, 3).
    """
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    named = zip(inspection.operator_names(parsed), graph.operators, strict=True)
    operators = [found for name, operator in named if (found := _weighted(parsed, name, operator)) is not None]
    if not operators:
        return model
    # Without XNNPACK, which keeps what is between operators to itself.
    watched = litert.Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    watched.allocate_tensors()
    moments = [rounding.Moments() for _ in operators]
    with torch.inference_mode():
        for image in images:
            watched.set_tensor(graph.inputs[0], image[None] / np.float32(255))
            watched.invoke()
            for operator, moment in zip(operators, moments, strict=True):
                moment.add(operator.layer, (operator.seen(watched.get_tensor(operator.operator.inputs[0])),))
    for operator, moment in zip(operators, moments, strict=True):
        rounding.round_layer(operator.layer, *moment.finish())
        weights = operator.layer.weight.detach().numpy().transpose(_FROM_TORCH[operator.name])
        for position, values in ((1, weights), (2, operator.layer.bias.detach().numpy())):
            _replace(parsed, operator.operator, position, values)
    _empty_unused_buffers(parsed)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _weighted(parsed: Any, name: str, operator: Any) -> Weighted | None:
    """The twin of an operator, if it is one whose weights can be rounded."""
    if name not in _TO_TORCH:
        return None
    graph = parsed.subgraphs[0]
    image, *constants = [graph.tensors[index] for index in operator.inputs if index >= 0]
    weight, *bias = [_read(parsed, tensor) for tensor in constants]
    if weight is None or any(value is None for value in bias):
        return None
    options = operator.builtinOptions
    weight = torch.from_numpy(np.ascontiguousarray(weight.transpose(_TO_TORCH[name])))
    layer: nn.Conv2d | nn.Linear
    if name == "FULLY_CONNECTED":
        layer, same = nn.Linear(weight.shape[1], weight.shape[0]), False
    else:
        if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
            return None
        channels = image.shape[3]
        groups = channels // weight.shape[1]
        if groups > 1 and len(weight) != groups:  # several outputs a channel: not a case of `rounding.Moments`
            return None
        layer = nn.Conv2d(channels, len(weight), weight.shape[2:], (options.strideH, options.strideW), groups=groups)
        same = options.padding == schema.Padding.SAME
    layer.weight.data.copy_(weight)
    layer.bias.data.copy_(torch.from_numpy(bias[0]) if bias else torch.zeros(len(weight)))
    return Weighted(name, operator, layer, same)


def _read(parsed: Any, tensor: Any) -> NDArray[np.float32] | None:
    data = parsed.buffers[tensor.buffer].data
    if data is None or len(data) == 0 or tensor.type != schema.TensorType.FLOAT32:
        return None
    return np.frombuffer(bytes(data), np.float32).reshape(tensor.shape).copy()


def _replace(parsed: Any, operator: Any, position: int, values: NDArray[np.float32]) -> None:
    """Give an operator a constant input of its own: what it shares with others stays as it is for them."""
    graph = parsed.subgraphs[0]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values, np.float32).tobytes(), np.uint8)
    parsed.buffers.append(buffer)
    index = operator.inputs[position] if position < len(operator.inputs) else -1
    if index < 0 or sum(index in other.inputs for other in graph.operators) > 1:
        tensor = schema.TensorT()
        tensor.name = f"rounded/{len(graph.tensors)}".encode()
        tensor.shape = list(values.shape)
        tensor.type = schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
        operator.inputs = [*operator.inputs[:position], len(graph.tensors) - 1]
    else:
        tensor = graph.tensors[index]
    tensor.buffer = len(parsed.buffers) - 1


def _empty_unused_buffers(parsed: Any) -> None:
    used = {tensor.buffer for graph in parsed.subgraphs for tensor in graph.tensors}
    used |= {item.buffer for item in parsed.metadata or []}
    for position, buffer in enumerate(parsed.buffers):
        if position not in used:
            buffer.data = None
