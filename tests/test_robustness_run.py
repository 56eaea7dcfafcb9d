"""A run stops, goes on and grows; nothing is lost or counted twice, even when a worker is killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "distributed", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

import torch  # noqa: E402
import typer  # noqa: E402

from edge_mdda import image  # noqa: E402
from edge_mdda.batch import cluster  # noqa: E402
from tests import laboratory  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tools import checkpoint, dataset  # noqa: E402
from tools.robustness import plan, results, run, universal, work  # noqa: E402
from tools.robustness.store import Answer, Store, key_of  # noqa: E402
from tools.robustness.victims import Victim  # noqa: E402

CHECKOUT = Path(__file__).parent.parent
KNOWN = ("none", "edge:blocks=1")


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    folder = tmp_path_factory.mktemp("victims")
    return [laboratory.victim(folder, "first"), laboratory.victim(folder, "second", seed=1)]


@pytest.fixture(scope="module")
def pictures(victims):
    return laboratory.pictures(victims[0], 4)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


def crafts(victims, names=("clean", "fgsm", "bpda-pgd:steps=2:looks=2", "square:steps=20")):
    return plan.crafts(names, victims, victims[:1], KNOWN, [8])


def fill(store, pictures, victims, client=None, repetitions=2, names=None, stop=None):
    """Do what is missing, or only so many jobs of it; how many were done."""
    chosen = crafts(victims) if names is None else crafts(victims, names)
    store.add_images((each.digest, "test", each.label) for each in pictures)
    store.describe(plan.meanings(chosen, victims, KNOWN, repetitions))
    lacking = list(plan.missing(store, pictures, chosen, victims, KNOWN, repetitions))
    done = 0
    for outcome in cluster.spread(work.do, plan.jobs(store, lacking), client):
        store.add(outcome.example, outcome.image, outcome.facts, outcome.encoded, outcome.answers)
        done += 1
        if done == stop:
            break
    return done


def content(store):
    """Everything in a store but the times."""
    answers = store.database.execute("select example, key, image, logits from answers order by 1, 2, 3").fetchall()
    examples = store.database.execute("select key, image from examples order by 1, 2").fetchall()
    files = sorted(store.folder.glob("examples/*/*.png"))
    return answers, examples, {str(each.relative_to(store.folder)): each.read_bytes() for each in files}


def test_a_run_goes_on_where_it_stopped_and_grows(store, pictures, victims, tmp_path):
    first = fill(store, pictures[:2], victims, stop=5)
    rest = fill(store, pictures[:2], victims)
    everything = len(crafts(victims)) * 2
    assert (first, rest) == (5, everything - 5)
    assert fill(store, pictures[:2], victims) == 0
    assert fill(store, pictures[:3], victims) == everything // 2
    at_once = Store(tmp_path / "other")
    fill(at_once, pictures[:3], victims)
    assert content(store) == content(at_once)
    at_once.close()


def test_another_defence_asks_again_but_crafts_nothing_again(store, pictures, victims):
    fill(store, pictures[:2], victims, repetitions=1, names=("fgsm",))
    before = {each: each.stat().st_mtime_ns for each in store.folder.glob("examples/*/*.png")}
    assert fill(store, pictures[:2], victims, repetitions=2, names=("fgsm",)) == 2
    assert {each: each.stat().st_mtime_ns for each in store.folder.glob("examples/*/*.png")} == before
    (cell,) = results.pick(results.read(store), victim="second", defence="edge:blocks=1")
    assert cell.logits.shape == (2, 2, 8)
    assert (cell.logits[0] != cell.logits[1]).any()


def test_repetitions_of_some_images_leave_no_image_out(store, pictures, victims):
    fill(store, pictures[:1], victims[:1], repetitions=3, names=("clean",))
    fill(store, pictures[:3], victims[:1], repetitions=1, names=("clean",))
    (cell,) = results.pick(results.read(store), defence="edge:blocks=1")
    assert cell.logits.shape == (1, 3, 8)
    fill(store, pictures[:3], victims[:1], repetitions=2, names=("clean",))
    (cell,) = results.pick(results.read(store), defence="edge:blocks=1")
    assert cell.logits.shape == (2, 3, 8)


def test_who_knows_a_defence_is_shown_to_that_one_alone(store, pictures, victims):
    fill(store, pictures[:1], victims)
    cells = results.read(store)
    assert {cell.defence for cell in results.pick(cells, attack="bpda-pgd")} == {"edge:blocks=1"}
    assert {cell.defence for cell in results.pick(cells, attack="fgsm")} == set(KNOWN)
    for cell in results.pick(cells, attack="square"):
        assert (cell.source, cell.known) == (cell.victim, cell.defence)
    assert len(results.pick(cells, attack="square")) == 4
    assert {cell.victim for cell in results.pick(cells, attack="bpda-pgd")} == {"first", "second"}


def test_a_cell_holds_what_the_victim_answers(store, pictures, victims):
    fill(store, pictures, victims, repetitions=1, names=("clean",))
    (cell,) = results.pick(results.read(store), victim="first", defence="none")
    assert cell.right.tolist() == [1.0] * len(pictures)
    assert cell.images == tuple(sorted(each.digest for each in pictures))
    for digest, logits in zip(cell.images, cell.logits[0], strict=True):
        pixels = next(each.pixels for each in pictures if each.digest == digest)
        np.testing.assert_array_equal(logits, victims[0].logits(pixels))


def test_a_name_of_two_models_is_refused(store, pictures, victims):
    """Answers of before and after a change are not to be mixed."""
    fill(store, pictures[:1], victims[:1], names=("clean",))
    fill(store, pictures[1:2], [Victim("first", victims[1].path)], names=("clean",))
    with pytest.raises(ValueError, match="expected one model called first behind one none, got answers of 2"):
        results.read(store)


@pytest.mark.programs
def test_a_killed_worker_loses_nothing(store, pictures, victims, tmp_path, monkeypatch):
    """Three processes, one of them killed after the first outcome: the store is that of one process."""
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    store.add_images((each.digest, "test", each.label) for each in pictures)
    chosen = crafts(victims, ("clean", "fgsm", "pgd:steps=20"))
    store.describe(plan.meanings(chosen, victims, KNOWN, 1))
    lacking = list(plan.missing(store, pictures, chosen, victims, KNOWN, 1))
    outcomes = []
    with cluster.connect(3, None) as client:
        for outcome in cluster.spread(work.do, plan.jobs(store, lacking), client):
            outcomes.append((outcome.example, outcome.image))
            store.add(outcome.example, outcome.image, outcome.facts, outcome.encoded, outcome.answers)
            if len(outcomes) == 1:
                os.kill(busy(client), signal.SIGKILL)
    assert len(outcomes) == len(set(outcomes)) == len(lacking)
    alone = Store(tmp_path / "alone")
    fill(alone, pictures, victims, repetitions=1, names=("clean", "fgsm", "pgd:steps=20"))
    assert content(store) == content(alone)
    alone.close()


def busy(client) -> int:
    """The process of a worker that has a job."""
    working = next(address for address, jobs in client.processing().items() if jobs)
    return client.run(os.getpid, workers=[working])[working]


class TestStore:
    def test_a_picture_without_its_row_does_not_count(self, store, pictures, victims, monkeypatch):
        def killed(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(store, "database", Broken(store.database, killed))
            with pytest.raises(KeyboardInterrupt):
                store.add("example", "picture", {}, b"", [])
        assert content(store)[:2] == ([], [])
        assert store.has_examples("example") == set()
        assert fill(store, pictures[:1], victims, names=("fgsm",)) == 1
        assert fill(store, pictures[:1], victims, names=("fgsm",)) == 0

    def test_nothing_is_counted_twice(self, store):
        answer = Answer("question", np.zeros(8, np.float32), 0.1)
        for _ in range(2):
            store.add("example", "picture", {}, None, [answer])
        assert store.database.execute("select count(*) from answers").fetchone() == (1,)

    def test_another_version_is_refused(self, tmp_path):
        database = sqlite3.connect(tmp_path / "results.sqlite")
        database.execute("pragma user_version = 99")
        database.commit()
        database.close()
        with pytest.raises(ValueError, match="expected results of version 1"):
            Store(tmp_path)

    def test_a_key_depends_on_every_setting_and_on_no_order(self):
        assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1, "b": 3})


class Broken:
    """A database in which every transaction that writes is cut off."""

    def __init__(self, database, killed):
        self.database, self.killed = database, killed

    def __enter__(self):
        return self.killed()

    def __exit__(self, *_):
        return False

    def __getattr__(self, name):
        return getattr(self.database, name)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "split"])
        for index in range(8):
            name, split = f"drawn{index}", "test" if index < 5 else "val"
            encoded = image.encode_jpeg(image.to_uint8(draw(64, 64, seed=index)))
            (folder / "images" / f"{name}.jpg").write_bytes(encoded)
            rows.writerow([name, dataset.CLASSES[index % 8], split])
    return folder


def options(data, victim, folder, **changes):
    given = {"data": data, "model": [f"small={victim.path}"], "attacks": "clean", "defence_names": "none"}
    return {**given, "source": None, "epsilons": "4", "split": "test", "limit": 2, "folder": folder, **changes}


def test_the_command_runs_what_is_missing_and_records_how(data, victims, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", "run", "--data", str(data), f"--store={tmp_path}", "--limit", "2"])
    run.main(**options(data, victims[0], tmp_path), repetitions=1, workers=1, scheduler=None)
    assert "2 of 2 jobs done, 2 images" in capsys.readouterr().out
    run.main(**options(data, victims[0], tmp_path, limit=4), repetitions=1, workers=1, scheduler=None)
    assert "2 of 2 jobs done, 4 images" in capsys.readouterr().out
    store = Store(tmp_path)
    recorded = store.database.execute("select command, jobs from runs").fetchall()
    store.close()
    assert recorded == [("python -m tools.robustness run --limit 2", 2)] * 2


@pytest.mark.programs
def test_the_command_gives_its_work_to_a_cluster(data, victims, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    given = options(data, victims[0], tmp_path / "many", attacks="clean,fgsm", limit=4)
    run.main(**given, repetitions=1, workers=2, scheduler=None)
    assert "8 of 8 jobs done, 4 images" in capsys.readouterr().out
    run.main(**{**given, "folder": tmp_path / "one"}, repetitions=1, workers=1, scheduler=None)
    stores = [Store(tmp_path / name) for name in ("many", "one")]
    many, one = map(content, stores)
    assert many == one
    for each in stores:
        each.close()


def test_an_image_that_several_workers_died_of_does_not_end_a_run(data, victims, tmp_path, capsys, monkeypatch):
    def spread(do, jobs, client, lost):
        first, *rest = jobs
        yield lost(first)
        yield from map(do, rest)

    monkeypatch.setattr(cluster, "spread", spread)
    with pytest.raises(typer.Exit):
        run.main(**options(data, victims[0], tmp_path), repetitions=1, workers=1, scheduler=None)
    told = capsys.readouterr()
    assert "several workers died of it" in told.err
    assert "1 of 2 jobs done" in told.out


def test_only_the_models_that_are_named_are_asked(data, victims, tmp_path):
    given = options(data, victims[0], tmp_path, model=[f"one={victims[0].path}", f"two={victims[1].path}"])
    run.main(**given, ask=["two"], repetitions=1, workers=1, scheduler=None)
    store = Store(tmp_path)
    meanings = [json.loads(row[-1]) for row in store.database.execute("select * from settings")]
    store.close()
    assert {each["victim_name"] for each in meanings if "victim_name" in each} == {"two"}


def test_a_network_without_its_batch_norms_is_the_same_function(victims):
    images = torch.rand(1, 3, 64, 64)
    whole = checkpoint.read_victim(victims[0].path)
    expected = whole(images)
    assert torch.allclose(victims[0].network(images), expected, atol=1e-5 * float(expected.abs().max()))


def test_a_model_that_was_replaced_is_read_again(victims, tmp_path):
    """A process of a cluster outlives a run: what it answers must be of the weights that the answers are kept under."""
    path = tmp_path / "victim.ckpt"
    seen = []
    for victim in victims:
        path.write_bytes(victim.path.read_bytes())
        replaced, pixels = Victim("replaced", path), np.full((64, 64, 3), 99, np.uint8)
        np.testing.assert_array_equal(replaced.logits(pixels), victim.logits(pixels))
        seen.append(replaced.digest)
    assert seen == [victim.digest for victim in victims]


def test_one_image_does_not_end_a_run_and_is_tried_again(data, victims, tmp_path, capsys, monkeypatch):
    given = options(data, victims[0], tmp_path, attacks="fgsm")
    craft, tried = work.craft, []

    def failing(*arguments):
        tried.append(arguments)
        if len(tried) == 1:
            raise AssertionError("no boundary")
        return craft(*arguments)

    monkeypatch.setattr(work, "craft", failing)
    with pytest.raises(typer.Exit):
        run.main(**given, repetitions=1, workers=1, scheduler=None)
    told = capsys.readouterr()
    assert "AssertionError: no boundary" in told.err
    assert "1 of 2 jobs done" in told.out
    run.main(**given, repetitions=1, workers=1, scheduler=None)
    assert "1 of 1 jobs done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": ["small"]}, "expected a model as NAME=PATH"),
        ({"model": ["small=none.ckpt"]}, "which does not exist"),
        ({"source": ["large"]}, "expected checkpoints as sources named by --model, got large"),
        ({"ask": ["large"]}, "expected models to ask named by --model, got large"),
        ({"attacks": "bmi"}, "expected an attack out of"),
        ({"defence_names": "blur"}, "expected a defence out of"),
        ({"epsilons": "much"}, "expected radii as whole numbers in 1…255"),
        ({"split": "trial"}, "expected a split out of"),
        ({"scheduler": "nowhere"}, "expected a Dask scheduler with workers at nowhere"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused_before_any_work(changes, message, data, victims, tmp_path):
    given = options(data, victims[0], tmp_path / "store", **changes)
    with pytest.raises(typer.BadParameter, match=message):
        run.main(**{"scheduler": None, **given}, repetitions=1, workers=1)


def test_a_longer_run_contains_a_shorter_one(data):
    several = [each.digest for each in plan.pictures(data, "test", 4, 64)]
    assert [each.digest for each in plan.pictures(data, "test", 2, 64)] == several[:2]
    assert len(plan.pictures(data, "test", None, 64)) == 5


def test_one_perturbation_serves_all_images(victims, pictures, store):
    craft = plan.crafts(["universal:steps=2"], victims, victims[:1], KNOWN, [8])[0]
    pixels, labels = np.stack([each.pixels for each in pictures]), np.array([each.label for each in pictures])
    made, again = (universal.make(victims[0].network, pixels, labels, levels=8, steps=2) for _ in range(2))
    np.testing.assert_array_equal(made, again)
    assert made.any()
    assert np.abs(made).max() <= 8
    universal.write(store.folder, craft.key, made)
    assert fill(store, pictures, victims, names=("universal:steps=2",)) == len(pictures)
    for picture in pictures:
        expected = np.clip(picture.pixels + made, 0, 255)
        np.testing.assert_array_equal(store.read_example(craft.key, picture.digest), expected)


def test_one_perturbation_for_all_does_more_than_noise_of_its_size(victims, pictures):
    pixels, labels = np.stack([each.pixels for each in pictures]), np.array([each.label for each in pictures])
    made = universal.make(victims[0].network, pixels, labels, levels=4, steps=40)
    noise = np.random.default_rng(0).choice([-4, 4], made.shape)

    def loss(moved):
        examples = [np.clip(each.pixels + moved, 0, 255).astype(np.uint8) for each in pictures]
        pairs = zip(examples, pictures, strict=True)
        return np.mean([laboratory.loss(victims[0], example, picture.label) for example, picture in pairs])

    assert loss(made) - loss(0) > 2 * (loss(noise) - loss(0)) > 0
