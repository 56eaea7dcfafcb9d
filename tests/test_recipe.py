"""A recipe has every key and no other, with values in their ranges, and says at which side each epoch trains."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("recipes are read with tomllib, of Python 3.11", allow_module_level=True)

from edge_mdda import Parameters
from tools import recipe

RECIPES = sorted(Path(recipe.__file__).with_name("recipes").glob("*.toml"))
RECIPES_BY_NAME = {path.stem: path for path in RECIPES}


def test_recipes_are_found():
    assert {"plain", "purified", "attack_aware", "small", "resnet50"} <= RECIPES_BY_NAME.keys()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_project_is_read(path):
    plan = recipe.read(path)
    assert plan.epochs > 0
    assert plan.side in (64, 160, 224)
    assert len(plan.parameters()) == len(plan.purifications)


def test_the_stages_follow_each_other(tmp_path):
    text = RECIPES[0].read_text().splitlines()
    lines = ["stages = [[64, 2], [96, 1], [128, 3]]" if line.startswith("stages") else line for line in text]
    (tmp_path / "plan.toml").write_text("\n".join(lines))
    plan = recipe.read(tmp_path / "plan.toml")
    assert plan.stages == ((64, 2), (96, 1), (128, 3))
    assert plan.epochs == 6
    assert [plan.side_at(epoch) for epoch in range(7)] == [64, 64, 96, 128, 128, 128, 128]
    assert plan.side == 128


def changed(tmp_path, **values):
    """The plain recipe with some keys changed or added, as read."""
    lines = RECIPES_BY_NAME["plain"].read_text().splitlines()
    lines = [line for line in lines if line.partition(" =")[0] not in values]
    (tmp_path / "plan.toml").write_text("\n".join(lines + [f"{key} = {value}" for key, value in values.items()]))
    return recipe.read(tmp_path / "plan.toml")


PURIFIED = {"purified_share": 0.5, "purifications": [[0.1, 2, 0.06, 2]]}
ATTACKED = {"attacked_share": 0.5, "radii": [2, 4]}


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("side", [160, 192, 224])
def test_every_width_and_side_is_taken(tmp_path, width, side):
    plan = changed(tmp_path, width=width, stages=[[side, 1]])
    assert (plan.network, plan.width, plan.side) == ("mobilenet_v2", width, side)


def test_what_is_not_said_is_off(tmp_path):
    plan = changed(tmp_path)
    assert (plan.attacked_share, plan.aware_share, plan.attack_steps, plan.radii, plan.distillation) == (0, 0, 1, (), 0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"network": '"vgg16"'}, "network out of mobilenet_v2, resnet50, got vgg16"),
        ({"width": 0.6}, "width of mobilenet_v2 out of 0.35, 0.5, 0.75, 1.0, got 0.6"),
        ({"network": '"resnet50"', "width": 0.5}, "width of resnet50 out of 1.0, got 0.5"),
        ({"batch": 1}, "batch of at least 2, got 1"),
        ({"learning_rate": 0}, "learning_rate above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay of at least 0, got -0.1"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\), got 1.0"),
        ({"balance_power": 2}, r"balance_power in \[0, 1\], got 2"),
        ({"patience": 0}, "patience of at least 1, got 0"),
        (ATTACKED | {"attack_steps": 0}, "attack_steps of at least 1, got 0"),
        ({"stages": [[16, 3]]}, "stages of .side ≥ 32, epochs ≥ 1., got"),
        ({"stages": []}, "stages of .side ≥ 32, epochs ≥ 1., got"),
        ({"purified_share": 0.5}, "purifications with the purified_share 0.5, got none"),
        ({"purifications": [[0.1, 2, 0.06, 2]]}, "purifications with the purified_share 0, got 1"),
        (PURIFIED | {"purifications": [[2.0, 2, 0.06, 2]]}, r"purifications of .*: expected sigma in \[0, 1\]"),
        (PURIFIED | {"purifications": [[0.1, 2, 0.06]]}, "not enough values to unpack"),
        ({"attacked_share": 0.5}, "radii with the attacked_share 0.5, got none"),
        (ATTACKED | {"radii": [0]}, "radii in 1…255, got .0"),
        (ATTACKED | {"aware_share": 0.5}, "attacked and purified views with an aware_share, got none"),
        ({"distillation": 0.5, "distillation_temperature": 0}, "distillation_temperature above 0, got 0"),
        ({"batch": '"many"'}, "not supported between"),
    ],
)
def test_a_value_out_of_range_is_refused(tmp_path, values, words):
    with pytest.raises(ValueError, match=rf"plan.toml: .*{words}"):
        changed(tmp_path, **values)


def test_attack_and_purification_combine(tmp_path):
    plan = changed(tmp_path, **PURIFIED, **ATTACKED, aware_share=0.5)
    assert plan.radii == (2, 4)
    assert plan.parameters() == [Parameters(sigma=0.1, blocks=2, weight=0.06, iterations=2)]


@pytest.mark.parametrize(("old", "new"), [("patience", "endurance"), ("seed", "# seed"), ("seed", "extra = 1\nseed")])
def test_a_missing_or_unknown_key_is_refused(tmp_path, old, new):
    text = RECIPES[0].read_text().replace(f"\n{old} =", f"\n{new} =", 1)
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ValueError, match=r"expected the keys .*, missing or unknown: \['"):
        recipe.read(tmp_path / "plan.toml")
