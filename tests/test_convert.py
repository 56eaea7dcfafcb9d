"""The conversion: what undoes the balanced draw, what a converted model is, and the program from end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("litert_torch", reason="needs the workstation extra")
pytest.importorskip("ai_edge_quantizer", reason="needs the workstation extra")

import typer  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from edge_mdda import Classifier, image, interpreter, model  # noqa: E402
from tests import foreign  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tests.program import reports, run  # noqa: E402
from tools import convert, inspection, network, quantise  # noqa: E402
from tools.preparation import Preparation  # noqa: E402
from tools.source.module import Module  # noqa: E402

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
    floating = Module("", small, "NCHW", 64, 64).to_float(Preparation())
    integer = quantise.to_int8(floating, images)
    convert.check(inspection.inspect(integer))

    opened = interpreter.open(floating)
    np.testing.assert_allclose(np.concatenate([opened.run(image[None]) for image in unit]), expected, atol=1e-3)
    opened = interpreter.open(integer)
    tensors = (images.astype(np.int16) - 128).astype(np.int8)
    outputs = np.concatenate([opened.run(tensor[None]) for tensor in tensors]).astype(np.float32)
    restored = (outputs - opened.output.zero_point) * opened.output.scale
    # A random network amplifies rounding, 0.66 here; how a trained one agrees is measured in its card.
    assert np.corrcoef(restored.ravel(), expected.ravel())[0, 1] > 0.5


def program(*arguments):
    app = typer.Typer()
    app.command()(convert.main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"EDGE_MDDA_DATA": None})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A user's network, its probabilities made of BGR in [-1, 1], converted; the folder, and what was printed."""
    folder = tmp_path_factory.mktemp("user")
    process = program(
        foreign.pt2(folder / "small.pt2", low=-1, high=1, colour="BGR", softmax=True),
        *("--out", folder / "mine", "--representative", foreign.folder(folder / "pictures")),
        *("--labels", foreign.labels_file(folder / "labels.txt")),
        *("--input-range", -1, 1, "--colour", "BGR", "--images", 20),
    )
    assert process.exit_code == 0, process.output
    return folder / "mine", process.output


def test_a_users_network_becomes_a_bundle_that_answers_rightly(bundle):
    classifier = Classifier(bundle[0])
    pixels, kinds = foreign.pictures()
    assert classifier.labels == foreign.LABELS
    assert [classifier.logits(picture).argmax() for picture in pixels] == kinds.tolist()


def test_the_device_program_takes_a_users_bundle(bundle, tmp_path):
    (tmp_path / "blue.png").write_bytes(image.encode_png(foreign.pictures()[0][2]))
    process = run("classify", tmp_path / "blue.png", "--model", bundle[0], "--no-purify", "--json")
    assert process.returncode == 0, process.stderr
    [report] = reports(process)
    assert report["raw"]["top"] == "blue"
    assert report["model"]["name"] == "mine"


def test_it_says_what_it_did(bundle):
    for line in (
        "source               PyTorch exported program, 32×32, fed BGR in [-1, 1]",
        "softmax              taken off the end: logits leave the model",
        "calibrated on        20 images, seed 1",
        "left in float        none; conversions 0",
        "layout left over     0 TRANSPOSE, 1 PAD",  # the network's own: even padding at stride 2
        "input                INT8 (1, 32, 32, 3), scale 0.00392",
        "output               INT8 (1, 4), scale ",
    ):
        assert line in bundle[1]


class Mish(torch.nn.Module):
    """An activation that int8 has no operator for."""

    def forward(self, x):
        return x * torch.tanh(torch.nn.functional.softplus(x))


def test_an_operator_left_in_float_is_named_and_refused_unless_allowed(tmp_path):
    small = foreign.network()
    small[3] = Mish()
    torch.save(small, tmp_path / "small.pt")
    common = (tmp_path / "small.pt", "--trust-pickle", "--side", 32, "--images", 8, "--data")
    common += (foreign.folder(tmp_path / "pictures"), "--out", tmp_path / "small.tflite")
    process = program(*common)
    assert process.exit_code == 1
    assert "refused: expected a full-integer model, got {" in process.output
    assert not (tmp_path / "small.tflite").exists()
    process = program(*common, "--allow-float")
    assert process.exit_code == 0, process.output
    assert inspection.inspect((tmp_path / "small.tflite").read_bytes()).in_float


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "int4"], "expected --precision out of int8, dynamic"),
        (["--input-type", "uint8"], "expected --input-type out of int8, float32"),
        ([], "expected representative images in --data"),
        (["--precision", "float32", "--std", "0", "1", "1"], "expected deviations above 0"),
        (["--precision", "float32"], "expected --trust-pickle"),
        (["--precision", "float32", "--prior-correction", "1", "--recipe", "x.toml"], "expected a checkpoint of"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, options, message):
    (tmp_path / "small.pt").touch()
    process = program(tmp_path / "small.pt", "--out", tmp_path / "small.tflite", *options)
    assert process.exit_code == 2
    assert message in " ".join(process.output.replace("│", " ").split())


def test_a_bundle_needs_labels_and_as_many_as_outputs(tmp_path):
    common = (foreign.pt2(tmp_path / "small.pt2"), "--precision", "float16", "--out", tmp_path / "mine")
    process = program(*common)
    assert process.exit_code == 2
    assert "expected --labels for a bundle" in process.output
    process = program(*common, "--labels", foreign.labels_file(tmp_path / "three.txt", foreign.LABELS[:3]))
    assert process.exit_code == 1
    assert "refused: expected 4 labels, one for each output, got 3" in process.output
    assert not (tmp_path / "mine").exists()


def test_a_card_that_fits_the_files_is_kept_and_another_is_written_anew(bundle):
    folder, _ = bundle
    card = (folder / "card.json").read_text()
    content, labels = (folder / "model.tflite").read_bytes(), model.load(folder).labels
    found = inspection.inspect(content)
    (folder / "card.json").write_text(card.replace('"temperature": 1.0', '"temperature": 2.0'))
    convert.write_bundle(folder, content, labels, found, "again")
    assert model.load(folder).temperature == 2
    convert.write_bundle(folder, content, labels[::-1], found, "again")
    assert model.load(folder).temperature == 1
    assert model.load(folder).card["command"] == "again"
    convert.write_bundle(folder, content, labels, found, "as before")
