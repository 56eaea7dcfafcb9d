"""The surrogate is the purification itself, and gradients flow through it; the module and the preprocessor of it."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")

from edge_mdda import EDGE, PAPER_LARGE, Parameters, Purifier  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tests.laboratory import sensitive  # noqa: E402
from tests.networks import trained_like  # noqa: E402
from tools.robustness import aware, defences, surrogate  # noqa: E402
from tools.robustness.purification import Purification  # noqa: E402

PIXELS = np.stack([draw(48, 40, seed) for seed in range(2)])
IMAGES = torch.from_numpy(PIXELS).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize(
    "parameters",
    [EDGE, PAPER_LARGE, Parameters(total_variation="anisotropic", own_scale=False, blocks=2), Parameters(iterations=0)],
    ids=["edge", "paper-large", "anisotropic, without own scale", "no iterations"],
)
def test_it_purifies_as_the_device_does(parameters):
    purified = surrogate.purify(IMAGES, parameters, [3, 4]).permute(0, 2, 3, 1).numpy()
    purifier = Purifier(parameters, threads=1)
    expected = np.stack([purifier.purify(each, seed) for each, seed in zip(PIXELS, (3, 4), strict=True)])
    # The kernel's inverse square root is within 0.09 %, the rest within rounding.
    np.testing.assert_allclose(purified, expected, atol=2e-3)


def test_its_gradient_is_the_slope():
    parameters = Parameters(sigma=0.1, blocks=2, iterations=3, scales=(-1, 0))
    images = IMAGES.clone().requires_grad_()
    weights = torch.rand(IMAGES.shape, generator=torch.Generator().manual_seed(0))
    (weights * surrogate.purify(images, parameters, [1, 2])).sum().backward()
    direction = torch.randn(IMAGES.shape, generator=torch.Generator().manual_seed(1))
    step = 1e-3
    ahead, behind = (
        (weights.double() * surrogate.purify(IMAGES + way * step * direction, parameters, [1, 2])).sum()
        for way in (1, -1)
    )
    assert float((images.grad * direction).sum()) == pytest.approx(float((ahead - behind) / (2 * step)), rel=0.03)


def test_no_pixel_is_without_gradient():
    """Gradients flow: an attack through the surrogate is not blind where the defence would mask them."""
    images = torch.full((1, 3, 32, 32), 0.5).requires_grad_()
    surrogate.purify(images, EDGE, [5]).sum().backward()
    assert torch.isfinite(images.grad).all()
    assert (images.grad != 0).all()


@pytest.mark.parametrize("parameters", [Parameters(solver="split-bregman"), Parameters(channels="joint")])
def test_what_has_no_surrogate_is_refused(parameters):
    with pytest.raises(ValueError, match="expected chambolle-pock on channels apart"):
        surrogate.purify(IMAGES, parameters, [1, 2])


class TestPurification:
    def test_forward_is_the_device_bit_for_bit(self):
        for backward in ("identity", "surrogate"):
            purified = Purification(EDGE, backward, seed=9)(IMAGES.clone().requires_grad_()).detach()
            expected = np.stack([Purifier(EDGE, threads=1).purify(each, 9) for each in PIXELS])
            np.testing.assert_allclose(purified.permute(0, 2, 3, 1).numpy(), expected, atol=1e-7)

    def test_backward_is_the_identity_or_the_surrogate(self):
        gradients = {}
        for backward in ("identity", "surrogate"):
            images = IMAGES.clone().requires_grad_()
            (Purification(EDGE, backward, seed=9)(images) ** 2).sum().backward()
            gradients[backward] = images.grad
        expected = 2 * Purification(EDGE, seed=9)(IMAGES)
        torch.testing.assert_close(gradients["identity"], expected)
        images = IMAGES.clone().requires_grad_()
        (expected * surrogate.purify(images, EDGE, [9, 9])).sum().backward()
        torch.testing.assert_close(gradients["surrogate"], images.grad)

    def test_every_pass_draws_its_own_noise(self):
        module = Purification(EDGE, random=np.random.default_rng(0))
        assert (module(IMAGES) != module(IMAGES)).any()

    def test_another_way_back_is_refused(self):
        with pytest.raises(ValueError, match="expected backward out of identity, surrogate, got 'none'"):
            Purification(EDGE, "none")

    def test_a_library_attacks_through_it(self):
        torchattacks = pytest.importorskip("torchattacks", reason="needs the robustness extra")
        defended = torch.nn.Sequential(Purification(EDGE, "surrogate", seed=1), sensitive(side=(48, 40))).eval()
        labels = defended(IMAGES).argmax(1)
        attacked = torchattacks.PGD(defended, eps=16 / 255, alpha=4 / 255, steps=8)(IMAGES, labels)
        assert (attacked - IMAGES).abs().max() <= 16 / 255 + 1e-6
        assert (defended(attacked).argmax(1) != labels).all()


class TestInART:
    @pytest.fixture(scope="class")
    def classified(self):
        pytest.importorskip("art", reason="needs the robustness extra")
        from art.estimators.classification import PyTorchClassifier

        from tools.robustness.art_preprocessor import MDDA

        network = sensitive(side=(48, 40))

        def make(backward):
            return PyTorchClassifier(
                network,
                loss=torch.nn.CrossEntropyLoss(),
                input_shape=tuple(IMAGES.shape[1:]),
                nb_classes=8,
                clip_values=(0.0, 1.0),
                device_type="cpu",
                preprocessing_defences=[MDDA(EDGE, backward, seed=1)],
            )

        return network, make

    def test_it_predicts_behind_the_purification(self, classified):
        network, make = classified
        expected = network(Purification(EDGE, seed=1)(IMAGES)).detach().numpy()
        np.testing.assert_allclose(make("identity").predict(IMAGES.numpy()), expected, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("backward", ["identity", "surrogate"])
    def test_its_attack_succeeds_through_the_estimated_gradient(self, classified, backward):
        from art.attacks.evasion import ProjectedGradientDescent

        classifier = classified[1](backward)
        labels = classifier.predict(IMAGES.numpy()).argmax(1)
        descent = ProjectedGradientDescent(classifier, eps=16 / 255, eps_step=4 / 255, max_iter=8, verbose=False)
        attacked = descent.generate(IMAGES.numpy(), labels)
        assert np.abs(attacked - IMAGES.numpy()).max() <= 16 / 255 + 1e-6
        assert (classifier.predict(attacked).argmax(1) != labels).all()

    def test_images_may_have_their_channels_last(self):
        pytest.importorskip("art", reason="needs the robustness extra")
        from tools.robustness.art_preprocessor import MDDA

        purified, labels = MDDA(EDGE, channels_first=False, seed=1)(PIXELS, np.array([1, 2]))
        first, _ = MDDA(EDGE, seed=1)(IMAGES.numpy())
        np.testing.assert_array_equal(purified, first.transpose(0, 2, 3, 1))
        np.testing.assert_array_equal(labels, [1, 2])
        for backward in ("identity", "surrogate"):
            gradient = MDDA(EDGE, backward, channels_first=False, seed=1).estimate_gradient(PIXELS, PIXELS)
            assert gradient.shape == PIXELS.shape


class TestAware:
    def test_looks_are_averaged(self):
        defence, network = defences.read("edge"), trained_like()
        given = {"label": 0, "seed": 3, "known_seed": 1}
        several = aware.defended(network, defence, "identity", looks=3, **given)(IMAGES)
        single = aware.defended(network, defence, "identity", looks=1, **given)
        draws = Purification(EDGE, random=np.random.default_rng(3))(IMAGES.repeat_interleave(3, dim=0))
        torch.testing.assert_close(several, network(draws).unflatten(0, (2, 3)).mean(1))
        assert single(IMAGES).shape == several.shape

    def test_who_knows_the_seed_sees_what_the_defender_sees(self):
        defence, network = defences.read("edge"), trained_like()
        seen = aware.defended(network, defence, "seed", label=0, looks=1, seed=3, known_seed=7)(IMAGES)
        torch.testing.assert_close(seen, network(Purification(EDGE, seed=7)(IMAGES)))

    def test_who_knows_the_alarm_goes_on_with_the_view_that_is_misled_less(self):
        """Logits of either view, whichever gives the right class more: the other is misled already."""
        came, purified = torch.tensor([[4.0, 0.0], [0.0, 4.0]]), torch.tensor([[1.0, 0.0], [3.0, 0.0]])
        seen = aware.Alike(lambda images: came, lambda images: purified, label=0)(torch.zeros(2, 3, 8, 8))
        assert seen.tolist() == [[4.0, 0.0], [3.0, 0.0]]
        defence, network = defences.read("edge-auto"), trained_like()
        given = {"label": 1, "looks": 2, "seed": 3, "known_seed": 1}
        logits = aware.defended(network, defence, "alarm", **given)(IMAGES)
        behind = aware.defended(network, defence, "identity", **given)(IMAGES)
        views = torch.stack([network(IMAGES), behind])
        right = views.log_softmax(2)[:, :, 1]
        torch.testing.assert_close(logits, views[right.argmax(0), torch.arange(2)])

    @pytest.mark.parametrize("name", ["none", "edge:apart"])
    def test_what_it_cannot_know_is_refused(self, name):
        with pytest.raises(ValueError, match="expected MDDA to attack with knowledge of it"):
            aware.defended(trained_like(), defences.read(name), "identity", label=0, looks=1, seed=0, known_seed=0)
