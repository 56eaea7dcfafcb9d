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

from tools import dataset  # noqa: E402
from tools.robustness import (  # noqa: E402
    accuracy_kept,
    attacks,
    figures,
    page,
    ranking,
    results,
    run,
    table,
    targets,
    verdict,
    wording,
)
from tools.robustness.plan import CLEAN  # noqa: E402
from tools.robustness.results import Cell  # noqa: E402
from tools.robustness.store import Answer, Store  # noqa: E402

COUNT = 40
LABELS = np.arange(COUNT) % 8


def cell(attack, part, *, defence="none", victim="resnet50", source="resnet50", strength=4, first=None, **changes):
    """Of 40 images the given part is answered rightly, the first ones."""
    known = attacks.ATTACKS.get(attack)
    view = changes.get("view", known.view if known else "none")
    right = np.arange(COUNT) < round(part * COUNT)
    logits = np.eye(8, dtype=np.float32)[np.where(right, LABELS, (LABELS + 1) % 8)][None]
    given = {
        "attack": attack,
        "strength": None if attack in (CLEAN, "cw") else strength,
        "unit": known.unit if known else "",
        "steps": known.steps if known else 1,
        "looks": known.looks if known else 1,
        "view": view,
        "knows": known.knows if known else "nobody attacks",
        "source": None if attack == CLEAN else source,
        "known": None if view in ("network", "none", "corruption") else defence,
        "split": "test",
        "victim": victim,
        "defence": defence,
        "images": tuple(f"{number:02}" for number in range(COUNT)),
        "labels": LABELS,
        "logits": logits,
        "seconds": np.full(COUNT, {"none": 0.0, "edge": 0.004, "nrp": 0.05}.get(defence, 0.002)),
        "facts": tuple({"first": first, "asked": 100, "seconds": 1.0, "linf": 4.0, "l2": 3.0} for _ in range(COUNT)),
    }
    return Cell(**{**given, **changes})


def paper_cells(defence, part, victim="resnet50"):
    return [cell(name, part, defence=defence, victim=victim) for name in attacks.PAPER]


CELLS = [
    cell(CLEAN, 0.8),
    cell(CLEAN, 0.75, defence="edge"),
    cell(CLEAN, 0.7, defence="nrp"),
    *paper_cells("none", 0),
    *paper_cells("edge", 0.7),
    *paper_cells("nrp", 0.4),
]
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
    assert "80.0 % that resnet50 has" in text
    assert "| resnet50, through resnet50, edge | 93.8 (" in text
    assert "| always MEL | 15.6 | – |" in text
    assert accuracy_kept.write(CELLS, ["plain"], "test") == ""


def test_an_attack_that_fails_where_nothing_defends_is_named():
    text = page.verification([cell("pgd", 0), cell("bim", 0.1), cell("fgsm", 0.5), cell("pgd", 0, defence="edge")])
    rows = [line.split(" | ") for line in text.splitlines()[2:]]
    assert [(row[1], row[-1].rstrip(" |")) for row in rows] == [("pgd", "yes"), ("bim", "no")]


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


UNTOUCHED = [cell(CLEAN, 1), cell(CLEAN, 1, defence="edge")]


