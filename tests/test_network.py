"""The network is MobileNetV2, and a Keras backbone gives the same function in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the workstation extra")

from tools import network  # noqa: E402

pytestmark = pytest.mark.workstation


def settle(built, seed):
    """Random batch norms, so that none is the identity; the network in evaluation mode."""
    torch.manual_seed(seed)
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.8, 1.6)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.1, 0.4)
    return built.eval()


def keras_arrays(built):
    """The backbone's variables under Keras' names and in its layouts: HWIO kernels, HWC1 depthwise kernels."""
    layers = {("Conv1", "bn_Conv1"): built.stem, ("Conv_1", "Conv_1_bn"): built.top}
    for index, block in enumerate(built.blocks):
        prefix = f"block_{index}" if index else "expanded_conv"
        for part in ("expand", "depthwise", "project"):
            if getattr(block, part) is not None:
                layers[f"{prefix}_{part}", f"{prefix}_{part}_BN"] = getattr(block, part)
    arrays = {}
    for (convolution, batch_norm), layer in layers.items():
        kernel = layer.convolution.weight.detach().numpy()
        depthwise = layer.convolution.groups > 1
        arrays[f"{convolution}/kernel"] = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        arrays[f"{batch_norm}/gamma"] = layer.batch_norm.weight.detach().numpy()
        arrays[f"{batch_norm}/beta"] = layer.batch_norm.bias.detach().numpy()
        arrays[f"{batch_norm}/moving_mean"] = layer.batch_norm.running_mean.numpy()
        arrays[f"{batch_norm}/moving_variance"] = layer.batch_norm.running_var.numpy()
    return arrays


@pytest.fixture(scope="module")
def source():
    return settle(network.MobileNetV2(8, width=0.35), seed=1)


@pytest.fixture
def arrays(source):
    return {name: array.copy() for name, array in keras_arrays(source).items()}


@pytest.fixture
def empty():
    torch.manual_seed(2)
    return network.MobileNetV2(8, width=0.35).eval()


def test_the_full_network_has_the_parameters_of_the_paper():
    """2,257,984 in the backbone, as Keras counts them: 34,112 of those are moving averages and not trained."""
    full = network.MobileNetV2(8)
    trained = sum(parameter.numel() for name, parameter in full.named_parameters() if not name.startswith("head"))
    averages = sum(buffer.numel() for name, buffer in full.named_buffers() if "running" in name)
    assert (trained + averages, averages) == (2_257_984, 34_112)


@pytest.mark.parametrize("side", [64, 65, 224])
def test_logits_of_a_batch(side):
    built = network.MobileNetV2(5, width=0.35).eval()
    with torch.no_grad():
        assert built(torch.rand(2, 3, side, side)).shape == (2, 5)


def test_a_keras_backbone_is_the_same_function_with_the_normalisation_folded_in(source, arrays, empty, tmp_path):
    np.savez(tmp_path / "weights.npz", **arrays)
    network.load_backbone(empty, tmp_path / "weights.npz")
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))

    def stem(built, x):  # away from the border, where padding is 0 before the normalisation and after it
        return built.stem(x)[:, :, :-1, :-1]

    with torch.no_grad():
        ours, keras = stem(empty, image), stem(source, 2 * image - 1)
        torch.testing.assert_close(ours, keras, rtol=1e-4, atol=1e-4)
        # From here on every layer is the same, so the same features go in and the same come out.
        torch.testing.assert_close(
            empty.top(empty.blocks(keras)), source.top(source.blocks(keras)), rtol=1e-4, atol=1e-4
        )


def test_the_head_is_left_as_it_was(arrays, empty, tmp_path):
    before = empty.head.weight.clone()
    np.savez(tmp_path / "weights.npz", **arrays)
    network.load_backbone(empty, tmp_path / "weights.npz")
    torch.testing.assert_close(empty.head.weight, before)


def test_a_missing_kernel_is_named(arrays, empty, tmp_path):
    del arrays["block_3_expand/kernel"]
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(ValueError, match="expected an array block_3_expand/kernel"):
        network.load_backbone(empty, tmp_path / "weights.npz")


def test_a_missing_batch_norm_is_named(arrays, empty, tmp_path):
    del arrays["block_3_expand_BN/beta"]
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(ValueError, match="expected an array block_3_expand_BN/beta"):
        network.load_backbone(empty, tmp_path / "weights.npz")


def test_a_left_over_array_is_named(arrays, empty, tmp_path):
    np.savez(tmp_path / "weights.npz", **arrays, **{"predictions/kernel": np.zeros((1280, 1000), np.float32)})
    with pytest.raises(ValueError, match=r"expected only MobileNetV2 arrays .*predictions/kernel"):
        network.load_backbone(empty, tmp_path / "weights.npz")


def test_a_wrong_shape_is_refused(arrays, empty, tmp_path):
    arrays["bn_Conv1/gamma"] = np.ones(7, np.float32)
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(ValueError, match=r"expected shape \(16,\) for bn_Conv1/gamma, got \(7,\)"):
        network.load_backbone(empty, tmp_path / "weights.npz")


def test_resnet50_is_that_of_the_paper_with_its_normalisation_inside():
    """25,557,032 parameters with 1000 classes; MONAI's have a bias in the four downsampling convolutions too."""
    pytest.importorskip("monai", reason="needs the workstation extra")
    built = network.build("resnet50", 8, 1.0, 0.0).eval()
    downsampling = 256 + 512 + 1024 + 2048
    assert sum(weight.numel() for weight in built.parameters()) == 25_557_032 - 2048 * 992 - 992 + downsampling
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (built.MEAN, built.DEVIATION))
    with torch.no_grad():
        torch.testing.assert_close(built(image), built.head(built.features((image - mean) / deviation)))
        halved = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(4))
        seen = torch.nn.functional.interpolate(halved, (64, 64), mode="bilinear", antialias=True)
        torch.testing.assert_close(built(halved), built(seen))
    assert "mean" not in built.state_dict()


def test_resnet50_sees_images_at_the_size_of_its_recipe():
    recipe = pytest.importorskip("tools.recipe", reason="needs Python 3.11")
    learned = recipe.read(Path(network.__file__).with_name("recipes") / "resnet50.toml")
    assert [side for side, _ in learned.stages] == [network.ResNet50.SIDE]
