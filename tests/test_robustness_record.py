"""The pages of the laboratory say what the kept results say, and the results hold no picture."""

from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

from tests.program import CHECKOUT  # noqa: E402
from tools.robustness import accuracy_kept, attacks, page, results, table, targets, verdict, wording  # noqa: E402
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


def test_no_picture_is_kept():
    assert {path.suffix for path in RECORD.iterdir()} <= {".sqlite", ".json", ".csv"}
