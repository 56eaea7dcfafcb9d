"""Fine-tune a classifier on a folder of labelled dermoscopic images.

    python -m tools.train tools/recipes/plain.toml --weights mobilenet_v2_pretrained.npz --out runs/plain

Run it again with the same `--out` and it goes on from the last finished epoch, to the same weights.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import lightning
import numpy as np
import torch
import typer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from edge_mdda import Purifier
from tools import adversary, augment, checkpoint, dataset, network, recipe

MONITOR = "val_balanced_accuracy"


class Views(Dataset[tuple[NDArray[np.uint8], int, int, int, bool, bool]]):
    """The random views of one epoch, each drawn from (seed, epoch, position) alone, so a resumed run repeats them.

    A view is its pixels, not yet purified, its class, which of the recipe's purifications it passes through (−1 for
    none) and with which seed, and whether it is attacked before and by an attacker who knows of the purification.
    """

    def __init__(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], plan: recipe.Recipe, epoch: int):
        self.pixels, self.labels, self.plan, self.epoch = pixels, labels, plan, epoch
        weights = np.bincount(labels).astype(float)[labels] ** -plan.balance_power
        random = np.random.default_rng((plan.seed, epoch))
        self.draws = random.choice(len(labels), len(labels), p=weights / weights.sum())

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, position: int) -> tuple[NDArray[np.uint8], int, int, int, bool, bool]:
        draw = self.draws[position]
        random = np.random.default_rng((self.plan.seed, self.epoch, position))
        view = augment.view(self.pixels[draw], self.plan.side_at(self.epoch), random)
        purification, seed = -1, 0
        if random.random() < self.plan.purified_share:
            purification = int(random.integers(len(self.plan.purifications)))
            seed = int(random.integers(2**63))
        attacked = random.random() < self.plan.attacked_share
        aware = purification >= 0 and random.random() < self.plan.aware_share
        return view, int(self.labels[draw]), purification, seed, attacked, aware


class Images(lightning.LightningDataModule):
    def __init__(self, folder: Path, plan: recipe.Recipe):
        super().__init__()
        self.folder, self.plan = folder, plan

    def setup(self, stage: str) -> None:
        samples = dataset.read(self.folder)
        self.train = dataset.load(dataset.select(samples, "train"), self.plan.side)
        self.val = dataset.load(dataset.select(samples, "val"), self.plan.side)

    def train_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        views = Views(*self.train, self.plan, self.trainer.current_epoch)
        return DataLoader(views, self.plan.batch, drop_last=True)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        return DataLoader(TensorDataset(*map(torch.from_numpy, self.val)), 64)


def distillation(logits: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """How far logits (N, classes) are from the teacher's, both softened by a temperature.

    The Kullback-Leibler divergence times the temperature squared, which keeps its gradients as strong as those of the
    cross-entropy (Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015).
    """
    student = functional.log_softmax(logits / temperature, 1)
    teacher = functional.log_softmax(taught / temperature, 1)
    return temperature**2 * functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _unit(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels uint8 RGB (N, H, W, 3) in [0, 1], seen as (N, 3, H, W), which is already channels-last."""
    return pixels.permute(0, 3, 1, 2).float() / 255


