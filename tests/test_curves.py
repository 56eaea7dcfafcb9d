"""The learning curves: read from what a training writes, one point an epoch, and drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import typer

pytest.importorskip("matplotlib", reason="needs the workstation extra")
from tools import curves

WRITTEN = """epoch,step,train_loss,val_accuracy,val_balanced_accuracy,val_loss
0,3,,0.5,0.25,1.5
0,3,1.75,,,
1,7,,0.625,0.5,1.25
1,7,1.5,,,
"""


def test_a_value_an_epoch_is_read(tmp_path):
    (tmp_path / "plain.csv").write_text(WRITTEN)
    found = curves.read(tmp_path / "plain.csv")
    assert found == {
        "train_loss": {0: 1.75, 1: 1.5},
        "val_loss": {0: 1.5, 1: 1.25},
        "val_accuracy": {0: 0.5, 1: 0.625},
        "val_balanced_accuracy": {0: 0.25, 1: 0.5},
    }


def test_other_files_and_unfinished_runs_are_refused(tmp_path):
    (tmp_path / "other.csv").write_text("epoch,loss\n0,1\n")
    with pytest.raises(ValueError, match=r"got none of \['train_loss', 'val_accuracy'"):
        curves.read(tmp_path / "other.csv")
    (tmp_path / "started.csv").write_text(WRITTEN.splitlines()[0] + "\n")
    with pytest.raises(ValueError, match=r"expected a finished epoch in .*started\.csv, got 0 curves of 4"):
        curves.read(tmp_path / "started.csv")


def test_a_run_is_called_after_its_folder(tmp_path):
    assert curves.name(tmp_path / "runs" / "plain" / "curves" / "metrics.csv") == "plain"
    assert curves.name(tmp_path / "checkpoints" / "purified.csv") == "purified"


def test_the_picture_has_every_run_and_repeats_itself(tmp_path):
    for run in ("one", "two"):
        (tmp_path / f"{run}.csv").write_text(WRITTEN)
    (tmp_path / "two.csv").write_text(WRITTEN.replace("0.625", "0.75"))
    pictures = []
    for files in (["one.csv"], ["one.csv", "two.csv"], ["one.csv", "two.csv"]):
        curves.main([tmp_path / file for file in files], tmp_path / "curves.png")
        pictures.append((tmp_path / "curves.png").read_bytes())
    assert pictures[1] == pictures[2]
    alone, both = (cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) for picture in pictures[:2])
    assert alone.shape == both.shape
    assert (alone != both).any()


def test_the_starts_of_a_run_are_put_together(tmp_path):
    header, first, first_loss, second, second_loss = WRITTEN.splitlines()
    for folder, rows in (("curves", [first, first_loss]), ("curves-2", [second, second_loss])):
        (tmp_path / "run" / folder).mkdir(parents=True)
        (tmp_path / "run" / folder / "metrics.csv").write_text("\n".join([header, *rows]))
    (tmp_path / "run.csv").write_text(WRITTEN)
    curves.main([tmp_path / "run.csv"], tmp_path / "whole.png")
    curves.main(list((tmp_path / "run").glob("*/metrics.csv")), tmp_path / "starts.png")
    assert (tmp_path / "starts.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    (tmp_path / "other.csv").write_text("epoch,loss\n0,1\n")
    with pytest.raises(typer.BadParameter, match="expected the learning curves"):
        curves.main([tmp_path / "other.csv"], tmp_path / "curves.png")
