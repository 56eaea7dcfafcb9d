"""What the verdict calls stopped, who is ahead, and what was reached of what was aimed at."""

from __future__ import annotations

import dataclasses

import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

from tests.cells import CELLS, cell, paper_cells  # noqa: E402
from tools.robustness import attacks, page, ranking, remarks, results, targets, verdict  # noqa: E402
from tools.robustness.plan import CLEAN  # noqa: E402

UNTOUCHED = [cell(CLEAN, 1), cell(CLEAN, 1, defence="edge")]


class TestVerdict:
    def test_attacks_are_sorted_by_what_is_left(self):
        clean = cell(CLEAN, 1, defence="edge")
        kinds = {part: verdict.sort([], cell("pgd", part, defence="edge"), clean)[0] for part in (1, 0.9, 0.8, 0.3)}
        assert kinds == {1: "stopped", 0.9: "perhaps stopped", 0.8: "stopped in part", 0.3: "not stopped"}
        assert verdict.sort([], cell("blur", 0.3, view="corruption"), clean)[0] == "nobody attacks"
        assert verdict.sort([], cell("noise", 1), clean)[0] == "nobody attacks"

    def test_too_few_images_show_nothing(self):
        """All 32 stay right: the exact interval of that begins below 90 %."""
        kind, left = verdict.sort([], cell("pgd", 0.8, defence="edge"), cell(CLEAN, 0.8, defence="edge"))
        assert kind == "perhaps stopped"
        assert (left["right"], left["images"]) == (32, 32)
        assert left["stays_95"][0] == pytest.approx(0.891, abs=0.001)

    def test_what_was_wrong_without_attack_did_not_fall(self):
        clean, after = cell(CLEAN, 0.75, defence="edge"), cell("square", 0.5, defence="edge", first=70)
        assert list(results.firsts(after, clean).values()) == [70] * 30
        assert "; 30 after 70 |" in page.others([clean, after], ["scores"])

    def test_a_factor_is_the_ratio_of_the_median_images(self):
        before, after = cell("square", 0, first=10), cell("square", 0.4, defence="edge", first=70)
        text = remarks.slowed([*UNTOUCHED, before, after], after)
        assert text == "slowed: the median image fell after 70 queries and not 10, a factor of 7.0"
        quick = cell("square", 0, defence="edge", first=12)
        assert remarks.slowed([*UNTOUCHED, before, quick], quick).startswith("not slowed")

    def test_who_knows_the_defence_needs_more_passes(self):
        before, after = cell("pgd", 0, first=4), cell("bpda-pgd", 0.4, defence="edge", first=160)
        text = remarks.slowed([*UNTOUCHED, before, after], after)
        assert text == "slowed: the median image fell after 160 passes (8 steps) and not 4, a factor of 40.0"
        elsewhere = cell("bpda-pgd", 0.4, defence="edge", victim="int8", first=160)
        assert remarks.slowed([*UNTOUCHED, before, elsewhere], elsewhere) is None

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
        text = remarks.slowed([*UNTOUCHED, before, never], never)
        assert "the attacker did not see most images fall within 100 queries, 10 without" in text
        # What was wrong anyway ends at once; what is right falls early or never.
        wrong, early = ({**never.facts[0], "first": number, "asked": number} for number in (1, 5))
        some = dataclasses.replace(never, facts=(*never.facts[:11], *9 * [early], *20 * [wrong]))
        cells = [cell(CLEAN, 1), cell(CLEAN, 0.5, defence="edge"), before, some]
        assert "fall within 100 queries, 10 without" in remarks.slowed(cells, some)

    def test_only_the_same_attack_is_compared(self):
        more = cell("square", 0, first=10, steps=5000)
        after = cell("square", 0.4, defence="edge", first=70)
        assert remarks.slowed([*UNTOUCHED, more, after], after) is None

    def test_who_knows_the_purification_does_not_know_the_alarm(self):
        assert verdict.knowledge(cell("bpda-pgd", 0, defence="edge-auto")).endswith("; not the alarm")
        assert not verdict.knowledge(cell("bpda-pgd", 0, defence="edge")).endswith("alarm")

    def test_who_knows_another_network_does_not_know_the_victim(self):
        assert verdict.knowledge(cell("pgd", 0)).startswith("the network and its weights;")
        elsewhere = [cell("pgd", 0.5, defence="edge", source="plain"), cell("pgd", 0, source="plain")]
        assert verdict.knowledge(elsewhere[0]).startswith("the network plain (not resnet50) and its weights;")
        text = verdict.summary([*CELLS, *elsewhere], "resnet50", "test")
        assert "of 6 attacks of one who does not know the defence 6 perhaps stopped" in text
        assert "of 1 attack of one who does not know the defence, crafted on plain, 1 stopped in part" in text

    def test_twice_the_steps_are_asked_for(self):
        one, two = (cell("bpda-pgd", part, defence="edge", steps=steps) for part, steps in ((0.5, 20), (0.4, 40)))
        assert "twice the steps were not run" in remarks.convergence([one], one)
        assert "change the accuracy by -10.0 points (" in remarks.convergence([one, two], one)
        assert "on 40 images" in remarks.convergence([one, two], one)
        assert remarks.convergence([one, two], two) is None
        four = cell("bpda-pgd", 0.4, defence="edge", steps=80)
        assert remarks.convergence([one, two, four], two) == "twice the steps change none of 40 images"
        assert remarks.convergence([one, two, four], four) is None
        same = cell("bpda-pgd", 0.5, defence="edge", steps=40)
        assert remarks.convergence([one, same], one) == "twice the steps change none of 40 images"
        assert remarks.convergence([one], cell("pgd", 0.5, defence="edge")) is None

    def test_gradients_that_mislead_are_told(self):
        unaware, aware = cell("pgd", 0.2, defence="edge"), cell("bpda-pgd", 0.7, defence="edge")
        assert "does better with pgd, by 50.0 points" in remarks.misled([unaware, aware], aware)
        assert remarks.misled([cell("pgd", 0.7, defence="edge"), aware], aware) is None
        asks = cell("square", 0.3, defence="edge")
        assert "who only asks does better with square, by 40.0 points" in remarks.misled([asks, aware], aware)
        through = cell("surrogate-pgd", 0.2, defence="edge")
        told = "who differentiates through it does better with surrogate-pgd, by 50.0 points: these gradients mislead"
        assert remarks.misled([through, aware], aware) == told
        assert remarks.misled([through, aware], through) is None

    def test_more_that_helps_less_is_told(self):
        half, whole = cell("fgsm", 0.2, defence="edge", strength=4), cell("fgsm", 0.6, defence="edge", strength=8)
        assert remarks.overshot([half, whole], whole) == "half the radius does better, by 40.0 points"
        assert remarks.overshot([half, whole], half) is None

    def test_no_attack_is_left_out(self):
        known = [cell("bpda-pgd", 0.02, defence="edge", first=40), cell("square", 0.5, defence="edge", first=9)]
        text = verdict.write([*CELLS, *known])
        behind = [each for each in [*CELLS, *known] if each.defence == "edge" and each.attack != CLEAN]
        section = text.split("#### resnet50 behind edge")[1].split("### ")[0]
        lines = [line for line in section.splitlines() if line.startswith("- ") and " images" in line]
        assert len(lines) == len(behind)
        assert "**Not stopped, who knows the network and the defence, not its noise" in text
        assert "of 1 attack of one who knows it 1 not stopped" in text
        assert "of 6 attacks of one who does not know the defence 6 perhaps stopped" in text
        assert "30 of 30 stay right" not in text
        assert "28 of 30 stay right" in text

    def test_a_better_defence_is_named(self):
        (text,) = ranking.write(CELLS, "test")
        assert (
            "0.0 % without defence, MDDA's edge has 70.0 % in 4.0 ms. No other defence is shown to be more accurate."
            in text
        )
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
        assert "4.0 ms. More accurate are other settings of MDDA: paper-small (80.0 % in 2.0 ms)." in text
        close = [cell(each.attack, 0.68, defence="jpeg") for each in paper_cells("none", 0)]
        text = ranking.write([*CELLS, *close], "test")[0]
        assert "Not told apart from jpeg (67.5 % in 2.0 ms): +2.5 points (" in text
        assert "Less accurate" not in text
        above = [cell(each.attack, 0.73, defence="jpeg") for each in paper_cells("none", 0)]
        text = ranking.write([*CELLS, *above], "test")[0]
        assert (
            "No other defence is shown to be more accurate. Not told apart from jpeg (72.5 % in 2.0 ms): -2.5 points ("
            in text
        )


