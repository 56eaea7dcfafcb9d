"""The ablation table: which models it takes, and that every model has a row for each defence."""

from __future__ import annotations

import numpy as np
import pytest
import typer

torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("foolbox", reason="needs the workstation extra")
from edge_mdda import Parameters, Purifier  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tests.networks import trained_like  # noqa: E402
from tools import ablation, attack  # noqa: E402

pytestmark = pytest.mark.workstation


def test_a_model_is_named_with_its_parent(tmp_path):
    model, parent = tmp_path / "a.tflite", tmp_path / "a.ckpt"
    model.touch()
    parent.touch()
    assert ablation.parse(f"plain={model}:{parent}") == ("plain", model, parent)
    for wrong in (f"{model}:{parent}", f"plain={model}", f"plain={model}:{tmp_path / 'missing'}"):
        with pytest.raises(typer.BadParameter, match="expected NAME=MODEL:CHECKPOINT"):
            ablation.parse(wrong)


@pytest.mark.parametrize("aware", [0, 50])
def test_every_model_has_a_row_for_each_defence(aware):
    figures = {kind: {"accuracy": 0.8, "balanced": 0.6} for kind in ablation.KINDS}
    report = {
        "attack": {"levels": 4, "steps": 20, "images": 200, "clean_images": 1190},
        "aware": {"levels": 4, "steps": 10, "images": aware, "looks": 2},
        "models": {name: dict.fromkeys(ablation.DEFENCES, figures) for name in ("plain", "purified")},
    }
    text = ablation.markdown(report)
    rows = [line for line in text.splitlines() if line.startswith(("| plain", "| purified"))]
    assert len(rows) == 2 * len(ablation.DEFENCES)
    assert rows[0] == "| plain | none |" + " 80.0% / 60.0% |" * (3 if aware else 2)
    assert ("aware: 50 of them attacked by PGD-10" in text) == bool(aware)


def test_who_knows_the_purification_defeats_it_more_often():
    network, parameters = trained_like().requires_grad_(False), Parameters(sigma=0.1, blocks=1, iterations=2)
    pixels = np.stack([np.rint(draw(48, 48, seed) * 255).astype(np.uint8) for seed in range(4)])
    purifier = Purifier(parameters, threads=1)

    def logits(pixels):
        """The mean over five draws of the noise."""
        purified = np.stack([[purifier.purify(image, seed=seed) for image in pixels] for seed in range(5)])
        images = torch.from_numpy(purified).flatten(0, 1).permute(0, 3, 1, 2) / 255
        return network(images).reshape(5, len(pixels), -1).mean(0)

    labels = logits(pixels).argmax(1)
    how = {"levels": 4, "steps": 8}
    unaware = attack.descend(network, pixels, labels.numpy(), **how)
    aware, same = ablation.attack_aware(network, parameters, (pixels, labels.numpy()), **how, looks=2)
    assert np.abs(aware.astype(int) - pixels).max() == 4
    assert (same == labels.numpy()).all()
    clean, first, second = (
        torch.nn.functional.cross_entropy(logits(images), labels) for images in (pixels, unaware, aware)
    )
    assert second > clean
    assert second > first
