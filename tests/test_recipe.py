"""A recipe has every key and no other, and says at which side each epoch trains."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("recipes are read with tomllib, of Python 3.11", allow_module_level=True)

from tools import recipe

RECIPES = sorted(Path(recipe.__file__).with_name("recipes").glob("*.toml"))


def test_recipes_are_found():
    assert "plain" in {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_project_is_read(path):
    plan = recipe.read(path)
    assert plan.epochs > 0
    assert plan.side == 224
    assert 0 <= plan.purified_share <= 1
    assert all(len(purification) == 3 for purification in plan.purifications)
    assert bool(plan.purifications) == (plan.purified_share > 0)


def test_the_stages_follow_each_other(tmp_path):
    text = RECIPES[0].read_text().splitlines()
    lines = ["stages = [[64, 2], [96, 1], [128, 3]]" if line.startswith("stages") else line for line in text]
    (tmp_path / "plan.toml").write_text("\n".join(lines))
    plan = recipe.read(tmp_path / "plan.toml")
    assert plan.stages == ((64, 2), (96, 1), (128, 3))
    assert plan.epochs == 6
    assert [plan.side_at(epoch) for epoch in range(7)] == [64, 64, 96, 128, 128, 128, 128]
    assert plan.side == 128


@pytest.mark.parametrize(("old", "new"), [("patience", "endurance"), ("seed", "# seed"), ("seed", "extra = 1\nseed")])
def test_a_missing_or_unknown_key_is_refused(tmp_path, old, new):
    text = RECIPES[0].read_text().replace(f"\n{old} =", f"\n{new} =", 1)
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ValueError, match=r"expected the keys .*, missing or unknown: \['"):
        recipe.read(tmp_path / "plan.toml")
