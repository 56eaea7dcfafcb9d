"""Equalisation: the network computes what it did, and its activations use the range they are given."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")

from tests.networks import images, trained_like  # noqa: E402
from tools import equalisation, rounding  # noqa: E402


def uneven(seed=0):
    """A folded network, some channels of which are much narrower than the others."""
    folded = rounding.fold(trained_like(seed))
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for seam in equalisation.seams(folded):
            narrow = 10 ** -torch.rand(len(seam.made_by[0].bias), generator=random)
            for layer in seam.made_by:
                layer.weight *= narrow[:, None, None, None]
                layer.bias *= narrow
    return folded


def test_every_layer_makes_one_activation_and_uses_one():
    folded = uneven()
    layers = [layer for layer in folded.modules() if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    seams = list(equalisation.seams(folded))
    made = [layer for seam in seams for layer in seam.made_by]
    used = [layer for seam in seams for layer in seam.used_by]
    assert sorted(map(id, made)) == sorted(map(id, layers[:-1]))
    assert sorted(map(id, used)) == sorted(map(id, layers[1:]))


@pytest.mark.parametrize("seed", [0, 1])
def test_what_the_network_computes_stays_the_same(seed):
    folded, pixels = uneven(seed), images(4)
    with torch.inference_mode():
        before = folded(pixels)
        weights = folded.head.weight.clone()
        equalisation.equalise(folded, pixels)
        torch.testing.assert_close(folded(pixels), before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))
    assert not torch.equal(folded.head.weight, weights)


def test_channels_fill_the_range_of_their_activation():
    folded, pixels = uneven(), images(4)
    before = shares(folded, pixels)
    equalisation.equalise(folded, pixels)
    after = shares(folded, pixels)
    assert before.median() < 0.15
    assert after.median() > 0.85


def shares(folded, pixels):
    """How much of its activation's range each channel that is alive reaches, of all activations together."""
    return torch.cat([reach[reach > 0] / reach.max() for reach in equalisation.reaches(folded, pixels)])
