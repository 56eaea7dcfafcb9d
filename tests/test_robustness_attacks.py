"""Every attack stays in its ball and repeats itself; and they behave as the literature says attacks must."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "foolbox", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

import torch  # noqa: E402

from edge_mdda import image  # noqa: E402
from tests import laboratory  # noqa: E402
from tools.robustness import hard_label, plan, queries, ray_search, work  # noqa: E402
from tools.robustness.attacks import ATTACKS, GROUPS, PAPER  # noqa: E402
from tools.robustness.libraries import Settings  # noqa: E402

# Enough to be an attack on a small network, and quick.
FEW = {
    "autoattack-rand": "steps=2",
    "square": "steps=60",
    "square-repeated": "steps=80:looks=2",
    "hard-label": "steps=150",
    "ray-search": "steps=60",
    "spatial": "strength=10",
}


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    return laboratory.victim(tmp_path_factory.mktemp("victim"))


@pytest.fixture(scope="module")
def pictures(victim):
    return laboratory.pictures(victim)


def crafted(name, victim, radius=8, defence="none"):
    attack = ATTACKS[name.partition(":")[0]]
    known = defence if attack.view in ("network", "scores", "labels") else "edge:blocks=1"
    known = "edge-auto:blocks=1" if attack.view == "alarm" else known
    return plan.crafts([name], [victim], [victim], [known], [radius])[0]


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_is_saved_within_its_ball_and_repeats_itself(name, victim, pictures):
    looks = ":looks=2" if ATTACKS[name].looks > 1 and name not in FEW else ""
    craft = crafted(f"{name}:{FEW.get(name, 'steps=4')}{looks}", victim)
    outcome = work.do(plan.Job(craft, pictures[0], None, ()))
    saved = image.decode(outcome.encoded)
    assert saved.shape == pictures[0].pixels.shape
    moved = np.abs(saved.astype(int) - pictures[0].pixels).max()
    assert outcome.facts["linf"] == moved
    if ATTACKS[name].in_ball:
        assert moved <= 8
    again = work.do(plan.Job(craft, pictures[0], None, ()))
    assert again.encoded == outcome.encoded
    assert (again.facts["asked"], again.facts["first"]) == (outcome.facts["asked"], outcome.facts["first"])


def test_an_example_outside_its_ball_is_refused(victim, pictures):
    craft = crafted("pgd", victim, radius=2)
    far = np.clip(pictures[0].pixels.astype(int) + 3, 0, 255).astype(np.uint8)
    with pytest.raises(ValueError, match=r"expected pgd within 2 of 255, got 3"):
        work.check(far, plan.Job(craft, pictures[0], None, ()))


def test_every_attack_of_the_paper_is_there_and_says_what_makes_it():
    assert PAPER == ("fgsm", "bim", "cw", "pgd", "di-fgsm", "autoattack")
    for names in GROUPS.values():
        assert set(names) <= set(ATTACKS)
    for attack in ATTACKS.values():
        assert attack.why
        assert attack.knows
        assert attack.version.startswith(attack.library)


def example(craft, picture):
    return work.craft(craft, picture, None)[0]


@pytest.mark.parametrize("name", ["bim", "pgd", "apgd", "di-fgsm", "autoattack"])
def test_an_iterative_attack_on_the_network_alone_succeeds(name, victim, pictures):
    craft = crafted(f"{name}:steps=10", victim, radius=24)
    assert not any(laboratory.right(victim, example(craft, each), each.label) for each in pictures)


def test_the_least_perturbation_outlives_the_rounding(victim, pictures):
    craft = crafted("cw:steps=40", victim)
    assert not laboratory.right(victim, example(craft, pictures[0]), pictures[0].label)


@pytest.mark.parametrize("defence", ["none", "edge:blocks=1"])
def test_an_unbounded_attack_leaves_nothing(defence, victim, pictures):
    name = "pgd:steps=8" if defence == "none" else "bpda-pgd:steps=4:looks=2"
    craft = plan.crafts([name], [victim], [victim], [defence], [255])[0]
    (question,) = plan.questions(craft, [victim], [defence], 1)
    for picture in pictures[:2]:
        (answer,) = work.do(plan.Job(craft, picture, None, (question,))).answers
        assert int(answer.logits.argmax()) != picture.label


def test_a_larger_ball_never_helps_the_defender(victim, pictures):
    losses = [
        np.mean(
            [
                laboratory.loss(victim, example(crafted("pgd:steps=8", victim, radius), each), each.label)
                for each in pictures
            ]
        )
        for radius in (1, 4, 16, 64)
    ]
    assert losses == sorted(losses)


def test_noise_of_the_same_size_does_not_fool(victim, pictures):
    for picture in pictures:
        clean = laboratory.loss(victim, picture.pixels, picture.label)
        noisy = laboratory.loss(victim, example(crafted("noise", victim), picture), picture.label)
        attacked = laboratory.loss(victim, example(crafted("pgd:steps=8", victim), picture), picture.label)
        assert noisy - clean < 0.2 * (attacked - clean)


def test_gradients_beat_queries(victim, pictures):
    for picture in pictures:
        white = laboratory.loss(victim, example(crafted("pgd:steps=20", victim), picture), picture.label)
        black = laboratory.loss(victim, example(crafted("square:steps=60", victim), picture), picture.label)
        assert white > black


def test_queries_are_counted_and_not_exceeded(victim, pictures):
    for name, least in {
        "square:steps=40": 2,
        "square-repeated:steps=40:looks=4": 8,
        "hard-label:steps=40": 2,
        "ray-search:steps=40": 2,
    }.items():
        facts = work.craft(crafted(name, victim, radius=1), pictures[0], None)[1]
        assert least <= facts["asked"] <= 44  # Square asks about the clean image besides


@pytest.mark.parametrize(
    ("name", "message"),
    [("bmi", "expected an attack out of clean, fgsm"), ("pgd:steps=many", "expected strength=, steps= or looks=")],
)
def test_an_unknown_attack_or_setting_is_refused(name, message, victim):
    with pytest.raises(ValueError, match=message):
        plan.crafts([name], [victim], [victim], ["none"], [4])


def test_who_knows_the_seed_does_better_than_who_does_not(victim, pictures):
    """Both differentiate through the defence, and are shown to the defender's own noise of the first repetition."""
    losses = {}
    names = ("seed-pgd:steps=10", "surrogate-pgd:steps=10:looks=1", "pgd:steps=10")
    for name in names:
        craft = crafted(name, victim, radius=2, defence="edge:blocks=1")
        question = plan.Question(victim, "edge:blocks=1", 0)
        logits = [work.do(plan.Job(craft, each, None, (question,))).answers[0].logits for each in pictures]
        true = [each.label for each in pictures]
        losses[name] = np.mean(
            [np.log(np.exp(row - row[label]).sum()) for row, label in zip(logits, true, strict=True)]
        )
    assert [losses[name] for name in names] == sorted(losses.values(), reverse=True)