class Training(lightning.LightningModule):
    def __init__(self, plan: recipe.Recipe, teacher: nn.Module | None = None):
        super().__init__()
        self.plan = plan
        self.network = network.build(plan.network, len(dataset.CLASSES), plan.width, plan.dropout)
        self.network.to(memory_format=torch.channels_last)
        # Its method, not the teacher: as a module of this one it would be trained and saved too.
        self.teach = None if teacher is None else teacher.eval().requires_grad_(False).forward
        self.purifiers = [Purifier(parameters) for parameters in plan.parameters()]
        self.accuracy = MulticlassAccuracy(len(dataset.CLASSES), average="micro")
        self.balanced_accuracy = MulticlassAccuracy(len(dataset.CLASSES), average="macro")

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits of uint8 RGB (N, H, W, 3)."""
        return self.network(_unit(pixels))

    def training_step(self, batch: list[torch.Tensor], position: int) -> torch.Tensor:
        clean, labels = batch[0], batch[1]
        # Of (seed, epoch, batch) alone, as the views are: a resumed run attacks and drops out in the same way.
        random = np.random.default_rng((self.plan.seed, self.current_epoch, position, 1))
        torch.manual_seed(int(random.integers(2**63)))
        logits = self(self.disturbed(*batch, random))
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.plan.label_smoothing)
        if self.teach is not None:
            # The teacher sees the view as it was before attack and purification: the better answer to both.
            taught = distillation(logits, self.teach(_unit(clean)), self.plan.distillation_temperature)
            loss = (1 - self.plan.distillation) * loss + self.plan.distillation * taught
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def disturbed(
        self,
        pixels: torch.Tensor,
        labels: torch.Tensor,
        purifications: torch.Tensor,
        seeds: torch.Tensor,
        attacked: torch.Tensor,
        aware: torch.Tensor,
        random: np.random.Generator,
    ) -> torch.Tensor:
        """A batch of `Views`, attacked on the network as it is now, then purified: uint8 RGB (N, H, W, 3)."""
        result = pixels.numpy().copy()
        chosen = attacked.nonzero()[:, 0].numpy()
        if len(chosen):
            known = [self.purifiers[purifications[view]] if aware[view] else None for view in chosen]
            levels = int(random.choice(self.plan.radii))
            result[chosen] = adversary.attacked_views(
                self.network,
                result[chosen],
                labels[chosen].numpy(),
                known,
                levels=levels,
                steps=self.plan.attack_steps,
                random=random,
            )
        for view in (purifications >= 0).nonzero()[:, 0].tolist():
            result[view] = self.purifiers[purifications[view]].purify(result[view], seed=int(seeds[view]))
        return torch.from_numpy(result)

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        pixels, labels = batch
        logits = self(pixels)
        self.accuracy(logits, labels)
        self.balanced_accuracy(logits, labels)
        self.log("val_loss", functional.cross_entropy(logits, labels))
        self.log("val_accuracy", self.accuracy, prog_bar=True)
        self.log(MONITOR, self.balanced_accuracy, prog_bar=True)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.AdamW(self.parameters(), self.plan.learning_rate, weight_decay=self.plan.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.plan.learning_rate, steps, pct_start=0.15)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def start(training: Training, weights: Path) -> None:
    """Load the weights a run starts from; BadParameter when they are of another network."""
    try:
        if weights.suffix == ".npz":
            network.load_backbone(training.network, weights)
        else:
            training.load_state_dict(torch.load(weights, weights_only=True)["state_dict"])
    except (AttributeError, KeyError, RuntimeError, ValueError) as error:
        plan = training.plan
        raise typer.BadParameter(f"expected weights of {plan.network} {plan.width:g} in {weights}: {error}") from None


def curves_folder(out: Path) -> str:
    """Where a start of a run writes its curves: the logger empties its folder, so going on needs another (curves-2)."""
    starts = len(list(out.glob("curves*"))) if (out / "last.ckpt").is_file() else 0
    return f"curves-{starts + 1}" if starts else "curves"


def main(
    plan_file: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe in TOML (tools/recipes).")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints and learning curves.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    weights: Annotated[Path | None, typer.Option(help="Backbone (.npz) or checkpoint to start from.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Checkpoint to learn from, for a recipe with distillation.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = os.cpu_count() or 1,
) -> None:
    """Fine-tune by a recipe; go on from the run's last checkpoint if there is one."""
    try:
        plan = recipe.read(plan_file)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if (teacher is None) != (plan.distillation == 0):
        raise typer.BadParameter(f"expected --teacher if the recipe has distillation, got {plan.distillation:g} of it")
    torch.set_num_threads(threads)
    lightning.seed_everything(plan.seed, workers=True)
    training = Training(plan, None if teacher is None else checkpoint.read(teacher))
    if weights is not None:
        start(training, weights)
    last = out / "last.ckpt"
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=plan.epochs,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        logger=CSVLogger(out, name="", version=curves_folder(out)),
        callbacks=[
            ModelCheckpoint(out, "best", monitor=MONITOR, mode="max", enable_version_counter=False),
            # Of its own: `save_last` would keep only the last checkpoint that was the best one.
            ModelCheckpoint(out, "last", every_n_epochs=1, enable_version_counter=False),
            EarlyStopping(MONITOR, mode="max", patience=plan.patience),
        ],
    )
    trainer.fit(training, Images(data, plan), ckpt_path=last if last.is_file() else None)


if __name__ == "__main__":
    typer.run(main)
