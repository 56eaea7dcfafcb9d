"""The command of a run: what it does, records and refuses; it ends well whatever becomes of one image."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "distributed", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

import typer  # noqa: E402

from edge_mdda import image  # noqa: E402
from edge_mdda.batch import cluster  # noqa: E402
from tests import laboratory  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tests.filling import content  # noqa: E402
from tests.program import CHECKOUT  # noqa: E402
from tools import dataset  # noqa: E402
from tools.robustness import plan, run, work  # noqa: E402
from tools.robustness.store import Store  # noqa: E402


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    return laboratory.victims(tmp_path_factory.mktemp("victims"))


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