class Fickle(torch.nn.Module):
    """Answers class 1 once, and then always class 0."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return torch.tensor([[0.0, 1.0] if self.calls == 1 else [1.0, 0.0]]).repeat(len(images), 1)


def test_a_tie_is_no_success():
    """Square stops at a margin of 0, where the right class is still answered."""
    told = queries.Answers(lambda pixels: np.array([3, 5, 5], np.float32), looks=1, labels=False)(
        torch.zeros(1, 3, 8, 8)
    )
    assert told[0, 2] < told[0, 1] < 5.001
    assert told[0].tolist()[::2] == [3, 5]


class Smoothing(torch.nn.Module):
    """Class 1 where something is left of the image after a coarse mean, as a defence leaves nothing of noise."""

    def forward(self, images):
        coarse = torch.nn.functional.avg_pool2d(images, images.shape[-1] // 4)
        return torch.nn.functional.one_hot((coarse.std((1, 2, 3)) > 0.1).long(), 2).float()


def test_a_search_by_answers_starts_from_what_a_defence_leaves():
    images = torch.full((1, 3, 64, 64), 0.5)
    assert Smoothing()(torch.rand_like(images)).argmax() == 0
    assert Smoothing()(hard_label._start(Smoothing(), images, torch.tensor([0]))).argmax() == 1
    with pytest.raises(ValueError, match="expected an image of another class to start from, got none among 100"):
        hard_label._start(lambda images: torch.eye(2)[:1], images, torch.tensor([0]))


class Ramp(torch.nn.Module):
    """Class 1 where the image lies far enough along a direction of signs that differ from tile to tile."""

    def __init__(self, side):
        super().__init__()
        self.signs = torch.where((torch.arange(side)[:, None] // 2 + torch.arange(side) // 2) % 2 > 0, 1.0, -1.0)

    def forward(self, images):
        reached = (self.signs * (images - 0.5)).mean((1, 2, 3)) - 0.05
        return torch.stack([-reached, reached], 1)


def test_a_search_along_signs_finds_the_least_perturbation():
    """Nothing changes the class that is nearer than 0.05 in L∞, and that is found to the tolerance of the search."""
    torch.manual_seed(0)
    images, labels = torch.full((1, 3, 8, 8), 0.5), torch.tensor([0])
    found = ray_search.ray_search(Ramp(8), images, labels, Settings(None, steps=1))
    assert Ramp(8)(found).argmax() == 1
    assert 0.05 < (found - images).abs().max() < 0.05 + ray_search.TOLERANCE


def test_one_lucky_look_is_no_success():
    clean = torch.zeros(1, 3, 8, 8)
    once = queries.Watched(Fickle(), clean, 0, None)
    assert once(clean).argmax() == 1
    assert once.first == 1
    watched = queries.Watched(Fickle(), clean, 0, None, confirm=8)
    assert watched(clean).argmax() == 0
    assert (watched.first, watched.asked) == (None, 9)
    assert watched.margin == pytest.approx(7 / 9)


@pytest.mark.parametrize(
    "name", ["apgd:steps=1", "bpda-apgd:steps=1:looks=2", "square:steps=3", "autoattack-rand:steps=1"]
)
def test_an_attack_without_success_keeps_its_most_damaging_image(name, victim, pictures):
    outcome = work.do(plan.Job(crafted(name, victim, radius=1), pictures[0], None, ()))
    assert outcome.facts["linf"] == 1
