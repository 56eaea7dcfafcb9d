"""Every precision, every type of input and output, and logits instead of probabilities."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("litert_torch", reason="needs the workstation extra")
pytest.importorskip("ai_edge_quantizer", reason="needs the workstation extra")

from edge_mdda import interpreter  # noqa: E402
from tests import foreign  # noqa: E402
from tools import convert, graph_rounding, inspection, quantise  # noqa: E402
from tools.preparation import Preparation  # noqa: E402
from tools.source.module import Module  # noqa: E402

PIXELS, KINDS = foreign.pictures()


def convert_small(**options):
    return Module("", foreign.network(**options), "NCHW", foreign.SIDE, foreign.SIDE).to_float(Preparation())


@pytest.fixture(scope="module")
def floating():
    return convert_small()


def logits(model):
    opened = interpreter.open(model)
    outputs = []
    for picture in PIXELS:
        whole = opened.input.dtype == np.int8
        tensor = (picture.astype(np.int16) - 128).astype(np.int8) if whole else picture / np.float32(255)
        output = opened.run(tensor[None]).astype(np.float32)
        outputs.append((output - opened.output.zero_point) * opened.output.scale if opened.output.scale else output)
    return np.concatenate(outputs)


@pytest.mark.parametrize("float_input", [False, True])
@pytest.mark.parametrize("float_output", [False, True])
def test_int8_inside_with_either_type_outside(floating, float_input, float_output):
    ends = {"float_input": float_input, "float_output": float_output}
    model = quantise.to_int8(floating, PIXELS, **ends)
    found = inspection.inspect(model)
    convert.check(found, **ends)
    assert found.input.dtype == ("FLOAT32" if float_input else "INT8")
    assert found.output.dtype == ("FLOAT32" if float_output else "INT8")
    assert (found.per_channel, found.per_tensor) == (4, 0)
    answers = logits(model)
    np.testing.assert_allclose(answers, logits(floating), atol=0.5)
    assert (answers.argmax(1) == KINDS).all()
    with pytest.raises(ValueError, match="expected a full-integer model"):
        convert.check(found, float_input=not float_input, float_output=float_output)


def test_int8_weights_alone_are_a_quarter_and_close(floating):
    model = quantise.to_dynamic(floating)
    found = inspection.inspect(model)
    assert (found.per_channel, found.per_tensor) == (4, 0)
    assert found.input.dtype == found.output.dtype == "FLOAT32"
    np.testing.assert_allclose(logits(model), logits(floating), atol=0.3)


def test_float16_rounds_the_weights_alone(floating):
    model = quantise.to_float16(floating)
    found = inspection.inspect(model)
    assert found.operators["DEQUANTIZE"] >= 4
    answers, expected = logits(model), logits(floating)
    np.testing.assert_allclose(answers, expected, rtol=0, atol=0.05)
    assert not np.array_equal(answers, expected)


def test_logits_leave_a_model_that_ended_in_a_softmax(floating):
    shortened, removed = quantise.remove_softmax(convert_small(softmax=True))
    assert removed
    np.testing.assert_allclose(logits(shortened), logits(floating), rtol=1e-4, atol=1e-4)
    quantise.to_int8(shortened, PIXELS)  # the quantizer finds its way in what was rewritten
    assert quantise.remove_softmax(floating) == (floating, False)


def test_any_model_is_rounded_onto_the_quantizers_steps(floating):
    """What is rounded answers like the float model, and rounding to nearest then changes no weight."""
    refined = graph_rounding.refine(floating, PIXELS)
    np.testing.assert_allclose(logits(refined), logits(floating), atol=0.2)
    assert not np.array_equal(logits(refined), logits(floating))
    assert len(refined) < 1.1 * len(floating)  # nothing of the old weights is left
    dynamic = quantise.to_dynamic(refined)
    for weights, kept in zip(constants(refined), constants(dynamic), strict=True):
        np.testing.assert_allclose(kept, weights, atol=1e-5 * np.abs(weights).max())


def constants(model):
    """Weights of the operators of a model that have some, dequantised."""
    from ai_edge_litert import schema_py_generated as schema

    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    found = []
    for operator, name in zip(parsed.subgraphs[0].operators, inspection.operator_names(parsed), strict=True):
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            tensor = parsed.subgraphs[0].tensors[operator.inputs[1]]
            data = bytes(parsed.buffers[tensor.buffer].data)
            if tensor.type == schema.TensorType.FLOAT32:
                found.append(np.frombuffer(data, np.float32).reshape(tensor.shape))
                continue
            scale, axis = np.array(tensor.quantization.scale), tensor.quantization.quantizedDimension
            shape = [-1 if side == axis else 1 for side in range(len(tensor.shape))]
            found.append(np.frombuffer(data, np.int8).reshape(tensor.shape) * scale.reshape(shape))
    return found


def test_rounding_a_graph_sees_what_its_layers_see(floating):
    """The padded, transposed input of a layer's twin gives the operator's output, for every kind of layer."""
    from ai_edge_litert import schema_py_generated as schema

    from tools import layer_noise

    model = floating
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    watched = layer_noise.Watched(model)
    watched.run(PIXELS[0])
    tried = 0
    for operator, name in zip(graph.operators, inspection.operator_names(parsed), strict=True):
        twin = graph_rounding._weighted(parsed, name, operator)
        if twin is None:
            continue
        tried += 1
        with torch.no_grad():
            found = twin.layer(twin.seen(watched.native.get_tensor(operator.inputs[0]))).numpy()
        output = watched.native.get_tensor(operator.outputs[0])
        found = found.transpose(0, 2, 3, 1) if found.ndim == 4 else found
        if operator.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.RELU6:
            found = found.clip(0, 6)
        np.testing.assert_allclose(found, output, rtol=1e-4, atol=1e-4)
    assert tried == 4
