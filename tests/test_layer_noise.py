"""The noise of each layer: what it is made of, and that finer numbers have less of it."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("litert_torch", reason="needs the workstation extra")
pytest.importorskip("ai_edge_quantizer", reason="needs the workstation extra")

from tests import foreign  # noqa: E402
from tools import layer_noise, quantise  # noqa: E402
from tools.preparation import Preparation  # noqa: E402
from tools.source.module import Module  # noqa: E402


@pytest.fixture(scope="module")
def pixels():
    return foreign.pictures()[0]


@pytest.fixture(scope="module")
def floating():
    return Module("", foreign.network(), "NCHW", foreign.SIDE, foreign.SIDE).to_float(Preparation())


@pytest.fixture(scope="module")
def watched(floating):
    return layer_noise.Watched(floating)


def test_the_last_layer_watched_is_the_models_output(watched, pixels):
    with torch.no_grad():
        expected = foreign.network()(torch.from_numpy(pixels[:1].transpose(0, 3, 1, 2) / np.float32(255))).numpy()
    np.testing.assert_allclose(watched.run(pixels[0])[-1], expected, rtol=1e-4, atol=1e-4)
    names = [name for name, _ in watched.layers]
    assert names == ["DEPTHWISE_CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED"]


def test_noise_is_that_of_int8_and_its_levels_are_seen(floating, watched, pixels):
    integer = quantise.to_int8(floating, pixels)
    narrow = quantise.to_int8(floating, pixels[:1])  # ranges of one image: the others saturate
    made = {
        "nearest": layer_noise.Variant(floating, integer),
        "narrow": layer_noise.Variant(floating, narrow),
    }
    layers, outputs = layer_noise.measure(made, pixels)
    assert [layer["operator"] for layer in layers] == [name for name, _ in watched.layers]
    expected, found = (layer_noise.Watched(model).run(pixels[0]) for model in (floating, integer))
    one, _ = layer_noise.measure({"nearest": made["nearest"]}, pixels[:1])
    for x, y, layer in zip(expected, found, one, strict=True):
        by_hand = 10 * np.log10(np.square(x).sum() / np.square(x - y).sum())
        assert layer["decibels"]["nearest"] == pytest.approx(by_hand, abs=0.01)
    # 256 levels give some 6 dB for each of 8 bits, less what of the range is unused and what accumulates.
    assert 20 < outputs["nearest"]["worst_layer_decibels"] < 60
    assert outputs["nearest"]["same_top_class"] == 1
    assert outputs["narrow"]["logits_decibels"] < outputs["nearest"]["logits_decibels"] - 3


def test_the_page_is_made_of_the_report_alone():
    figures = {
        "worst_layer_decibels": 11.0,
        "logits_decibels": 22.0,
        "logits_root_mean_square": 0.125,
        "same_top_class": 0.5,
    }
    report = {
        "checkpoint": "some.ckpt",
        "images": 7,
        "representative_images": 9,
        "outputs": {"nearest": figures, "both": figures},
        "layers": [{"operator": "CONV_2D", "shape": [4, 4, 8], "decibels": {"nearest": 30.0, "both": 40.0}}],
    }
    page = layer_noise.markdown(report)
    assert "| 0 CONV_2D 4×4×8 | 30.0 | 40.0 |" in page
    assert "| equalised, then rounded: shipped | 11.0 | 22.0 | 0.125 | 50.0% |" in page