def test_what_was_reached_stands_beside_what_was_aimed_at():
    through = {"defence": "edge", "victim": "int8", "source": "float"}
    own = [cell(name, 0.7, strength=4, **through) for name in attacks.PAPER_LINF]
    # Of another source: for its own table.
    own += [cell(name, 0.1, strength=4, **{**through, "source": "plain"}) for name in attacks.PAPER_LINF]
    own += [cell("bpda-pgd", 0.4, **through), cell("surrogate-pgd", 0.3, **through), cell("seed-pgd", 0, **through)]
    text = targets.write([*own, cell(CLEAN, 0.8)], ["resnet50"], "test")
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert rows["five attacks in L∞, 4/255, % kept, 40 images"].startswith(
        "| five attacks in L∞, 4/255, % kept, 40 images | 90 | 97 | – | – | 87.5"
    )
    assert rows["five attacks in L∞, 8/255, % kept"].endswith("| 84 | 93 | – | – | – | – | – |")
    assert rows["clean images, % kept"].endswith("| – |")
    # Five of the forty images are of the class that is answered always, one of eight.
    known = rows["int8, known defence, unknown noise, 4/255, accuracy in %"]
    assert known.endswith("30.0 (18–45), balanced 30.0; all 2 attacks, 40 images | – | 12.5, balanced 12.5 |")
    assert rows["aware, known defence, unknown noise, 4/255, accuracy in %"].endswith("| 30 | – | – | – | – | – |")
    assert text.endswith(
        "- **edge**: floor reached in 0 of 1, in 0 with its whole interval; missed: five attacks in L∞, 4/255 "
        "(87.5 of 90); aim reached in 0 of 1, in 0 with its whole interval; missed: five attacks in L∞, 4/255 "
        "(87.5 of 97)."
    )
    assert targets.write([cell(CLEAN, 0.8)], ["resnet50"], "test") == ""
