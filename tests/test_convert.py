"""The conversion: what undoes the balanced draw, which images represent the data, and what a converted model is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("litert_torch", reason="needs the workstation extra")
pytest.importorskip("ai_edge_quantizer", reason="needs the workstation extra")

from edge_mdda import interpreter  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tools import convert, dataset, inspection, network  # noqa: E402

COUNTS = np.array([900, 90, 9, 1])


def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
def test_full_strength_restores_the_prior_of_the_images(power):
    drawn = COUNTS ** (1 - power)
    likelihood = np.array([0.1, 0.4, 0.3, 0.2])
    learned = np.log(likelihood * drawn)
    corrected = softmax(learned + convert.prior_shift(COUNTS, power, 1.0))
    expected = likelihood * COUNTS
    np.testing.assert_allclose(corrected, expected / expected.sum(), rtol=1e-12)


def test_shift_by_hand():
    # The classes differ by log(100), of which power · strength = 1/4 is undone, half of it to each side.
    shift = convert.prior_shift(np.array([1, 100]), 0.5, 0.5)
    np.testing.assert_allclose(shift, [-np.log(100) / 8, np.log(100) / 8])


def test_shift_has_no_mean_and_vanishes_at_strength_zero():
    assert convert.prior_shift(COUNTS, 0.5, 0.7).mean() == pytest.approx(0, abs=1e-15)
    assert not convert.prior_shift(COUNTS, 0.5, 0.0).any()
    assert not convert.prior_shift(COUNTS, 0.0, 1.0).any()


def test_shift_refuses_a_class_without_images():
    with pytest.raises(ValueError, match=r"expected training images of every class, got \[3, 0\]"):
        convert.prior_shift(np.array([3, 0]), 0.5, 1.0)


def test_representative_images_favour_rare_classes_and_repeat():
    samples = [dataset.Sample(Path(str(i)), "NV" if i else "MEL", "train") for i in range(200)]
    samples += [dataset.Sample(Path(f"mel{i}"), "MEL", "train") for i in range(19)]
    chosen = convert.choose(samples, 60, 1)
    assert chosen == convert.choose(samples, 60, 1)
    assert len(set(chosen)) == 60
    assert sum(sample.label == "MEL" for sample in chosen) > 60 * 20 / 219
    assert len(convert.choose(samples, 1000, 1)) == len(samples)


def test_command_names_no_folder_of_this_machine(tmp_path):
    line = convert.command(tmp_path / "run" / "best.ckpt", tmp_path / "bundle", Path("/x/plain.toml"), 0.5, 224, 300, 1)
    assert line == (
        "python -m tools.convert runs/run/best.ckpt --out models/bundle --recipe tools/recipes/plain.toml "
        "--prior-correction 0.5 --side 224 --images 300 --seed 1"
    )


def test_a_network_becomes_full_integer_and_still_answers_like_it():
    torch.manual_seed(0)
    images = np.stack([(draw(64, 64, seed) * np.float32(1 - seed / 32) * 255).astype(np.uint8) for seed in range(16)])
    unit = images / np.float32(255)
    small = network.MobileNetV2(8, width=0.35)
    for layer in small.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # plain averages: one pass normalises the random network
    with torch.no_grad():
        small(torch.from_numpy(unit).permute(0, 3, 1, 2))
        expected = small.eval()(torch.from_numpy(unit).permute(0, 3, 1, 2)).numpy()
    floating = convert.to_float(small, 64)
    integer = convert.to_int8(floating, images)
    convert.check(inspection.inspect(integer))

    opened = interpreter.open(floating)
    np.testing.assert_allclose(np.concatenate([opened.run(image[None]) for image in unit]), expected, atol=1e-3)
    opened = interpreter.open(integer)
    tensors = (images.astype(np.int16) - 128).astype(np.int8)
    outputs = np.concatenate([opened.run(tensor[None]) for tensor in tensors]).astype(np.float32)
    restored = (outputs - opened.output.zero_point) * opened.output.scale
    # A random network amplifies rounding, 0.66 here; how a trained one agrees is measured in its card.
    assert np.corrcoef(restored.ravel(), expected.ravel())[0, 1] > 0.5