class TestVerdict:
    def test_attacks_are_sorted_by_what_is_left(self):
        clean = cell(CLEAN, 1, defence="edge")
        kinds = {part: verdict.sort([], cell("pgd", part, defence="edge"), clean)[0] for part in (1, 0.9, 0.3)}
        assert kinds == {1: "stopped", 0.9: "stopped in part", 0.3: "not stopped"}
        assert verdict.sort([], cell("blur", 0.3, view="corruption"), clean)[0] == "nobody attacks"
        assert verdict.sort([], cell("noise", 1), clean)[0] == "nobody attacks"

    def test_too_few_images_show_nothing(self):
        """All 32 stay right: the exact interval of that begins below 90 %."""
        kind, left = verdict.sort([], cell("pgd", 0.8, defence="edge"), cell(CLEAN, 0.8, defence="edge"))
        assert kind == "stopped in part"
        assert (left["right"], left["images"]) == (32, 32)
        assert left["stays_95"][0] == pytest.approx(0.891, abs=0.001)

    def test_what_was_wrong_without_attack_did_not_fall(self):
        clean, after = cell(CLEAN, 0.75, defence="edge"), cell("square", 0.5, defence="edge", first=70)
        assert list(results.firsts(after, clean).values()) == [70] * 30
        assert "; 30 after 70 |" in page.others([clean, after], ["scores"])

    def test_a_factor_is_the_ratio_of_the_median_images(self):
        before, after = cell("square", 0, first=10), cell("square", 0.4, defence="edge", first=70)
        text = verdict.slowed([*UNTOUCHED, before, after], after)
        assert text == "slowed: the median image fell after 70 queries and not 10, a factor of 7.0"
        quick = cell("square", 0, defence="edge", first=12)
        assert verdict.slowed([*UNTOUCHED, before, quick], quick).startswith("not slowed")

    def test_who_knows_the_defence_needs_more_passes(self):
        before, after = cell("pgd", 0, first=4), cell("bpda-pgd", 0.4, defence="edge", first=160)
        text = verdict.slowed([*UNTOUCHED, before, after], after)
        assert text == "slowed: the median image fell after 160 passes and not 4, a factor of 40.0"
        elsewhere = cell("bpda-pgd", 0.4, defence="edge", victim="int8", first=160)
        assert verdict.slowed([*UNTOUCHED, before, elsewhere], elsewhere) is None

    def test_where_an_attack_fell_elsewhere_nothing_is_said_of_when(self):
        """The attack watched its source, bare: when that fell says nothing of a victim behind a defence."""
        for shown in (cell("patch", 0.5, defence="edge", first=3), cell("pgd", 0, victim="int8", first=3)):
            untouched = cell(CLEAN, 1, defence=shown.defence, victim=shown.victim)
            assert results.firsts(shown, untouched) == {}

    def test_what_fails_without_defence_is_not_stopped_by_one(self):
        clean = [cell(CLEAN, 1), cell(CLEAN, 1, defence="edge")]
        for left, kind in ((0.95, "failed anyway"), (0.5, "stopped")):
            cells = [*clean, cell("pgd", left), cell("pgd", 1, defence="edge")]
            assert verdict.sort(cells, cells[-1], clean[1])[0] == kind

    def test_what_never_fell_is_later_than_all_others(self):
        before, never = cell("square", 0, first=10), cell("square", 0.9, defence="edge")
        text = verdict.slowed([*UNTOUCHED, before, never], never)
        assert "most images never fell within 100 queries, 10 without" in text

    def test_only_the_same_attack_is_compared(self):
        more = cell("square", 0, first=10, steps=5000)
        after = cell("square", 0.4, defence="edge", first=70)
        assert verdict.slowed([*UNTOUCHED, more, after], after) is None

    def test_who_knows_the_purification_does_not_know_the_alarm(self):
        assert verdict.knowledge(cell("bpda-pgd", 0, defence="edge-auto")).endswith("; not the alarm")
        assert not verdict.knowledge(cell("bpda-pgd", 0, defence="edge")).endswith("alarm")

    def test_twice_the_steps_are_asked_for(self):
        one, two = (cell("bpda-pgd", part, defence="edge", steps=steps) for part, steps in ((0.5, 20), (0.4, 40)))
        assert "twice the steps were not run" in verdict.convergence([one], one)
        assert "change the accuracy by -10.0 points (" in verdict.convergence([one, two], one)
        assert verdict.convergence([one, two], two) is None
        assert verdict.convergence([one], cell("pgd", 0.5, defence="edge")) is None

    def test_gradients_that_mislead_are_told(self):
        unaware, aware = cell("pgd", 0.2, defence="edge"), cell("bpda-pgd", 0.7, defence="edge")
        assert "does better with pgd, by 50.0 points" in verdict.misled([unaware, aware], aware)
        assert verdict.misled([cell("pgd", 0.7, defence="edge"), aware], aware) is None
        asks = cell("square", 0.3, defence="edge")
        assert "who only asks does better with square, by 40.0 points" in verdict.misled([asks, aware], aware)

    def test_more_that_helps_less_is_told(self):
        half, whole = cell("fgsm", 0.2, defence="edge", strength=4), cell("fgsm", 0.6, defence="edge", strength=8)
        assert verdict.overshot([half, whole], whole) == "half the radius does better, by 40.0 points"
        assert verdict.overshot([half, whole], half) is None

    def test_no_attack_is_left_out(self):
        known = [cell("bpda-pgd", 0.02, defence="edge", first=40), cell("square", 0.5, defence="edge", first=9)]
        text = verdict.write([*CELLS, *known])
        behind = [each for each in [*CELLS, *known] if each.defence == "edge" and each.attack != CLEAN]
        section = text.split("### resnet50 behind edge")[1].split("### ")[0]
        lines = [line for line in section.splitlines() if line.startswith("- ") and " images" in line]
        assert len(lines) == len(behind)
        assert "**Not stopped, who knows the network and the defence, not its noise" in text
        assert "of 1 attack of one who knows it 1 not stopped" in text
        assert "of 6 attacks of one who does not know the defence 6 stopped in part" in text
        assert "30 of 30 stay right" not in text
        assert "28 of 30 stay right" in text

    def test_a_better_defence_is_named(self):
        (text,) = ranking.write(CELLS, "test")
        assert "0.0 % without defence, MDDA's edge has 70.0 % in 4.0 ms. No other defence is more accurate." in text
        assert "Each of the others is slower" in text
        better = [*CELLS, *paper_cells("jpeg", 0.9)]
        assert "More accurate: jpeg (90.0 % in 2.0 ms)" in ranking.write(better, "test")[0]
        (text,) = ranking.write([*CELLS, *paper_cells("jpeg", 0.5)], "test")
        assert (
            "Less accurate and quicker: jpeg (50.0 % in 2.0 ms). Ahead of MDDA in accuracy per millisecond: jpeg, by "
            in text
        )
        rival = paper_cells("paper-small", 0.8)
        text = ranking.write([*CELLS, *rival], "test")[0]
        assert "MDDA's edge has 70.0 % in 4.0 ms. More accurate is MDDA's own: paper-small (80.0 % in 2.0 ms)." in text
        close = [cell(each.attack, 0.68, defence="jpeg") for each in paper_cells("none", 0)]
        assert "Not told apart from jpeg: +2.5 points (" in ranking.write([*CELLS, *close], "test")[0]


