"""The comparison of a converted model with its source: what it measures, and that it names a planted mistake."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("litert_torch", reason="needs the workstation extra")
pytest.importorskip("ai_edge_quantizer", reason="needs the workstation extra")

import typer  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from tests import foreign  # noqa: E402
from tools import check_model, convert, inspection, quantise, source  # noqa: E402
from tools.preparation import Preparation  # noqa: E402

TRUE = Preparation(-1, 1, colour="BGR")
DECLARED = ("--input-range", -1, 1, "--colour", "BGR")


def program(*arguments):
    app = typer.Typer()
    app.command()(check_model.main)
    process = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return process.exit_code, " ".join(process.output.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A source fed BGR in [-1, 1], a plain folder of images, and their labels' order."""
    folder = tmp_path_factory.mktemp("check")
    foreign.pt2(folder / "small.pt2", low=-1, high=1, colour="BGR")
    foreign.folder(folder / "pictures")
    foreign.labels_file(folder / "labels.txt")
    return folder


def bundle(folder, name, preparation, labels=foreign.LABELS):
    """What a conversion makes that was told this preparation and this order of labels."""
    floating = source.open(folder / "small.pt2").to_float(preparation)
    integer = quantise.to_int8(floating, foreign.pictures()[0])
    convert.write_bundle(folder / name, integer, labels, inspection.inspect(integer), "")
    return folder / name


def check(folder, name, *options):
    labels = ("--labels", folder / "labels.txt")
    return program(folder / name, folder / "small.pt2", "--data", folder / "pictures", *labels, *options)


def test_a_faithful_conversion_passes_and_is_described(folder, tmp_path):
    bundle(folder, "faithful", TRUE)
    files = ("--figure", tmp_path / "difference.png", "--json", tmp_path / "check.json")
    code, output = check(folder, "faithful", *DECLARED, *files)
    assert code == 0, output
    assert "suspected" not in output
    assert "| accuracy | 100.0% | 100.0% |" in output
    assert "same top class 100.0%" in output
    report = json.loads((tmp_path / "check.json").read_text())
    assert report["images"] == 24
    assert report["labelled"] is False
    assert report["suspected"] == []
    assert 0 < report["output_difference"]["mean"] < report["output_difference"]["largest"] < 1
    assert (tmp_path / "difference.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "planted", "suspicion"),
    [
        ("range", Preparation(0, 1, colour="BGR"), "suspected: input range: the converted model answers as its source"),
        ("colour", Preparation(-1, 1), "suspected: channel order: the converted model answers as its source"),
        ("both", Preparation(), "suspected: input range and channel order: the converted model"),
    ],
)
def test_a_conversion_with_another_input_is_named(folder, name, planted, suspicion):
    bundle(folder, name, planted)
    code, output = check(folder, name, *DECLARED)
    assert code == 1
    assert suspicion in output
    assert f"is fed {planted}, not {TRUE}" in output
    assert "label order" not in output


def test_labels_in_another_order_are_named(folder):
    bundle(folder, "labels", TRUE, labels=("green", "red", "blue", "grey"))
    code, output = check(folder, "labels", *DECLARED)
    assert code == 1
    assert "lost 50.0 points, 1 are tolerated" in output
    assert "suspected: label order: 100% of the converted model's outputs" in output
    assert "red is called green, green is called red" in output
    assert "input range" not in output
    assert "channel order" not in output


COMPARED = check_model.Compared(
    foreign.LABELS,
    np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]],
    np.eye(4, dtype=np.float32)[[0, 1, 2, 0, 0]],
    np.array([0, 1, 2, 3, 1]),
    True,
)


def test_figures_by_hand():
    summary = COMPARED.summary()
    assert summary["agreement"] == pytest.approx(0.8)
    assert summary["accuracy"] == {"source": pytest.approx(0.8), "converted": pytest.approx(0.6)}
    assert summary["balanced_accuracy"] == {"source": pytest.approx(0.875), "converted": pytest.approx(0.625)}
    assert summary["worst_class"] == {"class": "grey", "images": 1, "source": 1.0, "converted": 0.0}
    assert summary["output_difference"] == {"largest": 1.0, "mean": pytest.approx(2 / 20)}
    assert summary["drop"] == pytest.approx(0.25)


def test_a_mistake_made_on_both_sides_is_named_by_the_labels_of_the_folder(folder):
    """Source and conversion told the same wrong thing agree; the folder's own labels do not."""
    pixels, kinds = foreign.pictures()
    found = source.open(folder / "small.pt2")
    wrong = Preparation(0, 255, colour="BGR")
    logits = check_model.answers(found, wrong, pixels)
    assert np.mean(logits.argmax(1) == kinds) < 0.5
    compared = check_model.Compared(foreign.LABELS, logits, logits, kinds, True)
    [suspicion] = check_model.suspect_preparation(found, wrong, pixels, compared)
    # Several ranges keep these colours apart, so that which of them is named does not matter.
    assert suspicion.startswith("input range")
    assert f"the source is right on 100% of 24 images, fed {wrong} on " in suspicion
    right = check_model.answers(found, TRUE, pixels)
    compared = check_model.Compared(foreign.LABELS, right, right, kinds[::-1] * 0 + (kinds + 1) % 4, True)
    [suspicion] = check_model.suspect_labels(compared)
    assert suspicion.startswith("label order: 100% of the source's outputs, against the folder's labels")


def test_a_bad_model_is_not_taken_for_a_misnamed_one():
    random = np.random.default_rng(0)
    logits = random.normal(size=(200, 4)).astype(np.float32)
    truth = random.integers(0, 4, 200)
    assert check_model.suspect_labels(check_model.Compared(foreign.LABELS, logits, logits, truth, True)) == []


def test_probabilities_are_taken_back_to_logits_but_for_their_mean():
    logits = np.array([[1.0, -2.0, 4.0]], np.float32)
    powers = np.exp(logits)
    expected = logits - logits.mean()
    np.testing.assert_allclose(check_model.logits_of(powers / powers.sum()), expected, atol=1e-5)
    np.testing.assert_allclose(check_model.logits_of(logits), expected, atol=1e-5)


def test_what_cannot_be_compared_is_refused(folder):
    bundle(folder, "refused", TRUE)
    foreign.labels_file(folder / "other.txt", ("red", "green", "blue", "black"))
    options = ("--data", folder / "pictures")
    code, output = program(folder / "refused", folder / "small.pt2", *options, "--labels", folder / "other.txt")
    assert code == 2
    assert "expected the same classes everywhere" in output
    code, output = program(folder / "refused", folder / "missing.onnx", *options)
    assert code == 2
    assert "expected a trained network at" in output
