"""The tool on a drawn data set: a bundle the device accepts, a record of what was measured, a page that repeats it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("ai_edge_litert", "foolbox", "matplotlib", "skimage", "torch", "torchmetrics"):
    pytest.importorskip(library, reason="needs the workstation extra")

from edge_mdda import EDGE, PAPER_LARGE, assess, image, model  # noqa: E402
from tests.conftest import draw, draw_data_set  # noqa: E402
from tools import card_page, doubt, doubt_page, mistakes  # noqa: E402

CHECKOUT = Path(__file__).parent.parent
SHIPPED = CHECKOUT / "models" / model.DEFAULT
CHECKPOINT = CHECKOUT / "models" / "checkpoints" / "purified.ckpt"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-eight drawn images: two of each class in val, test and external."""
    return draw_data_set(tmp_path_factory.mktemp("data"), ("val", "test", "external"), of_each_class=2)


@pytest.fixture(scope="module")
def bundle(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that the tool has just calibrated, with one weak attack and two mistakes a kind."""
    folder = tmp_path_factory.mktemp("bundles") / "drawn"
    shutil.copytree(SHIPPED, folder)

    def few(dermoscopic: np.ndarray) -> dict[str, np.ndarray]:
        return {"blank": np.stack([mistakes.blank(seed, dermoscopic.shape[1]) for seed in (0, 1)])}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doubt, "ATTACKS", {"PGD-1, 4/255": (4, 1)})
        patch.setattr(mistakes, "to_choose", few)
        patch.setattr(mistakes, "to_measure", few)
        doubt.main(folder, CHECKPOINT, data, ["edge"], 3)
    return folder


def test_the_device_accepts_it_and_judges_by_it(bundle: Path):
    known = model.load(bundle).calibration
    assert known is not None
    assert known.of(EDGE) is not None
    assert known.of(PAPER_LARGE) is None
    from edge_mdda import Classifier, Purifier

    judgement = assess(image.to_uint8(draw(224, 224)), Purifier(EDGE), Classifier(bundle)).judgement
    assert judgement.purify == "auto"
    assert judgement.distance is not None
    assert judgement.distance.threshold == known.appearance.most


def test_the_record_holds_what_was_measured(bundle: Path):
    record = json.loads((bundle / doubt_page.RECORD).read_text())
    assert record["schema"] == doubt.SCHEMA
    assert record["model"] == model.load(bundle).sha256
    assert set(record["sets"]) == set(record["selective"]) == {"never", "edge, always", "edge, auto"}
    for way in record["sets"]:
        for split in ("val", "test", "external"):
            assert record["sets"][way][split]["0.9"]["images"] == record["selective"][way][split]["images"] == 16
    attacked = record["attacks"]["test"]["edge"]["PGD-1, 4/255"]
    assert attacked["alarm"]["images"] == attacked["auto"]["images"] == 3
    assert attacked["always"]["accuracy"] * 3 == pytest.approx(round(attacked["always"]["accuracy"] * 3), abs=1e-5)
    assert record["mistakes"]["measured_on"]["blank"]["appearance"]["images"] == 2


def test_the_readme_ends_with_the_record(bundle: Path):
    written = json.loads((bundle / "card.json").read_text())
    page = (bundle / "README.md").read_text()
    record = json.loads((bundle / doubt_page.RECORD).read_text())
    assert page == card_page.write(written) + doubt_page.section(bundle, written)
    assert doubt_page.markdown(record) in page
    found = record["sets"]["edge, auto"]["test"]["0.9"]
    for text in (page, doubt_page.summary(record)):
        assert f"| {100 * found['coverage']:.1f} % " in text
        assert f"{found['size']:.2f}" in text
    assert image.decode((bundle / doubt_page.FIGURE).read_bytes()).shape[2] == 3


def test_nothing_of_this_machine_is_written(bundle: Path, data: Path):
    for name in (doubt_page.CALIBRATION, doubt_page.RECORD):
        content = (bundle / name).read_text()
        assert str(bundle.parent) not in content
        assert str(data) not in content
        assert not re.search(r"(?<![\w.:/])/(tmp|home|work|root|usr)/", content)


class TestAttach:
    def test_a_card_written_anew_gets_it_back(self, bundle: Path):
        before = json.loads((bundle / "card.json").read_text())
        anew = {**before, "sha256": {name: before["sha256"][name] for name in ("model.tflite", "labels.txt")}}
        doubt_page.attach(bundle, anew)
        assert anew == before

    @pytest.mark.parametrize("part", ["model", "temperature"])
    def test_that_of_another_model_is_left_out(self, bundle: Path, part: str):
        card = json.loads((bundle / "card.json").read_text())
        if part == "model":
            card["sha256"]["model.tflite"] = "1" * 64
        else:
            card["output"]["temperature"] += 0.1
        doubt_page.attach(bundle, card)
        assert doubt_page.CALIBRATION not in card["sha256"]
        assert doubt_page.section(bundle, card) == ""

    def test_a_bundle_without_one_has_none(self, tmp_path: Path):
        card = json.loads((SHIPPED / "card.json").read_text())
        doubt_page.attach(tmp_path, card)
        assert doubt_page.section(tmp_path, card) == ""


def test_an_unknown_preset_is_refused(data: Path):
    with pytest.raises(doubt.typer.BadParameter, match=r"expected presets out of .*, got fast"):
        doubt.main(SHIPPED, CHECKPOINT, data, ["fast"], 3)


def test_answers_are_selected_by_hand():
    from edge_mdda.calibration import Answers

    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]])
    of = Answers({"A": (0.5,) * 50, "B": (0.5,) * 50}, most_uncertainty=0.4)
    found = doubt.selective(probabilities, of, [probabilities], np.array([0, 1, 1, 1]))
    assert (found["answered"], found["risk"], found["risk_of_all"]) == (0.75, pytest.approx(1 / 3), 0.25)
    assert found["curve"][-1] == 0.25
    assert found["curve"][9] == 0
