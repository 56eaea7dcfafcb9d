"""Networks of every format answer as they did where they came from, before and after they become .tflite."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("litert_torch", reason="needs the workstation extra")
pytest.importorskip("ai_edge_quantizer", reason="needs the workstation extra")

from edge_mdda import interpreter  # noqa: E402
from tests import foreign  # noqa: E402
from tools import convert, graph_rounding, inspection, quantise, source  # noqa: E402
from tools.preparation import Preparation  # noqa: E402

SIGNED = Preparation(-1, 1, colour="BGR")


def keras_file(path, **options):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="needs the convert extra")
    if keras.backend.backend() != "torch":
        pytest.skip("needs Keras with KERAS_BACKEND=torch")
    foreign.keras_layers(keras, **options).save(path)
    return path


def saved_model(path, **options):
    pytest.importorskip("tensorflow", reason="needs the convert-tensorflow extra")
    return foreign.saved_model(path, **options)


def onnx(path, **options):
    pytest.importorskip("onnx", reason="needs the convert extra")
    pytest.importorskip("onnxruntime", reason="needs the convert extra")
    return foreign.onnx(path, **options)


WRITERS = {
    "small.pt2": foreign.pt2,
    "small.pt": foreign.pickled,
    "small.onnx": onnx,
    "small.keras": keras_file,
    "small.h5": keras_file,
    "saved": saved_model,
}


@pytest.fixture(params=WRITERS)
def signed(request, tmp_path):
    """The small network in each format, made to be fed BGR in [-1, 1]."""
    path = WRITERS[request.param](tmp_path / request.param, low=-1, high=1, colour="BGR")
    return source.open(path, foreign.SIDE, trust_pickle=True)


def test_every_format_answers_like_the_network_and_so_does_its_tflite_model(signed):
    pixels, kinds = foreign.pictures(4)
    unit = pixels / np.float32(255)
    prepared = SIGNED.apply(unit)
    with torch.no_grad():
        expected = foreign.network(-1, 1, "BGR")(torch.from_numpy(prepared.transpose(0, 3, 1, 2).copy())).numpy()
    answers = signed.run(prepared)
    np.testing.assert_allclose(answers, expected, rtol=1e-3, atol=1e-3)
    assert (answers.argmax(1) == kinds).all()

    model = signed.to_float(SIGNED)
    found = inspection.inspect(model)
    assert found.input.shape == (1, foreign.SIDE, foreign.SIDE, 3)
    assert "TRANSPOSE" not in found.operators
    opened = interpreter.open(model)
    converted = np.concatenate([opened.run(image[None]) for image in unit])
    np.testing.assert_allclose(converted, answers, rtol=1e-3, atol=1e-3)

    pixels, kinds = foreign.pictures()
    integer = quantise.to_int8(graph_rounding.refine(model, pixels), pixels)
    convert.check(inspection.inspect(integer))
    opened = interpreter.open(integer)
    tensors = (pixels.astype(np.int16) - 128).astype(np.int8)
    assert [opened.run(tensor[None]).argmax() for tensor in tensors] == kinds.tolist()


def test_preparation_is_one_affine_map_in_the_order_of_the_networks_channels():
    preparation = Preparation(0, 255, (1, 2, 3), (2, 4, 8), "BGR")
    prepared = preparation.apply(np.array([[[[0.0, 0.5, 1.0]]]], np.float32))
    np.testing.assert_allclose(prepared, [[[[254 / 2, 125.5 / 4, -3 / 8]]]])
    assert Preparation().is_identity
    assert not Preparation(colour="BGR").is_identity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 1.0}, "expected an input range of low < high, got 1 and 1"),
        ({"deviation": (1, 0, 1)}, "expected deviations above 0"),
        ({"colour": "GBR"}, "expected the order of channels out of RGB, BGR, got 'GBR'"),
    ],
)
def test_a_preparation_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Preparation(**options)


def test_a_pickle_is_not_opened_without_trust(tmp_path):
    path = foreign.pickled(tmp_path / "small.pth")
    with pytest.raises(ValueError, match="expected --trust-pickle to read"):
        source.open(path)


def test_weights_without_a_network_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"expected a whole module in .*, got dict: weights without"):
        source.open(tmp_path / "weights.pt", trust_pickle=True)


@pytest.mark.parametrize("name", ["damaged.pt2", "damaged.onnx", "damaged.keras", "damaged.tflite"])
def test_a_damaged_file_is_refused(tmp_path, name):
    if name.endswith("onnx"):
        pytest.importorskip("onnx", reason="needs the convert extra")
    if name.endswith("keras"):
        pytest.importorskip("keras", reason="needs the convert extra")
    (tmp_path / name).write_bytes(b"no network")
    with pytest.raises(ValueError, match="expected a"):
        source.open(tmp_path / name)


def test_unknown_formats_and_missing_files_are_refused(tmp_path):
    (tmp_path / "network.h6").touch()
    with pytest.raises(ValueError, match=r"expected a network in \.ckpt, \.pt2, .*, got .*network\.h6"):
        source.open(tmp_path / "network.h6")
    with pytest.raises(ValueError, match="or the folder of a TensorFlow SavedModel, got"):
        source.open(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected a trained network at"):
        source.open(tmp_path / "nothing.onnx")


def test_a_missing_library_is_named_with_its_remedy(tmp_path, monkeypatch):
    (tmp_path / "small.onnx").touch()
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "tools.source.onnx_graph", raising=False)
    with pytest.raises(ImportError, match=r"expected onnx to read .*, got none: pip install 'edge-mdda\[convert\]'"):
        source.open(tmp_path / "small.onnx")


def test_another_side_than_the_networks_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a network for 64×64 pixels, got one for 32×32"):
        source.open(foreign.pt2(tmp_path / "small.pt2"), 64)


def test_an_input_without_three_channels_is_refused():
    assert source.tell_layout((None, None, None, 3), 96) == ("NHWC", 96, 96)
    assert source.tell_layout((1, 3, 40, 48), None) == ("NCHW", 40, 48)
    with pytest.raises(ValueError, match="expected an input of one image with three channels"):
        source.tell_layout((1, 1, 28, 28), None)


def test_an_onnx_operator_nobody_wrote_is_named(tmp_path):
    library = pytest.importorskip("onnx", reason="needs the convert extra")
    path = foreign.onnx(tmp_path / "small.onnx")
    model = library.load(path)
    model.graph.node[3].op_type = "Celu"
    del model.graph.node[3].input[1:]
    library.save(model, path)
    with pytest.raises(ValueError, match=r"expected ONNX operators out of Add, .*, got Celu"):
        source.open(path)


def test_onnx_padding_is_where_the_graph_says():
    library = pytest.importorskip("onnx", reason="needs the convert extra")
    runtime = pytest.importorskip("onnxruntime", reason="needs the convert extra")
    from tools.source import onnx_graph

    helper, kind = library.helper, library.TensorProto.FLOAT
    random = np.random.default_rng(0)
    weights = library.numpy_helper.from_array(random.normal(size=(4, 3, 3, 3)).astype(np.float32), "w")
    image = random.normal(size=(1, 3, 9, 12)).astype(np.float32)
    for how in ({"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"pads": [0, 1, 2, 0]}, {"auto_pad": "VALID"}):
        node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], kernel_shape=[3, 3], **how)
        ends = [helper.make_tensor_value_info(name, kind, [1, *["a", "b", "c"]]) for name in "xy"]
        ends[0].type.tensor_type.shape.dim[1].dim_value = 3
        graph = helper.make_graph([node], "padding", ends[:1], ends[1:], [weights])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        expected = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": image})[0]
        with torch.no_grad():
            found = onnx_graph.Graph(model, image.shape)(torch.from_numpy(image)).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
