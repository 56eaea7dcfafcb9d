"""A training run learns from a folder of images, and goes on where it stopped."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("lightning", reason="needs the workstation extra")
pytest.importorskip("torchmetrics", reason="needs the workstation extra")

from edge_mdda import image  # noqa: E402
from tools import checkpoint, dataset, drawing, recipe, train  # noqa: E402

pytestmark = pytest.mark.workstation

SIDE = 64
RECIPE = """
seed = 1
width = 0.35
batch = 4
learning_rate = 1e-3
weight_decay = 0.05
label_smoothing = 0.05
dropout = 0.2
balance_power = 0.5
stages = [[64, {epochs}]]
purified_share = 0.5
purifications = [[0.1, 1, 0.06, 10], [0.05, 1, 0.03, 10]]
patience = 6
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 drawn lesions, 16 to train on and 8 to validate on, with a class each in turn."""
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "images").mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "label", "split"))
        for seed in range(24):
            (folder / "images" / f"{seed}.jpg").write_bytes(image.encode_jpeg(drawing.draw(seed, SIDE)))
            writer.writerow((seed, dataset.CLASSES[seed % 8], "train" if seed < 16 else "val"))
    return folder


def plan(folder, epochs):
    path = folder / f"{epochs}-epochs.toml"
    path.write_text(RECIPE.format(epochs=epochs))
    return path


def run(plan_file, out, data):
    """The tool with the command line a person types; what it ended with."""
    program = typer.Typer()
    program.command()(train.main)
    line = [plan_file, "--out", out, "--data", data, "--threads", "1"]
    return CliRunner().invoke(program, [str(word) for word in line])


def test_a_run_that_was_cut_off_goes_on_after_its_last_finished_epoch(folder, tmp_path, monkeypatch):
    out, seen = tmp_path / "run", []
    view = train.Views.__getitem__

    def cut_off_in_the_second_epoch(views, position):
        if views.epoch == 1:
            raise OSError("no power")
        return view(views, position)

    def watched(views, position):
        seen.append(views.epoch)
        return view(views, position)

    monkeypatch.setattr(train.Views, "__getitem__", cut_off_in_the_second_epoch)
    assert "no power" in str(run(plan(tmp_path, 3), out, folder).exception)
    first = torch.load(out / "last.ckpt", weights_only=True)
    assert (first["epoch"], first["global_step"]) == (0, 4)  # 16 images in batches of 4
    assert (out / "best.ckpt").is_file()

    monkeypatch.setattr(train.Views, "__getitem__", watched)
    finished = run(plan(tmp_path, 3), out, folder)
    assert finished.exit_code == 0, finished.exception
    assert seen == [1] * 16 + [2] * 16
    second = torch.load(out / "last.ckpt", weights_only=True)
    assert (second["epoch"], second["global_step"]) == (2, 12)
    name = "network.head.weight"
    assert (first["state_dict"][name] != second["state_dict"][name]).any()
    assert all(value.isfinite().all() for value in second["state_dict"].values() if value.is_floating_point())

    trained = checkpoint.read(out / "last.ckpt")
    with torch.no_grad():
        assert trained(torch.rand(1, 3, SIDE, SIDE)).shape == (1, len(dataset.CLASSES))


def views(folder, tmp_path, epoch):
    samples = dataset.select(dataset.read(folder), "train")
    return train.Views(*dataset.load(samples, SIDE), recipe.read(plan(tmp_path, 2)), epoch)


def test_an_epoch_s_views_repeat_themselves_and_the_next_epoch_s_are_others(folder, tmp_path):
    first, again, later = (views(folder, tmp_path, epoch) for epoch in (0, 0, 1))
    for position in (0, 7, 15):
        np.testing.assert_array_equal(first[position][0], again[position][0])
    assert any((first[position][0] != later[position][0]).any() for position in range(16))


def test_the_purified_share_of_the_views_passes_through_the_purifier(folder, tmp_path, monkeypatch):
    seen = views(folder, tmp_path, 0)
    purified = []
    for purifier in seen.purifiers:
        purify = purifier.purify

        def count(view, seed, purify=purify):
            purified.append(seed)
            result = purify(view, seed=seed)
            assert (result != view).any()
            return result

        monkeypatch.setattr(purifier, "purify", count)
    for position in range(len(seen)):
        view, label = seen[position]
        assert (view.shape, view.dtype) == ((SIDE, SIDE, 3), np.uint8)
        assert 0 <= label < len(dataset.CLASSES)
    assert 2 <= len(purified) <= 14  # half of 16, but for chance
    assert len(set(purified)) == len(purified)


def test_rare_classes_are_drawn_more_often_than_they_occur(folder, tmp_path):
    labels = np.array([0] * 900 + [1] * 100)
    pixels = np.zeros((1000, 1, 1, 3), np.uint8)
    drawn = labels[train.Views(pixels, labels, recipe.read(plan(tmp_path, 2)), 0).draws]
    assert (drawn == 1).mean() == pytest.approx(0.25, abs=0.06)  # √100 in √900 + √100
