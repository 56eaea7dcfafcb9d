"""A converted network is full integer with the input the package relies on, and anything less is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("litert_torch", reason="needs the workstation extra")
pytest.importorskip("ai_edge_quantizer", reason="needs the workstation extra")

from tools import convert, dataset, drawing, inspection, network, quantise  # noqa: E402
from tools.preparation import Preparation  # noqa: E402
from tools.source.module import Module  # noqa: E402

pytestmark = pytest.mark.workstation

SIDE = 64


@pytest.fixture(scope="module")
def images():
    """Eight drawn lesions."""
    return np.stack([drawing.draw(seed, SIDE) for seed in range(8)])


@pytest.fixture(scope="module")
def small(images):
    """An untrained network whose batch norms have seen the images."""
    torch.manual_seed(0)
    built = network.MobileNetV2(len(dataset.CLASSES), width=0.35, dropout=0.0)
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean of what was seen
    with torch.no_grad():
        built(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    return built.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def floating(small):
    return Module("", small, "NCHW", SIDE, SIDE).to_float(Preparation())


@pytest.fixture(scope="module")
def integer(floating, images):
    return quantise.to_int8(floating, images)


@pytest.fixture(scope="module")
def found(integer):
    return inspection.inspect(integer)


def test_the_converted_model_is_full_integer(found):
    assert found.full_integer
    assert found.in_float == {}
    assert (found.conversions, found.layout) == (0, 0)
    assert found.input.shape == (1, SIDE, SIDE, 3)
    assert found.output.shape == (1, len(dataset.CLASSES))
    assert found.input.dtype == found.output.dtype == "INT8"
    convert.check(found)


def test_every_convolution_has_a_scale_for_each_output_channel(found):
    """52 convolutions, 17 of them depthwise, and the head."""
    assert (found.per_channel, found.per_tensor) == (53, 0)
    assert found.operators["DEPTHWISE_CONV_2D"] == 17
    assert found.operators["CONV_2D"] == 35
    assert found.operators["FULLY_CONNECTED"] == 1


def test_the_input_is_the_pixel_less_128(found):
    assert found.input.scale == pytest.approx(1 / 255, rel=1e-6)
    assert found.input.zero_point == -128


def test_a_float_model_is_refused(floating):
    found = inspection.inspect(floating)
    assert not found.full_integer
    with pytest.raises(ValueError, match=r"expected a full-integer model, got .*CONV_2D.* in float"):
        convert.check(found)


def test_one_scale_for_all_channels_is_refused(found):
    with pytest.raises(ValueError, match="expected weights quantised per channel, got 3 operators with one scale"):
        convert.check(replace(found, per_channel=50, per_tensor=3))


@pytest.mark.parametrize("change", [{"scale": 2 / 255}, {"scale": None}, {"zero_point": 0}])
def test_another_input_quantisation_is_refused(found, change):
    with pytest.raises(ValueError, match="expected input scale 1/255 and zero point -128"):
        convert.check(replace(found, input=replace(found.input, **change)))


def test_a_description_says_what_is_inside(found, integer):
    text = convert.describe(found, len(integer))
    assert "17 DEPTHWISE_CONV_2D" in text
    assert "53 operators per channel, 0 with one scale" in text
    assert f"{len(integer):,} bytes" in text
