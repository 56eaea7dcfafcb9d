"""The results of two stores together are those of one that was run at once; pictures are made again where needed."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "distributed", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

from typer.testing import CliRunner  # noqa: E402

from tests import filling, laboratory  # noqa: E402
from tools.robustness import results  # noqa: E402
from tools.robustness.__main__ import app  # noqa: E402
from tools.robustness.store import Store  # noqa: E402


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    return laboratory.victim(tmp_path_factory.mktemp("victims"), "first")


@pytest.fixture(scope="module")
def pictures(victim):
    return laboratory.pictures(victim, 3)


def run(folder, pictures, victim, defences=("none",)):
    """FGSM on some images, and what the store then holds of them, but the times."""
    store = Store(folder)
    count = filling.fill(store, pictures, [victim], ("clean", "fgsm"), defences, repetitions=1)
    store.add_run(f"run from {pictures[0].digest} on", "a machine", 1.0, count)
    store.close()
    return answers(folder)


def answers(folder):
    store = Store(folder)
    held, _, _ = filling.content(store)
    store.close()
    return held


def merge(origin, into):
    return CliRunner().invoke(app, ["merge", str(origin), "--store", str(into)])


def test_two_stores_together_are_one_that_was_run_at_once(pictures, victim, tmp_path):
    whole = run(tmp_path / "whole", pictures, victim)
    run(tmp_path / "here", pictures[:2], victim)
    run(tmp_path / "there", pictures[1:], victim)
    assert "2 answers brought" in merge(tmp_path / "there", tmp_path / "here").output
    assert answers(tmp_path / "here") == whole
    assert "0 answers brought" in merge(tmp_path / "there", tmp_path / "here").output
    store = Store(tmp_path / "here")
    assert store.database.execute("select count(*) from runs").fetchone() == (2,)
    assert {len(cell.images) for cell in results.read(store)} == {3}
    store.close()


def test_an_example_whose_picture_is_elsewhere_is_made_again_for_a_new_question(pictures, victim, tmp_path):
    run(tmp_path / "there", pictures, victim)
    merge(tmp_path / "there", tmp_path / "here")
    assert not list(tmp_path.glob("here/**/*.png"))
    asked = run(tmp_path / "here", pictures, victim, ("none", "jpeg"))
    assert asked == run(tmp_path / "at_once", pictures, victim, ("none", "jpeg"))
    assert len(list(tmp_path.glob("here/**/*.png"))) == len(pictures)


def test_nothing_to_bring_in_is_said(tmp_path):
    result = merge(tmp_path / "nowhere", tmp_path / "here")
    assert result.exit_code == 2
    assert "expected the results of a run" in result.output.replace("\n", " ")
    assert not (tmp_path / "here").exists()
