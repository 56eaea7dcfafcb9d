"""Train the two networks that stand in for published defences, on the `train` split; `val` chooses nothing here.

    python -m tools.robustness train super-resolution
    python -m tools.robustness train nrp --weights /path/to/mobilenet_v2_pretrained.npz

Super-resolution learns to enlarge halved images, by the absolute difference, as EDSR does. NRP is self-supervised as
its paper describes (Naseer et al., CVPR 2020): images are attacked by what drives the features of a network trained on
other images, ImageNet, as far away as it can, and the purifier learns to bring features and pixels back. Its features
are MobileNetV2's and not VGG16's, whose weights cannot be had here, and its adversarial critic is left out, which a run
on two cores has no time for.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import foolbox
import lightning
import numpy as np
import torch
import typer
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from tools import atomic, dataset, network
from tools.robustness import networks

NAMES = ("super-resolution", "nrp")
CROP = 96
#: NRP: radius of its attacks in 1/255, as in its paper; their steps and the weight of pixels against features, ours.
RADIUS, STEPS, PIXELS = 16, 4, 0.01
#: How many blocks of MobileNetV2 make the features, an eighth of the side: its paper's, of VGG16, are a quarter of it.
FEATURES = 6
RATE = 1e-3


class Features(nn.Module):
    """The first blocks of a MobileNetV2: RGB (N, 3, H, W) in [0, 1] to features."""

    def __init__(self, backbone: network.MobileNetV2):
        super().__init__()
        self.layers = nn.Sequential(backbone.stem, *list(backbone.blocks)[:FEATURES])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


class Distances(nn.Module):
    """How far features lie from those of clean images, negative and positive, as two logits for a library's attack."""

    def __init__(self, features: nn.Module, clean: torch.Tensor):
        super().__init__()
        self.features = features
        with torch.no_grad():
            self.there = features(clean)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        distance = (self.features(images) - self.there).abs().flatten(1).mean(1)
        return torch.stack([-distance, distance], dim=1)


def self_supervised(features: nn.Module, images: torch.Tensor, radius: int = RADIUS) -> torch.Tensor:
    """NRP's attack: images driven away in feature space, within a radius in 1/255, without labels."""
    descent = foolbox.attacks.LinfPGD(rel_stepsize=0.5, steps=STEPS)
    model = foolbox.PyTorchModel(Distances(features, images).eval(), bounds=(0, 1), device="cpu")
    # Class 0 is "near": to leave it is to go away.
    labels = torch.zeros(len(images), dtype=torch.long)
    return descent.run(model, images, labels, epsilon=radius / 255)


class Trained(lightning.LightningModule):
    """One of the two networks in training; a module because Lightning trains modules."""

    def __init__(self, model: nn.Module, features: nn.Module | None, steps: int):
        super().__init__()
        self.model, self.features, self.steps = model, features, steps

    def training_step(self, images: torch.Tensor, index: int) -> torch.Tensor:
        loss = self.loss(images)
        self.log("loss", loss, prog_bar=True)
        return loss

    def loss(self, images: torch.Tensor) -> torch.Tensor:
        """Of clean crops, (N, 3, CROP, CROP) in [0, 1]."""
        if self.features is None:
            return functional.l1_loss(self.model(functional.avg_pool2d(images, 2)), images)
        purified = self.model(self_supervised(self.features, images))
        back = (self.features(purified) - self.features(images)).abs().mean()
        return back + PIXELS * 255 * functional.mse_loss(purified, images).sqrt()

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.model.parameters(), RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Crops(torch.utils.data.Dataset):
    """Random square parts of images, flipped and turned: float32 (3, CROP, CROP) in [0, 1]."""

    def __init__(self, pixels: np.ndarray, count: int, seed: int):
        self.pixels, self.count, self.seed = pixels, count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        random = np.random.default_rng((self.seed, index))
        whole = self.pixels[random.integers(len(self.pixels))]
        top, left = random.integers(0, whole.shape[0] - CROP + 1, 2)
        part = np.rot90(whole[top : top + CROP, left : left + CROP], random.integers(4))
        part = part[:, :: random.choice([-1, 1])]
        return torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1).float() / 255


def train(name: str, pixels: np.ndarray, steps: int, batch: int, backbone: network.MobileNetV2 | None) -> nn.Module:
    """Train a network by name on images, uint8 (N, H, W, 3)."""
    features = None
    if backbone is not None:
        features = Features(backbone).eval().requires_grad_(False)
    lightning.seed_everything(0, verbose=False)
    model = networks.SuperResolution() if name == "super-resolution" else networks.Representation()
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    loader = DataLoader(Crops(pixels, steps * batch, seed=0), batch_size=batch)
    trainer.fit(Trained(model, features, steps), loader)
    return model.eval()


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    weights: Annotated[Path | None, typer.Option(help="ImageNet weights as tools.train takes them, for nrp.")] = None,
    out: Annotated[Path | None, typer.Option(help="File of the weights; where the defence looks by default.")] = None,
    images: Annotated[int, typer.Option(help="Images of train, at random.", min=1)] = 1000,
    steps: Annotated[int, typer.Option(min=1)] = 1000,
    batch: Annotated[int, typer.Option(min=1)] = 8,
) -> None:
    """Train the network of a defence whose published weights cannot be had."""
    if name not in NAMES:
        raise typer.BadParameter(f"expected one of {', '.join(NAMES)}, got {name!r}")
    backbone = None
    if name == "nrp":
        if weights is None:
            raise typer.BadParameter("expected --weights with nrp: it compares features of a network of other images")
        backbone = network.MobileNetV2(len(dataset.CLASSES))
        network.load_backbone(backbone, weights)
    samples = dataset.select(dataset.read(data), "train")
    order = np.random.default_rng(0).permutation(len(samples))[:images]
    pixels, _ = dataset.load([samples[position] for position in order], 224)
    model = train(name, pixels, steps, batch, backbone)
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    path = out or (networks.SUPER_RESOLUTION if name == "super-resolution" else networks.NRP)
    atomic.write(path, content.getvalue())
    typer.echo(f"{path}: {path.stat().st_size:,} bytes")
