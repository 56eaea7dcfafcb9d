"""Tables, figures and verdict say what the cells hold: every cell, with the paper's numbers where there are any."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

import typer  # noqa: E402
from matplotlib import pyplot  # noqa: E402

from tests.cells import CELLS, COUNT, LABELS, cell, paper_cells  # noqa: E402
from tools import dataset  # noqa: E402
from tools.robustness import (  # noqa: E402
    accuracy_kept,
    figures,
    page,
    results,
    run,
    table,
    verdict,
    wording,
)
from tools.robustness.plan import CLEAN  # noqa: E402
from tools.robustness.store import Answer, Store  # noqa: E402

PAPER = json.loads(table.PAPER.read_text())


def test_the_papers_numbers_stand_beside_ours_of_its_victim_alone():
    ((title, text),) = page.unaware(CELLS, PAPER)
    assert title == "resnet50, attacked through resnet50, 4/255"
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("|")}
    assert "80.0 (65–90) [82.0]" in lines["none"]
    assert "40.0 (26–55) [65.6]" in lines["nrp"]
    assert "[" not in lines["edge"]
    assert lines["nrp"].endswith("| 50.0 |")
    others = [cell(each.attack, 0, victim="mine", source="mine") for each in CELLS]
    assert "[" not in page.unaware(others, PAPER)[0][1]


def test_the_papers_averages_come_out_of_its_numbers():
    """Its own average has the clean column in it: 62.5 and 54.4 for MDDA."""
    for radius, name, average in (("small", "paper-small", 62.5), ("large", "paper-large", 54.4)):
        assert np.mean(list(PAPER["table 2"][radius][name].values())) == pytest.approx(average, abs=0.06)


def test_kept_is_relative_to_the_reference_on_the_same_images():
    found = results.kept([cell("pgd", 0.4), cell("bim", 0.6)], cell(CLEAN, 0.8))
    assert found["kept"] == pytest.approx(0.5 / 0.8)
    low, high = found["kept_95"]
    assert low < 0.5 / 0.8 < high
    fewer = cell(CLEAN, 0.8, images=tuple(f"{number:02}" for number in range(20, 60)))
    assert results.kept([cell("pgd", 0.4)], fewer)["images"] == 20
    assert results.kept([cell("pgd", 0.4)], cell(CLEAN, 0)) is None


def test_the_targets_are_measured_against_the_best_plain_model():
    worse = cell(CLEAN, 0.5, victim="plain")
    text = accuracy_kept.write([*CELLS, worse], ["plain", "resnet50"], "test")
    assert "Of what resnet50 has without attack or defence on the images of each number (80.0 % on all 40)." in text
    assert "| resnet50, through resnet50, edge | 93.8 (" in text
    assert "| always MEL | 15.6 | – |" in text
    assert accuracy_kept.write(CELLS, ["plain"], "test") == ""


def test_an_attack_that_fails_where_nothing_defends_is_named():
    text = page.verification([cell("pgd", 0), cell("bim", 0.1), cell("fgsm", 0.5), cell("pgd", 0, defence="edge")])
    rows = [line.split(" | ") for line in text.splitlines()[2:]]
    assert [(row[1], row[-1].rstrip(" |")) for row in rows] == [("pgd", "yes"), ("bim", "no")]
    assert "no: trained to withstand it" in page.verification([cell("pgd", 0.4, victim="aware", source="aware")])


def test_transfer_counts_what_fooled_its_source():
    before = [cell(CLEAN, 0.8), cell(CLEAN, 0.6, victim="int8")]
    after = [cell("pgd", 0.2), cell("pgd", 0.4, victim="int8")]
    # Right before: 24 of 40 in both; fooled at the source: all but 8 of them; the victim still has 16 of the 40.
    assert "| 16 | 50.0 % |" in page.transfer([*before, *after])


def test_every_cell_is_in_the_numbers_and_in_the_csv():
    rows = table.rows(CELLS, ["resnet50"])
    assert len(rows) == len(CELLS)
    for row in rows:
        low, high = row["accuracy_95"]
        assert low <= row["accuracy"] <= high
        assert np.array(row["confusion"]).shape == (8, 8)
    written = list(csv.DictReader(io.StringIO(table.comma_separated(rows))))
    assert [float(line["accuracy"]) for line in written] == [row["accuracy"] for row in rows]
    assert {"accuracy_95_low", "kept_95_high", "defence_ms", "linf"} <= set(written[0])


def test_further_attacks_stand_with_what_they_took():
    behind = [cell(CLEAN, 1, defence="edge"), cell("square", 0.5, defence="edge", first=70)]
    text = page.others([*behind, cell("pgd", 0.3, steps=200)], ["scores"])
    assert "| square, 1000 steps | resnet50 | resnet50 | edge | 40 | 50.0 (35–65); 40 after 70 |" in text
    assert "pgd, 200 steps" in page.others([cell("pgd", 0.3, steps=200)], ["network"])
    assert page.others([cell("pgd", 0.3)], ["network"]) == ""


def test_the_worst_attack_may_be_another_for_each_image():
    one, two = cell("pgd", 0.5), cell("bim", 0.5)
    two = dataclasses.replace(two, logits=two.logits[:, ::-1], labels=two.labels[::-1])
    found = results.survived([one, two], one.images)
    assert (found["accuracy"], found["images"]) == (0, COUNT)
    assert results.survived([one], one.images)["accuracy"] == 0.5
    assert results.survived([one], ()) is None


def test_a_cell_of_some_images_has_their_answers():
    few = results.on(cell("pgd", 0.5), ["03", "25"])
    assert (few.images, few.right.tolist(), few.labels.tolist()) == (("03", "25"), [1, 0], [3, 1])


def test_the_balanced_accuracy_of_few_images_has_no_interval():
    assert wording.balanced(cell("pgd", 1).measured) == "100.0 (100–100)"
    few = results.on(cell("pgd", 1), [f"{number:02}" for number in range(12)])
    assert wording.balanced(few.measured) == "100.0"


@pytest.fixture
def folder(tmp_path):
    """A store of a few answers, written without any network."""
    store = Store(tmp_path / "store")
    names = [f"{number:02}" for number in range(COUNT)]
    store.add_images((name, "test", int(label)) for name, label in zip(names, LABELS, strict=True))
    wanted = [cell(CLEAN, 0.8), cell(CLEAN, 0.75, defence="edge"), *paper_cells("none", 0), *paper_cells("edge", 0.7)]
    wanted += [cell("pgd", 0.8 - radius / 40, strength=radius) for radius in (1, 2, 8, 16)]
    wanted += [cell("pgd", part, defence=f"edge:sigma={part}") for part in (0.05, 0.1)]
    wanted += [cell("bpda-pgd", 0.1, defence="edge", steps=steps, first=9) for steps in (20, 40)]
    wanted += [cell("di-fgsm", 0.6, defence="edge:apart")]
    for each in wanted:
        made = {name: getattr(each, name) for name in ("attack", "strength", "unit", "steps", "looks", "view", "knows")}
        example = json.dumps([*made.values(), each.source])
        meaning = {**made, "source_name": each.source, "defence_name": None}
        asked = {"victim_name": each.victim, "defence_name": each.defence, "repetition": 0}
        store.describe([(example, meaning), (each.defence, asked)])
        for name, logits, facts in zip(names, each.logits[0], each.facts, strict=True):
            store.add(example, name, facts, None, [Answer(each.defence, logits, 0.002)])
    store.add_run("python -m tools.robustness run --limit 40", "a machine", 90.0, 7)
    store.close()
    return tmp_path / "store"


def test_the_commands_write_their_files_and_fill_the_page(folder, tmp_path):
    sections = ("tables", "runs", "verdict")
    kept = tmp_path / "README.md"
    kept.write_text("".join(f"<!-- generated: {name} -->\nold\n<!-- end -->\n" for name in sections))
    table.main(tmp_path / "out", folder, ["resnet50"], kept)
    project = tmp_path / "project.md"
    project.write_text("<!-- generated: robustness -->\nold\n<!-- end -->\n")
    verdict.main(tmp_path / "out", folder, kept, project, "resnet50", "test", ["resnet50"])
    quoted = project.read_text()
    assert "| resnet50, through resnet50, edge | 93.8 (" in quoted
    assert "- **edge**: of " in quoted
    written = {name: (tmp_path / "out" / name).read_text() for name in ("table.md", "verdict.md", "cells.json")}
    assert "old" not in kept.read_text()
    assert written["verdict.md"].strip() in kept.read_text()
    assert "| `python -m tools.robustness run --limit 40` | 7 | 1.5 | a machine |" in kept.read_text()
    record = json.loads(written["cells.json"])
    assert record["schema"] == table.SCHEMA
    assert len(record["cells"]) == 23


def test_the_figures_are_drawn_twice_alike(folder, tmp_path):
    for name in ("one", "two"):
        figures.main(tmp_path / name, folder)
    drawn = {each.name: each.read_bytes() for each in (tmp_path / "one").iterdir()}
    assert drawn == {each.name: each.read_bytes() for each in (tmp_path / "two").iterdir()}
    kinds = ("sweep_sigma_resnet50_edge", "radius_resnet50", "convergence_resnet50", "confusion_resnet50_resnet50_4")
    for kind in (*kinds, "ablation_resnet50_edge", "cost_resnet50_resnet50_4"):
        assert drawn[f"test_{kind}.png"].startswith(b"\x89PNG")
        assert b"<svg" in drawn[f"test_{kind}.svg"][:600]


def test_an_empty_store_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(typer.BadParameter, match=r"expected results of python -m tools\.robustness run"):
            table.main(tmp_path / "out", folder)


def test_a_command_is_recorded_without_the_folders_of_this_machine():
    typed = ["run", "--data", "/home/me/isic", "--limit", "4", "--store=/tmp/x", "--attacks", "pgd"]
    assert run.command(typed) == "python -m tools.robustness run --limit 4 --attacks pgd"


def test_classes_are_those_of_the_data_set():
    assert np.array(table.rows(CELLS[:1], [])[0]["confusion"]).shape == (len(dataset.CLASSES),) * 2


def test_images_that_are_all_alike_are_no_certainty():
    """Under one attack, or where all attacks fell the same images: a resample of equal numbers has no spread."""
    for part, interval in ((0.0, (0, 8.8)), (1.0, (91.2, 100))):
        mean = results.mean_accuracy([cell("pgd", part), cell("bim", part)])
        assert [100 * each for each in mean["accuracy_95"]] == pytest.approx(interval, abs=0.05)
    low, high = results.mean_accuracy([cell("pgd", 0.25), cell("bim", 0.75)])["accuracy_95"]
    assert 0.35 < low < 0.5 < high < 0.65


def test_a_radius_of_few_attacks_has_no_column_of_cw():
    whole = [cell(CLEAN, 1), *paper_cells("none", 0.5), cell("pgd", 0.5, strength=16)]
    four, sixteen = page.write(whole, ["plain"], {"table 2": {}}).split("### resnet50, attacked through")[1:]
    assert "| cw |" in four
    assert "Images: clean 40, fgsm 40," in four
    assert "of the 40 that all have, of which 12.5 % are MEL." in four
    assert "| defence | clean | pgd | mean" in sixteen


def test_the_settings_of_a_sweep_stand_in_the_order_of_their_numbers():
    names = [f"edge:iterations={each}" for each in (10, 2, 1)] + ["edge:apart", "edge", "edge:sigma=0.05", "none"]
    placed = sorted((cell("pgd", 0.5, defence=name) for name in names), key=wording.order)
    assert [each.defence for each in placed] == [
        *("none", "edge", "edge:apart"),
        *("edge:iterations=1", "edge:iterations=2", "edge:iterations=10", "edge:sigma=0.05"),
    ]


def test_corruptions_and_physical_like_attacks_are_curves():
    shown = [cell(CLEAN, 1), *(cell("patch", 1 - side / 64, strength=side) for side in (16, 32)), cell("blur", 0.5)]
    drawn = dict(figures.corrupted(shown))
    assert set(drawn) == {"blur_resnet50", "patch_resnet50"}
    axes = drawn["patch_resnet50"].axes[0]
    assert axes.get_xlabel() == "strength, pixels a side"
    assert axes.containers[0][0].get_xydata().tolist() == [[0, 100], [16, 75], [32, 50]]
    for figure in drawn.values():
        pyplot.close(figure)
