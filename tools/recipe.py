"""A training recipe: one TOML file per published model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import tomllib


@dataclass(frozen=True)
class Recipe:
    """What a training run depends on, beside the data and the weights it starts from."""

    seed: int
    width: float
    batch: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    dropout: float
    balance_power: float
    stages: tuple[tuple[int, int], ...]  # (side in pixels, epochs)
    purified_share: float  # part of the training views that pass through the Purifier
    purifications: tuple[tuple[float, int, float], ...]  # the (sigma, blocks, weight) drawn from for those
    patience: int  # epochs without a better balanced accuracy on val before the run stops

    @property
    def epochs(self) -> int:
        return sum(epochs for _, epochs in self.stages)

    @property
    def side(self) -> int:
        """The side the model is made for: that of the last stage."""
        return self.stages[-1][0]

    def side_at(self, epoch: int) -> int:
        """The side trained at in an epoch (counted from 0)."""
        for side, epochs in self.stages:
            if epoch < epochs:
                return side
            epoch -= epochs
        return self.side


def read(path: Path) -> Recipe:
    """Read a recipe; ValueError when a key is missing or unknown."""
    values = tomllib.loads(path.read_text())
    known = {field.name for field in fields(Recipe)}
    if values.keys() != known:
        wrong = sorted(values.keys() ^ known)
        raise ValueError(f"expected the keys {sorted(known)} in {path}, missing or unknown: {wrong}")
    values["stages"] = tuple((side, epochs) for side, epochs in values["stages"])
    values["purifications"] = tuple((sigma, blocks, weight) for sigma, blocks, weight in values["purifications"])
    return Recipe(**values)
