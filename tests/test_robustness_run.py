"""A run stops, goes on and grows; nothing is lost or counted twice, even when a worker is killed."""

from __future__ import annotations

import os
import signal
import sqlite3

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "distributed", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

import torch  # noqa: E402

from edge_mdda.batch import cluster  # noqa: E402
from tests import laboratory  # noqa: E402
from tests.filling import DEFENCES, content, crafts, fill  # noqa: E402
from tests.program import CHECKOUT  # noqa: E402
from tools import checkpoint  # noqa: E402
from tools.robustness import plan, results, work  # noqa: E402
from tools.robustness.store import Answer, Store, key_of  # noqa: E402
from tools.robustness.victims import Victim  # noqa: E402


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    return laboratory.victims(tmp_path_factory.mktemp("victims"))


@pytest.fixture(scope="module")
def pictures(victims):
    return laboratory.pictures(victims[0], 4)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


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
    assert {cell.defence for cell in results.pick(cells, attack="fgsm")} == set(DEFENCES)
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
    store.describe(plan.meanings(chosen, victims, DEFENCES, 1))
    lacking = list(plan.missing(store, pictures, chosen, victims, DEFENCES, 1))
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
