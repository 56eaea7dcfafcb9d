"""The ablation table: which models it takes, and that every model has a row for each defence."""

from __future__ import annotations

from dataclasses import asdict

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
    presets = {"edge": asdict(Parameters(sigma=0.1, blocks=2, weight=0.06, iterations=4, scales=(-1, 0)))}
    report = {
        "attack": {"levels": 4, "steps": 20, "images": 200, "clean_images": 1190},
        "aware": {"levels": 4, "steps": 10, "images": aware, "looks": 2},
        "models": {
            name: {"basis": {"presets": presets}, "defences": dict.fromkeys(ablation.DEFENCES, figures)}
            for name in ("plain", "purified")
        },
    }
    text = ablation.markdown(report)
    assert "`edge`: σ 0.1, K 2, w 0.06, 4 iterations, scales -1, 0." in text
    rows = [line for line in text.splitlines() if line.startswith(("| plain", "| purified"))]
    assert len(rows) == 2 * len(ablation.DEFENCES)
    assert rows[0] == "| plain | none |" + " 80.0% / 60.0% |" * (3 if aware else 2)
    assert ("aware: 50 of them attacked by PGD-10" in text) == bool(aware)


def test_a_model_is_measured_again_only_when_something_changed(tmp_path, monkeypatch):
    measured = []

    class Bundle:
        height = 48

    def measure(parameters, bundle, images):
        measured.append(parameters)
        return {kind: {"accuracy": 0.8, "balanced": 0.6} for kind in images}

    def val_images(*_, clean, attacked, levels, steps):
        images = np.zeros((9, 48, 48, 3), np.uint8), np.zeros(9, int)
        how = {"levels": levels, "steps": steps, "images": attacked, "clean_images": 9}
        return {"clean": images, "adversarial": images}, how

    monkeypatch.setattr(ablation.evaluate, "read_model", lambda path: Bundle())
    monkeypatch.setattr(ablation.checkpoint, "read", lambda path: trained_like())
    monkeypatch.setattr(ablation.checkpoint, "digest", lambda path: path.stem)
    monkeypatch.setattr(ablation.presets, "measure", measure)
    monkeypatch.setattr(ablation.attack, "val_images", val_images)
    models = []
    for name in ("plain", "purified"):
        (tmp_path / f"{name}.tflite").write_bytes(name.encode())
        (tmp_path / f"{name}.ckpt").touch()
        models.append(f"{name}={tmp_path / name}.tflite:{tmp_path / name}.ckpt")
    defences = len(ablation.DEFENCES)
    out, page = tmp_path / "report.json", tmp_path / "page.md"
    how = {"out": out, "data": tmp_path, "attacked": 8, "levels": 4, "aware": 0}
    for asked, steps, runs in ((models[:1], 5, 1), (models, 5, 1), (models, 5, 0), (models, 6, 2)):
        ablation.main(asked, steps=steps, page=page, **how)
        assert len(measured) == runs * defences
        measured.clear()
    (tmp_path / "plain.tflite").write_bytes(b"another")
    ablation.main(models, steps=6, page=page, **how)
    assert len(measured) == defences
    assert page.read_text().count("| plain |") == page.read_text().count("| purified |") == defences


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
