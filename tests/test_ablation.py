"""The ablation table: which models it takes, and that every model has a row for each defence."""

from __future__ import annotations

import pytest
import typer

pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("foolbox", reason="needs the workstation extra")
from tools import ablation


def test_a_model_is_named_with_its_parent(tmp_path):
    model, parent = tmp_path / "a.tflite", tmp_path / "a.ckpt"
    model.touch()
    parent.touch()
    assert ablation.parse(f"plain={model}:{parent}") == ("plain", model, parent)
    for wrong in (f"{model}:{parent}", f"plain={model}", f"plain={model}:{tmp_path / 'missing'}"):
        with pytest.raises(typer.BadParameter, match="expected NAME=MODEL:CHECKPOINT"):
            ablation.parse(wrong)


def test_every_model_has_a_row_for_each_defence():
    figures = {kind: {"accuracy": 0.8, "balanced": 0.6} for kind in ("clean", "adversarial")}
    report = {
        "attack": {"levels": 4, "steps": 20, "images": 200, "clean_images": 1190},
        "models": {name: dict.fromkeys(ablation.DEFENCES, figures) for name in ("plain", "purified")},
    }
    rows = [line for line in ablation.markdown(report).splitlines() if line.startswith(("| plain", "| purified"))]
    assert len(rows) == 2 * len(ablation.DEFENCES)
    assert rows[0] == "| plain | none | 80.0% / 60.0% | 80.0% / 60.0% |"
