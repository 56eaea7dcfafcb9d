"""Who knows the purification takes it for the identity on the way back; attacked views repeat themselves."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("foolbox", reason="needs the workstation extra")

from edge_mdda import Parameters, Purifier  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tests.networks import trained_like  # noqa: E402
from tools import adversary  # noqa: E402

PURIFIER = Purifier(Parameters(sigma=0.1, blocks=1, iterations=2), threads=1)
PIXELS = np.stack([np.rint(draw(48, 48, seed) * 255).astype(np.uint8) for seed in range(3)])
LABELS = np.array([1, 3, 5])


def unit(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def test_forward_is_the_network_on_the_purified_image_and_backward_its_gradient_there():
    network, images = trained_like(), unit(PIXELS[:2]).requires_grad_()
    adversary.Defended(network, [PURIFIER, None], np.random.default_rng(7))(images).square().sum().backward()
    seed = int(np.random.default_rng(7).integers(2**63))
    purified = PURIFIER.purify((PIXELS[0] / np.float32(255)), seed=seed)
    there = torch.stack([torch.from_numpy(purified).permute(2, 0, 1), unit(PIXELS)[1]]).requires_grad_()
    network(there).square().sum().backward()
    torch.testing.assert_close(images.grad, there.grad, rtol=1e-3, atol=1e-5)


def test_every_look_draws_its_own_noise():
    defended = adversary.Defended(trained_like(), [PURIFIER] * 3, np.random.default_rng(7))
    with torch.no_grad():
        assert (defended(unit(PIXELS)) != defended(unit(PIXELS))).any()


def attacked(network, purifiers, levels=4, seed=1, steps=1):
    random = np.random.default_rng(seed)
    return adversary.attacked_views(network, PIXELS, LABELS, purifiers, levels=levels, steps=steps, random=random)


def loss(network, purifiers, pixels):
    defended = adversary.Defended(network, purifiers, np.random.default_rng(3))
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(defended(unit(pixels)), torch.from_numpy(LABELS)))


@pytest.mark.parametrize("purifiers", [[None] * 3, [PURIFIER, None, PURIFIER]], ids=["unaware", "some aware"])
@pytest.mark.parametrize("levels", [2, 4])
def test_a_step_stays_in_its_ball_raises_the_loss_and_repeats_itself(purifiers, levels):
    network = trained_like()
    moved = attacked(network, purifiers, levels)
    assert np.abs(moved.astype(int) - PIXELS).max() == levels
    np.testing.assert_array_equal(moved, attacked(network, purifiers, levels))
    assert (moved != attacked(network, purifiers, levels, seed=2)).any()
    assert loss(network, purifiers, moved) > loss(network, purifiers, PIXELS)


def test_several_steps_raise_the_loss_further_in_the_same_ball():
    network, unknown = trained_like(), [None] * 3
    one, several = attacked(network, unknown), attacked(network, unknown, steps=3)
    assert np.abs(several.astype(int) - PIXELS).max() == 4
    assert loss(network, unknown, several) > loss(network, unknown, one)


def test_who_knows_the_purification_steps_elsewhere():
    network = trained_like()
    assert (attacked(network, [None] * 3) != attacked(network, [PURIFIER] * 3)).any()


def test_a_network_in_training_is_left_as_it_was():
    network = trained_like().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    attacked(network, [PURIFIER] * 3)
    assert network.training
    assert all(layer.training for layer in network.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_the_random_numbers_of_a_training_go_on_as_without_attack():
    torch.manual_seed(1)
    expected = torch.rand(3)
    network = trained_like()
    torch.manual_seed(1)
    attacked(network, [None] * 3)
    torch.testing.assert_close(torch.rand(3), expected)
