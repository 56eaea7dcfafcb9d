"""A training recipe: one TOML file per published model."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import tomllib

from edge_mdda import Parameters
from edge_mdda.errors import ParameterError

NETWORKS = ("mobilenet_v2", "resnet50")
#: Widths of MobileNetV2; at 1.0 there are pretrained weights, the others start from a trained one (`tools.thinning`).
WIDTHS = (0.35, 0.5, 0.75, 1.0)
SMALLEST_SIDE = 32


@dataclass(frozen=True)
class Recipe:
    """What a training run depends on, beside the data and the weights it starts from.

    Raises:
        ValueError: a value out of its range.
    """

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
    purifications: tuple[tuple[float, int, float, int], ...]  # (sigma, blocks, weight, iterations) drawn from for those
    patience: int  # epochs without a better balanced accuracy on val before the run stops
    network: str = "mobilenet_v2"
    attacked_share: float = 0.0  # part of the views attacked on the network being trained, then purified or not
    aware_share: float = 0.0  # part of the attacked and purified views whose attacker sees through the purification
    attack_steps: int = 1  # of that attack
    radii: tuple[int, ...] = ()  # of the attack in 1/255, one drawn for each batch
    distillation: float = 0.0  # part of the loss that is the distance from the teacher's answers
    distillation_temperature: float = 1.0  # of teacher and student in that part

    def __post_init__(self) -> None:
        _expect(self.network in NETWORKS, f"network out of {', '.join(NETWORKS)}", self.network)
        widths = WIDTHS if self.network == "mobilenet_v2" else (1.0,)
        _expect(self.width in widths, f"width of {self.network} out of {', '.join(map(str, widths))}", self.width)
        _expect(self.batch >= 2, "batch of at least 2", self.batch)
        _expect(self.learning_rate > 0, "learning_rate above 0", self.learning_rate)
        _expect(self.weight_decay >= 0, "weight_decay of at least 0", self.weight_decay)
        for name in ("patience", "attack_steps"):
            _expect(getattr(self, name) >= 1, f"{name} of at least 1", getattr(self, name))
        for name in ("label_smoothing", "dropout"):
            _expect(0 <= getattr(self, name) < 1, f"{name} in [0, 1)", getattr(self, name))
        for name in ("balance_power", "purified_share", "attacked_share", "aware_share", "distillation"):
            _expect(0 <= getattr(self, name) <= 1, f"{name} in [0, 1]", getattr(self, name))
        _expect(self.distillation_temperature > 0, "distillation_temperature above 0", self.distillation_temperature)
        stages = bool(self.stages) and all(side >= SMALLEST_SIDE and epochs >= 1 for side, epochs in self.stages)
        _expect(stages, f"stages of [side ≥ {SMALLEST_SIDE}, epochs ≥ 1]", self.stages)
        for name, share in (("purifications", "purified_share"), ("radii", "attacked_share")):
            values, part = getattr(self, name), getattr(self, share)
            _expect(bool(values) == (part > 0), f"{name} with the {share} {part:g}", len(values) or "none")
        try:
            self.parameters()
        except ParameterError as error:
            raise ValueError(f"expected purifications of [sigma, blocks, weight, iterations]: {error}") from None
        _expect(all(1 <= radius <= 255 for radius in self.radii), "radii in 1…255", self.radii)
        aware = self.aware_share == 0 or (self.attacked_share > 0 and self.purified_share > 0)
        _expect(aware, "attacked and purified views with an aware_share", "none")

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

    def parameters(self) -> list[Parameters]:
        """The purifications, as the package's own parameters."""
        return [
            Parameters(sigma=sigma, blocks=blocks, weight=weight, iterations=iterations)
            for sigma, blocks, weight, iterations in self.purifications
        ]


def _expect(condition: bool, expected: str, found: object) -> None:
    if not condition:
        raise ValueError(f"expected {expected}, got {found}")


def read(path: Path) -> Recipe:
    """Read a recipe; ValueError when a key is missing or unknown, or a value out of its range."""
    values = tomllib.loads(path.read_text())
    known = {field.name for field in fields(Recipe)}
    needed = {field.name for field in fields(Recipe) if field.default is MISSING}
    wrong = sorted((needed - values.keys()) | (values.keys() - known))
    if wrong:
        raise ValueError(f"expected the keys {sorted(needed)} in {path}, missing or unknown: {wrong}")
    for name in ("stages", "purifications"):
        values[name] = tuple(tuple(row) for row in values[name])
    values["radii"] = tuple(values.get("radii", ()))
    try:
        return Recipe(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
