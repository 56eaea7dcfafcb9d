"""The pages of the laboratory say what the kept results say, and the results hold no picture."""

from __future__ import annotations

import itertools
import json
import shutil

import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

from tests.program import CHECKOUT  # noqa: E402
from tools import dataset  # noqa: E402
from tools.robustness import (  # noqa: E402
    accuracy_kept,
    attacks,
    figures,
    page,
    results,
    table,
    targets,
    verdict,
    wording,
)
from tools.robustness.store import DATABASE, Store  # noqa: E402

RECORD = CHECKOUT / "tools" / "robustness" / "record"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("record")
    shutil.copy(RECORD / DATABASE, folder)
    opened = Store(folder)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def cells(store):
    return results.read(store)


def test_the_laboratorys_page_says_what_the_results_say(store, cells):
    text = (CHECKOUT / "tools/robustness/README.md").read_text()
    references, paper = accuracy_kept.REFERENCES, json.loads(table.PAPER.read_text())
    for section in (verdict.write(cells), page.write(cells, references, paper), page.runs(store)):
        assert section.strip() in text


def test_the_projects_page_says_what_the_results_say(cells):
    assert (
        verdict.quote(cells, accuracy_kept.REFERENCES, "int8", "test").strip() in (CHECKOUT / "README.md").read_text()
    )


def test_the_numbers_are_those_of_the_results(cells):
    kept = json.loads((RECORD / "cells.json").read_text())
    assert kept["cells"] == json.loads(json.dumps(table.rows(cells, kept["references"])))


def test_every_attack_that_must_succeed_did(cells):
    """Where nothing defends: an attack that fails there would say nothing of a defence."""
    text = page.verification(wording.split_cells(cells, "test"))
    rows = [line.split(" | ") for line in text.splitlines()[2:]]
    iterative = {name for name, attack in attacks.ATTACKS.items() if attack.iterative and name in attacks.PAPER}
    assert {row[1] for row in rows if row[0] == "| float"} >= iterative
    assert {row[-1] for row in rows if row[0] != f"| {targets.ATTACK_AWARE}"} == {"yes |"}


def test_no_picture_is_kept(store):
    assert {path.suffix for path in RECORD.iterdir()} <= {".sqlite", ".json", ".csv"}
    for (table_name,) in store.database.execute("select name from sqlite_master where type = 'table'").fetchall():
        for row in store.database.execute(f"select * from {table_name}"):
            kept = [value for value in row if isinstance(value, bytes)]
            assert all(len(value) == 4 * len(dataset.CLASSES) for value in kept)


def test_no_figure_is_missing_and_none_is_left_over(cells):
    drawn = {path.name for path in (CHECKOUT / "tools/robustness/drawn").iterdir()}
    assert drawn == {f"{name}.{kind}" for name, _ in figures.every(cells) for kind in figures.KINDS}


class TestSanity:
    """What the literature asks of an evaluation before it is believed (Carlini et al., 2019), of the kept results."""

    @staticmethod
    def of(cells, attack, **wanted):
        """The cells of one attack with its own steps and looks, by strength."""
        known = attacks.ATTACKS[attack]
        place = {"split": "test", "source": "float", "victim": "float", "defence": "none"} | wanted
        found = results.pick(cells, attack=attack, steps=known.steps, looks=known.looks, **place)
        by_strength = {cell.strength: cell for cell in found}
        assert len(by_strength) == len(found)
        return by_strength

    @staticmethod
    def not_above(lower, higher):
        """Whether accuracy is not shown to be higher in one cell than in another, of the same images."""
        return results.lead([lower], [higher])[1][0] <= 0

    @pytest.mark.parametrize(("attack", "defence"), [("pgd", "none"), ("bpda-pgd", "edge"), ("surrogate-pgd", "edge")])
    def test_a_larger_ball_never_helps_the_defender(self, cells, attack, defence):
        found = self.of(cells, attack, defence=defence)
        radii = sorted(found)
        assert len(radii) >= 2
        for small, large in itertools.pairwise(radii):
            assert self.not_above(found[large], found[small])

    def test_a_large_enough_ball_leaves_nothing(self, cells):
        for attack, defence in (("pgd", "none"), ("bpda-pgd", "edge")):
            found = self.of(cells, attack, defence=defence)
            assert found[max(found)].measured["accuracy"] == 0

    def test_noise_of_the_same_size_does_not_fool(self, cells):
        clean = results.clean(cells, "int8", "none", "test")
        noisy, attacked = (self.of(cells, name, victim="int8") for name in ("noise", "pgd"))
        assert set(noisy) == {2, 4, 8}
        for radius, cell in noisy.items():
            lost, _ = results.lead([clean], [cell])
            assert lost < 0.1 * results.lead([clean], [attacked[radius]])[0]

    @pytest.mark.parametrize("defence", ["none", "edge"])
    def test_gradients_beat_queries(self, cells, defence):
        asks = self.of(cells, "square", source="int8", victim="int8", defence=defence)[4]
        gradients = self.of(cells, "pgd" if defence == "none" else "surrogate-pgd", victim="int8", defence=defence)[4]
        assert self.not_above(gradients, asks)
