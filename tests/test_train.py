"""A training run learns from a folder of images, attacked ones too, and goes on where it stopped."""

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
from tools import checkpoint, dataset, drawing, network, recipe, train  # noqa: E402

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


ATTACKED = """
attacked_share = 0.5
aware_share = 0.5
attack_steps = 2
radii = [2, 4]
"""


def plan(folder, epochs, more=""):
    path = folder / f"{epochs}-epochs.toml"
    path.write_text(RECIPE.format(epochs=epochs) + more)
    return path


def run(plan_file, out, data, *more):
    """The tool with the command line a person types; what it ended with."""
    program = typer.Typer()
    program.command()(train.main)
    line = [plan_file, "--out", out, "--data", data, "--threads", "1", *more]
    return CliRunner().invoke(program, [str(word) for word in line])


def weights(run):
    return torch.load(run / "last.ckpt", weights_only=True)["state_dict"]


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
    starts = [(out / folder / "metrics.csv").read_text().splitlines() for folder in ("curves", "curves-2")]
    assert [sorted({line.partition(",")[0] for line in lines[1:]}) for lines in starts] == [["0"], ["1", "2"]]
    name = "network.head.weight"
    assert (first["state_dict"][name] != second["state_dict"][name]).any()
    assert all(value.isfinite().all() for value in second["state_dict"].values() if value.is_floating_point())

    trained = checkpoint.read(out / "last.ckpt")
    with torch.no_grad():
        assert trained(torch.rand(1, 3, SIDE, SIDE)).shape == (1, len(dataset.CLASSES))


def test_a_run_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(folder, tmp_path, monkeypatch):
    """Views, attacks, dropout and optimiser go on bit for bit."""
    recipe_file = plan(tmp_path, 2, ATTACKED)
    assert run(recipe_file, tmp_path / "whole", folder).exit_code == 0
    step = train.Training.training_step

    def cut_off_in_the_second_epoch(training, batch, position):
        if (training.current_epoch, position) == (1, 2):
            raise OSError("no power")
        return step(training, batch, position)

    monkeypatch.setattr(train.Training, "training_step", cut_off_in_the_second_epoch)
    assert "no power" in str(run(recipe_file, tmp_path / "cut", folder).exception)
    monkeypatch.setattr(train.Training, "training_step", step)
    first = weights(tmp_path / "cut")
    assert run(recipe_file, tmp_path / "cut", folder).exit_code == 0
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)
    assert any((first[name] != value).any() for name, value in whole.items())


def views(folder, tmp_path, epoch, more=""):
    samples = dataset.select(dataset.read(folder), "train")
    return train.Views(*dataset.load(samples, SIDE), recipe.read(plan(tmp_path, 2, more)), epoch)


def test_an_epoch_s_views_repeat_themselves_and_the_next_epoch_s_are_others(folder, tmp_path):
    first, again, later = (views(folder, tmp_path, epoch, ATTACKED) for epoch in (0, 0, 1))
    for position in (0, 7, 15):
        np.testing.assert_array_equal(first[position][0], again[position][0])
        assert first[position][1:] == again[position][1:]
    assert any((first[position][0] != later[position][0]).any() for position in range(16))


def test_shares_of_the_views_are_purified_and_attacked(folder, tmp_path):
    epochs = [views(folder, tmp_path, epoch, ATTACKED) for epoch in range(25)]
    seen = [epoch[position] for epoch in epochs for position in range(16)]
    for view, label, purification, _, _, _ in seen:
        assert (view.shape, view.dtype) == ((SIDE, SIDE, 3), np.uint8)
        assert 0 <= label < len(dataset.CLASSES)
        assert purification in (-1, 0, 1)
    _, _, purifications, seeds, attacked, aware = map(np.array, zip(*seen, strict=True))
    purified = purifications >= 0
    assert purified.mean() == pytest.approx(0.5, abs=0.08)  # three standard deviations of 400 draws
    assert attacked.mean() == pytest.approx(0.5, abs=0.08)
    assert (purified & attacked).mean() == pytest.approx(0.25, abs=0.07)
    assert aware[purified].mean() == pytest.approx(0.5, abs=0.12)
    assert not aware[~purified].any()
    assert len(set(seeds[purified])) == purified.sum()


def disturb(folder, tmp_path, attacked, aware):
    """Four views, two of them purified, as they come out of a training step with attacks or without."""
    training = train.Training(recipe.read(plan(tmp_path, 2, ATTACKED)))
    threats = torch.tensor([attacked] * 4), torch.tensor([aware, False, aware, False])
    pixels = torch.from_numpy(views(folder, tmp_path, 0).pixels[:4])
    purified = torch.tensor([0, -1, 1, -1]), torch.tensor([5, 0, 6, 0])
    before = pixels.clone()
    result = training.disturbed(pixels, torch.arange(4), *purified, *threats, np.random.default_rng(3))
    torch.testing.assert_close(pixels, before, rtol=0, atol=0)  # the teacher still needs them
    return training, pixels.numpy(), result.numpy()


