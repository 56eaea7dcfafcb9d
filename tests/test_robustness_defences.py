"""Every defence has the same interface; MDDA's variants are what their names say; the alarm chooses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "pywt", "skimage", "torch"):
    pytest.importorskip(library, reason="needs the robustness extra")

import torch  # noqa: E402

from edge_mdda import EDGE, PAPER_LARGE, Purifier, model  # noqa: E402
from tests import laboratory  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tools.robustness import defences, networks, plan  # noqa: E402
from tools.robustness.victims import Victim  # noqa: E402

PIXELS = np.rint(draw(64, 64) * 255).astype(np.uint8)
SHIPPED = Path(__file__).parent.parent / "models" / model.DEFAULT


@pytest.fixture
def untrained(tmp_path, monkeypatch):
    """The two networks with weights of their first moment, in place of trained ones."""
    for network, name in ((networks.SuperResolution(), "SUPER_RESOLUTION"), (networks.Representation(), "NRP")):
        path = tmp_path / f"{name}.pt"
        torch.save(network.state_dict(), path)
        load = networks.load_super_resolution if name == "SUPER_RESOLUTION" else networks.load_purifier
        monkeypatch.setattr(networks, load.__name__, lambda load=load, path=path: load(path))
    defences.read.cache_clear()
    yield
    defences.read.cache_clear()


@pytest.mark.parametrize("name", [*defences.ALL, "edge:apart", "paper-small:sigma=0.1:blocks=1:scales=-1+0"])
def test_every_defence_keeps_shape_and_range_and_depends_on_its_seed_alone(name, untrained):
    defence = defences.read(name)
    first, same, other = (defence.apply(PIXELS, seed) for seed in (1, 1, 2))
    assert (first.dtype, first.shape) == (np.float32, PIXELS.shape)
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_array_equal(first, same)
    assert (first != other).any() == defence.random


def test_none_changes_nothing_and_bits_are_reduced():
    np.testing.assert_array_equal(defences.read("none").apply(PIXELS, 0), PIXELS / np.float32(255))
    assert len(np.unique(defences.read("bit-depth").apply(PIXELS, 0))) <= 2**defences.BITS


def test_mdda_is_the_device_with_the_parameters_asked_for():
    for name, parameters in (("edge", EDGE), ("paper-large", PAPER_LARGE)):
        expected = Purifier(parameters).purify(PIXELS / np.float32(255), 5)
        np.testing.assert_array_equal(defences.read(name).apply(PIXELS, 5), expected)
    changed = defences.read("edge:sigma=0.1:blocks=3:own_scale=False:scales=-1+0").parameters
    assert (changed.sigma, changed.blocks, changed.own_scale, changed.scales) == (0.1, 3, False, (-1, 0))
    assert changed.weight == EDGE.weight


def test_scales_apart_differ_from_scales_that_meet_only_where_there_are_several():
    one = "edge:scales=0"
    np.testing.assert_allclose(
        defences.read(f"{one}:apart").apply(PIXELS, 5), defences.read(one).apply(PIXELS, 5), atol=2e-6
    )
    assert np.abs(defences.read("edge:apart").apply(PIXELS, 5) - defences.read("edge").apply(PIXELS, 5)).max() > 0.01


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blur", "expected a defence out of none, bit-depth"),
        ("jpeg:quality=3", "expected no parameters for jpeg"),
        ("edge:colour=3", "expected name=value with a name out of sigma"),
        ("edge:blocks=many", "expected blocks as int, got 'many'"),
        ("edge:sigma=3", "expected sigma in"),
    ],
)
def test_an_unknown_defence_or_parameter_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        defences.read(name)


def test_every_group_can_be_read(untrained):
    for names in defences.GROUPS.values():
        for name in names:
            preset = name.partition(":")[0]
            unchanged = defences.read(name).settings == defences.read(preset).settings
            assert defences.read(name).name == (preset if unchanged else name)


def test_equal_defences_have_one_name():
    """A sweep has a preset's own value in it: results are found by what a defence does, and reported by its name."""
    swept = {defences.read(name).name for name in defences.GROUPS["sweep-sigma"] if name.startswith("edge:")}
    assert "edge" in swept
    assert f"edge:sigma={EDGE.sigma:g}" not in swept
    assert defences.read("edge:blocks=3:sigma=0.10").name == "edge:sigma=0.1:blocks=3"
    assert defences.read("edge-auto:scales=-1+0:own_scale=False").name == "edge-auto:scales=-1+0:own_scale=False"
    assert defences.read("edge:weight=0:apart").name == "edge:weight=0:apart"


def test_missing_weights_name_the_command_that_makes_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"tools\.robustness train"):
        networks.load_purifier(tmp_path / "none.pt")


class TestAuto:
    @pytest.fixture(scope="class")
    def shipped(self):
        pytest.importorskip("ai_edge_litert", reason="needs a TFLite runtime")
        return Victim("int8", SHIPPED)

    def test_it_answers_as_the_device_does(self, shipped):
        """On a clean drawing, on its attacked twin, and on noise: `assess` with the same seed says the same."""
        from edge_mdda import Classifier, assess, image

        samples = SHIPPED.parent / "samples"
        pictures = [image.decode((samples / name).read_bytes()) for name in ("lesion.png", "lesion_adversarial.png")]
        defence, classifier = defences.read("edge-auto"), Classifier(SHIPPED)
        answers = set()
        for pixels in pictures:
            report = assess(pixels, Purifier(EDGE), classifier, seed=3, purify="auto")
            logits, seconds = defence.answer(shipped, pixels, 3)
            assert classifier.labels[int(logits.argmax())] == report.answer.top
            assert seconds > 0
            answers.add(report.judgement.answer)
        assert answers == {"raw", "purified"}

    def test_its_answers_are_found_by_what_the_alarm_goes_by(self, shipped, monkeypatch):
        """A model calibrated anew has other answers with the same weights."""
        question = plan.Question(shipped, "edge-auto", 0)
        key = question.key
        assert question.content["alarm"] == {
            "temperature": shipped.temperature,
            "most_divergence": shipped.calibration.of(EDGE).most_divergence,
        }
        monkeypatch.setattr(Victim, "temperature", 2.0)
        assert plan.Question(shipped, "edge-auto", 0).key != key
        assert "alarm" not in plan.Question(shipped, "edge", 0).content

    def test_it_serves_only_who_is_calibrated_for_it(self, shipped, tmp_path):
        assert defences.read("edge-auto").serves(shipped)
        assert not defences.read("edge-auto:sigma=0.1").serves(shipped)
        assert not defences.read("edge-auto").serves(laboratory.victim(tmp_path))
        assert defences.read("edge").serves(laboratory.victim(tmp_path))
