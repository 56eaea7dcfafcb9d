"""The results of two stores together are those of one that was run at once; pictures are made again where needed."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "distributed", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

from typer.testing import CliRunner  # noqa: E402

from edge_mdda.batch import cluster  # noqa: E402
from tests import laboratory  # noqa: E402
from tools.robustness import plan, results, work  # noqa: E402
from tools.robustness.__main__ import app  # noqa: E402
from tools.robustness.store import Store  # noqa: E402


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    return laboratory.victim(tmp_path_factory.mktemp("victims"), "first")


@pytest.fixture(scope="module")
def pictures(victim):
    return laboratory.pictures(victim, 3)


def fill(folder, pictures, victim, defences=("none",)):
    """Run FGSM on some images; what the store then holds of them, but the times."""
    store = Store(folder)
    crafts = plan.crafts(["clean", "fgsm"], [victim], [victim], defences, [8])
    store.add_images((each.digest, "test", each.label) for each in pictures)
    store.describe(plan.meanings(crafts, [victim], defences, 1))
    lacking = list(plan.missing(store, pictures, crafts, [victim], defences))
    for outcome in cluster.spread(work.do, plan.jobs(store, lacking), None):
        store.add(outcome.example, outcome.image, outcome.facts, outcome.encoded, outcome.answers)
    store.add_run(f"run from {pictures[0].digest} on", "a machine", 1.0, len(lacking))
    store.close()
    return content(folder)


def content(folder):
    store = Store(folder)
    answers = store.database.execute("select example, key, image, logits from answers order by 1, 2, 3").fetchall()
    store.close()
    return answers


def merge(origin, into):
    return CliRunner().invoke(app, ["merge", str(origin), "--store", str(into)])


def test_two_stores_together_are_one_that_was_run_at_once(pictures, victim, tmp_path):
    whole = fill(tmp_path / "whole", pictures, victim)
    fill(tmp_path / "here", pictures[:2], victim)
    fill(tmp_path / "there", pictures[1:], victim)
    assert "2 answers brought" in merge(tmp_path / "there", tmp_path / "here").output
    assert content(tmp_path / "here") == whole
    assert "0 answers brought" in merge(tmp_path / "there", tmp_path / "here").output
    store = Store(tmp_path / "here")
    assert store.database.execute("select count(*) from runs").fetchone() == (2,)
    assert {len(cell.images) for cell in results.read(store)} == {3}
    store.close()


def test_an_example_whose_picture_is_elsewhere_is_made_again_for_a_new_question(pictures, victim, tmp_path):
    fill(tmp_path / "there", pictures, victim)
    merge(tmp_path / "there", tmp_path / "here")
    assert not list(tmp_path.glob("here/**/*.png"))
    asked = fill(tmp_path / "here", pictures, victim, ("none", "jpeg"))
    assert asked == fill(tmp_path / "at_once", pictures, victim, ("none", "jpeg"))
    assert len(list(tmp_path.glob("here/**/*.png"))) == len(pictures)


def test_nothing_to_bring_in_is_said(tmp_path):
    result = merge(tmp_path / "nowhere", tmp_path / "here")
    assert result.exit_code == 2
    assert "expected the results of a run" in result.output.replace("\n", " ")
    assert not (tmp_path / "here").exists()