def test_a_view_is_purified_with_its_own_seed(folder, tmp_path):
    training, pixels, result = disturb(folder, tmp_path, attacked=False, aware=False)
    for view, (purifier, seed) in {0: (0, 5), 2: (1, 6)}.items():
        expected = training.purifiers[purifier].purify(pixels[view], seed=seed)
        np.testing.assert_array_equal(result[view], expected)
    np.testing.assert_array_equal(result[[1, 3]], pixels[[1, 3]])


def test_an_attacked_view_is_purified_after_the_attack(folder, tmp_path, monkeypatch):
    calls = []

    def attack(network, pixels, labels, purifiers, *, levels, steps, random):
        calls.append((labels.tolist(), [None if purifier is None else purifier.parameters for purifier in purifiers]))
        assert levels in (2, 4)
        assert steps == 2
        return 255 - pixels

    monkeypatch.setattr(train.adversary, "attacked_views", attack)
    training, pixels, result = disturb(folder, tmp_path, attacked=True, aware=True)
    first, second = (purifier.parameters for purifier in training.purifiers)
    assert calls == [([0, 1, 2, 3], [first, None, second, None])]
    np.testing.assert_array_equal(result[[1, 3]], 255 - pixels[[1, 3]])
    np.testing.assert_array_equal(result[2], training.purifiers[1].purify(255 - pixels[2], seed=6))


def test_distillation_is_nothing_to_a_student_that_agrees_and_has_the_teacher_s_gradient():
    taught = torch.tensor([[1.0, 2.0, 4.0]])
    assert train.distillation(taught + 3, taught, 2.0).item() == pytest.approx(0, abs=1e-6)
    logits = torch.tensor([[4.0, 2.0, 1.0]], requires_grad=True)
    train.distillation(logits, taught, 2.0).backward()
    expected = 2 * ((logits / 2).softmax(1) - (taught / 2).softmax(1))  # T (p − q)
    torch.testing.assert_close(logits.grad, expected)


def test_a_teacher_teaches_and_is_not_trained(folder, tmp_path):
    teacher = network.MobileNetV2(8, 0.35)
    checkpoint.save(teacher.state_dict(), tmp_path / "teacher.ckpt")
    recipe_file = plan(tmp_path, 1, "distillation = 1.0\n")
    finished = run(recipe_file, tmp_path / "taught", folder, "--teacher", tmp_path / "teacher.ckpt")
    assert finished.exit_code == 0, finished.output
    assert run(plan(tmp_path, 1), tmp_path / "alone", folder).exit_code == 0
    taught, alone = weights(tmp_path / "taught"), weights(tmp_path / "alone")
    assert taught.keys() == alone.keys()
    assert (taught["network.head.weight"] != alone["network.head.weight"]).any()


def test_a_teacher_is_asked_for_only_by_a_recipe_with_distillation(folder, tmp_path):
    checkpoint.save(network.MobileNetV2(8, 0.35).state_dict(), tmp_path / "teacher.ckpt")
    for more, line in (("distillation = 0.5\n", []), ("", ["--teacher", tmp_path / "teacher.ckpt"])):
        refused = run(plan(tmp_path, 1, more), tmp_path / "run", folder, *line)
        assert refused.exit_code == 2
        assert "expected --teacher if the recipe has distillation" in " ".join(refused.output.split())


def test_weights_of_another_network_and_recipes_with_mistakes_are_refused(folder, tmp_path):
    checkpoint.save(network.MobileNetV2(8, 0.5).state_dict(), tmp_path / "wide.ckpt")
    refused = run(plan(tmp_path, 1), tmp_path / "run", folder, "--weights", tmp_path / "wide.ckpt")
    assert refused.exit_code == 2
    assert "expected weights of mobilenet_v2 0.35" in refused.output
    refused = run(plan(tmp_path, 1, "radii = [2]\n"), tmp_path / "run", folder)
    assert refused.exit_code == 2
    assert "radii with the attacked_share 0" in " ".join(refused.output.replace("│", "").split())


def test_a_resnet_is_taken_by_its_name_in_the_recipe(tmp_path):
    pytest.importorskip("monai", reason="needs the workstation extra")
    text = RECIPE.format(epochs=1).replace("width = 0.35", 'network = "resnet50"\nwidth = 1.0')
    (tmp_path / "resnet.toml").write_text(text)
    training = train.Training(recipe.read(tmp_path / "resnet.toml"))
    assert isinstance(training.network, network.ResNet50)
    with torch.no_grad():
        assert training.eval()(torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)).shape == (1, len(dataset.CLASSES))


def test_rare_classes_are_drawn_more_often_than_they_occur(folder, tmp_path):
    labels = np.array([0] * 900 + [1] * 100)
    pixels = np.zeros((1000, 1, 1, 3), np.uint8)
    drawn = labels[train.Views(pixels, labels, recipe.read(plan(tmp_path, 2)), 0).draws]
    assert (drawn == 1).mean() == pytest.approx(0.25, abs=0.06)  # √100 in √900 + √100
