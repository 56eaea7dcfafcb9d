"""A checkpoint is read as the network it holds, from the shapes of its weights, whole or in half precision."""

from __future__ import annotations

import pytest
import typer

torch = pytest.importorskip("torch", reason="needs the workstation extra")

from tests.networks import images, trained_like  # noqa: E402
from tools import checkpoint, network  # noqa: E402

pytestmark = pytest.mark.workstation


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0])
def test_the_width_is_told_from_the_weights(tmp_path, width):
    written = network.MobileNetV2(8, width)
    checkpoint.save(written.state_dict(), tmp_path / "written.ckpt")
    read = checkpoint.read(tmp_path / "written.ckpt")
    assert not read.training
    with torch.no_grad():
        torch.testing.assert_close(read(images(1)), written.eval()(images(1)))


def test_the_command_leaves_the_state_of_the_training_and_half_of_the_digits(tmp_path, capsys):
    trained = trained_like()
    state = {f"network.{name}": value for name, value in trained.state_dict().items()}
    torch.save({"state_dict": state, "optimizer_states": [torch.zeros(1_000_000)]}, tmp_path / "last.ckpt")
    sizes = {}
    for half in (False, True):
        checkpoint.main(tmp_path / "last.ckpt", tmp_path / "kept.ckpt", half)
        sizes[half] = (tmp_path / "kept.ckpt").stat().st_size
        assert f"{sizes[half]:,} after" in capsys.readouterr().out
        read = checkpoint.read(tmp_path / "kept.ckpt")
        assert all(weight.dtype == torch.float32 for weight in read.parameters())
        tolerance = 1e-2 if half else 0
        torch.testing.assert_close(
            dict(read.named_parameters()), dict(trained.named_parameters()), rtol=tolerance, atol=tolerance
        )
        assert (checkpoint.digest(tmp_path / "kept.ckpt") == checkpoint.digest(tmp_path / "last.ckpt")) == (not half)
    assert sizes[True] < 0.65 * sizes[False]


def test_a_resnet_is_a_victim_and_nothing_to_convert(tmp_path):
    pytest.importorskip("monai", reason="needs the workstation extra")
    written = network.ResNet50(8)
    checkpoint.save(written.state_dict(), tmp_path / "resnet.ckpt", half=True)
    with pytest.raises(ValueError, match=r"expected a MobileNetV2 checkpoint of tools\.train"):
        checkpoint.read(tmp_path / "resnet.ckpt")
    victim = checkpoint.read_victim(tmp_path / "resnet.ckpt")
    assert isinstance(victim, network.ResNet50)
    assert not victim.training


def test_a_mobilenet_is_a_victim_too(tmp_path):
    checkpoint.save(trained_like().state_dict(), tmp_path / "small.ckpt")
    assert isinstance(checkpoint.read_victim(tmp_path / "small.ckpt"), network.MobileNetV2)


def test_another_number_of_classes_and_other_files_are_refused(tmp_path):
    checkpoint.save(network.MobileNetV2(5, 0.35).state_dict(), tmp_path / "five.ckpt")
    with pytest.raises(ValueError, match=r"expected a MobileNetV2 of width 0\.35 in"):
        checkpoint.read(tmp_path / "five.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "empty.ckpt")
    with pytest.raises(typer.BadParameter, match="without weights of a network"):
        checkpoint.main(tmp_path / "empty.ckpt", tmp_path / "kept.ckpt")
