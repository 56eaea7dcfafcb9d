"""Thinning keeps the channels that matter, and the same ones wherever they are added."""

from __future__ import annotations

import pytest
import typer

torch = pytest.importorskip("torch", reason="needs the workstation extra")

from tests.networks import images, trained_like  # noqa: E402
from tools import checkpoint, network, thinning  # noqa: E402

pytestmark = pytest.mark.workstation


@torch.no_grad()
def widened(small, width):
    """A wider network with the same function: the channels of a smaller one at random places, between silent ones."""
    wide = network.MobileNetV2(8, width).eval()
    for parameter in wide.parameters():
        parameter.zero_()
    places = {}

    def place(key, layer, wider):
        if key not in places:
            drawn = torch.randperm(wider.convolution.out_channels)[: layer.convolution.out_channels]
            places[key] = drawn.sort().values
        return places[key]

    def copy(layer, wider, outputs, inputs):
        block = torch.zeros_like(wider.convolution.weight[outputs])
        block[:, inputs] = layer.convolution.weight
        wider.convolution.weight[outputs] = block
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(wider.batch_norm, name)[outputs] = getattr(layer.batch_norm, name)

    inputs = place("stem", small.stem, wide.stem)
    copy(small.stem, wide.stem, inputs, torch.arange(3))
    stage = 0
    for index, (block, wider) in enumerate(zip(small.blocks, wide.blocks, strict=True)):
        stage += not block.residual
        hidden = inputs
        if block.expand is not None:
            hidden = place(f"hidden {index}", block.expand, wider.expand)
            copy(block.expand, wider.expand, hidden, inputs)
        copy(block.depthwise, wider.depthwise, hidden, torch.arange(1))
        outputs = place(f"stage {stage}", block.project, wider.project)
        copy(block.project, wider.project, outputs, hidden)
        inputs = outputs
    features = torch.arange(small.top.convolution.out_channels)
    copy(small.top, wide.top, features, inputs)
    wide.head.load_state_dict(small.head.state_dict())
    return wide


def test_silent_channels_go_and_the_others_stay():
    small = trained_like()
    wide = widened(small, 0.75)
    with torch.no_grad():
        torch.testing.assert_close(wide(images(2)), small(images(2)))
        thinned = thinning.thin(wide, 0.35)
        torch.testing.assert_close(thinned(images(2)), small(images(2)))


def test_the_same_width_is_the_same_network():
    trained = trained_like()
    with torch.no_grad():
        torch.testing.assert_close(thinning.thin(trained, 0.35)(images(2)), trained(images(2)), rtol=0, atol=0)


def test_a_network_does_not_grow():
    with pytest.raises(ValueError, match="expected a smaller width, got a layer with"):
        thinning.thin(trained_like(), 0.5)


def test_the_command_writes_a_checkpoint_of_the_width_asked_for(tmp_path, capsys):
    checkpoint.save(network.MobileNetV2(8, 0.5).state_dict(), tmp_path / "wide.ckpt")
    thinning.main(tmp_path / "wide.ckpt", 0.35, tmp_path / "start.ckpt")
    assert "weights before" in capsys.readouterr().out
    assert checkpoint.read(tmp_path / "start.ckpt").stem.convolution.out_channels == 16
    for width, words in ((0.4, "a width out of 0.35, 0.5, 0.75, 1.0, got 0.4"), (1.0, "a smaller width")):
        with pytest.raises(typer.BadParameter, match=words):
            thinning.main(tmp_path / "wide.ckpt", width, tmp_path / "start.ckpt")