def test_what_was_reached_stands_beside_what_was_aimed_at():
    through = {"defence": "edge", "victim": "int8", "source": "float"}
    own = [cell(name, 0.7, strength=4, **through) for name in attacks.PAPER_LINF]
    # Of another source: for its own table.
    own += [cell(name, 0.1, strength=4, **{**through, "source": "plain"}) for name in attacks.PAPER_LINF]
    own += [cell("bpda-pgd", 0.4, **through), cell("surrogate-pgd", 0.3, **through), cell("seed-pgd", 0, **through)]
    text = targets.write([*own, cell(CLEAN, 0.8)], ["resnet50"], "test")
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert rows["five attacks in L∞, 4/255, % kept"].startswith(
        "| five attacks in L∞, 4/255, % kept | 90 | 97 | – | – | 87.5"
    )
    assert rows["five attacks in L∞, 8/255, % kept"].endswith("| 84 | 93 | – | – | – | – | – |")
    assert rows["clean images, % kept"].endswith("| – |")
    assert (
        "30.0 (18–45), balanced 30.0; all 2 attacks, 40 images"
        in rows["int8, known defence, unknown noise, 4/255, accuracy in %"]
    )
    assert targets.write([cell(CLEAN, 0.8)], ["resnet50"], "test") == ""


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
