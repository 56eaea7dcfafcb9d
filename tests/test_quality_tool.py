"""The tool on a drawn data set: constants the device accepts, a record of what was measured, a page that repeats it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("matplotlib", "torch", "torchmetrics"):
    pytest.importorskip(library, reason="needs the workstation extra")

from edge_mdda import image, quality  # noqa: E402
from tests.conftest import draw, draw_data_set  # noqa: E402
from tools import constancy, quality_page, spoil  # noqa: E402
from tools import quality as tool  # noqa: E402

MODELS = Path(__file__).parent.parent / "models"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], str, bytes]:
    """Constants, record, page and figure of a run on eight drawn images a split."""
    folder = tmp_path_factory.mktemp("quality")
    data = draw_data_set(tmp_path_factory.mktemp("data"), tool.SPLITS, of_each_class=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constancy, "CASTS", (0, 5))
        tool.main(data, folder / "constants.json", folder, None, copies=2, limit=None)
    constants = json.loads((folder / "constants.json").read_text())
    record = json.loads((folder / quality_page.RECORD).read_text())
    page = (folder / quality_page.PAGE).read_text()
    assert not re.search(r"(?<![\w.:/])/(tmp|home|work|root|usr)/", page + json.dumps(record))
    return constants, record, page, (folder / quality_page.FIGURE).read_bytes()


def test_the_constants_have_what_the_device_reads(written: Any) -> None:
    constants, record, _, _ = written
    assert set(constants["thresholds"]) == set(quality.ADVICE)
    assert np.linalg.norm(constants["light"]) == pytest.approx(1, abs=1e-5)
    assert constants["thresholds"] == pytest.approx(record["thresholds"], abs=1e-5)


def test_the_record_holds_every_fault_severity_and_split(written: Any) -> None:
    _, record, _, _ = written
    for split in tool.SPLITS:
        assert record["clean"][split]["images"] == 8
        for severities in record["found"][split].values():
            assert len(severities) == 5
            assert all(0 <= each["auroc"] <= 1 and each["part"] in (0, 0.5, 1) for each in severities)
    assert set(record["roc"]) == set(record["also"]) == set(spoil.FAULTS)
    lamps = record["colour_constancy"]["test"]
    assert lamps["0"]["raw"]["off"]["images"] == 8
    assert lamps["5"]["edge"]["towards the usual light"]["images"] == 2


def test_the_page_repeats_the_record(written: Any) -> None:
    _, record, page, picture = written
    assert page == quality_page.markdown(record)
    each = record["found"]["test"]["dark"][2]
    assert f"{each['auroc']:.3f} / {100 * each['part']:.1f} %" in page
    assert all(advice in page for advice in quality.ADVICE.values())
    assert image.decode(picture).shape[2] == 3


def test_what_is_shipped_was_made_by_it() -> None:
    record = json.loads((MODELS / quality_page.RECORD).read_text())
    assert (MODELS / quality_page.PAGE).read_text() == quality_page.markdown(record)
    assert dict(quality.thresholds()) == pytest.approx(record["thresholds"], abs=1e-5)
    assert quality.usual_light() == pytest.approx(record["light"], abs=1e-5)
    assert record["clean"]["val"]["any"]["part"] <= record["rate"]


class TestChoose:
    def test_as_many_images_are_above_each_threshold_as_the_rate_allows_for_any(self) -> None:
        random = np.random.default_rng(0)
        measures = {name: random.uniform(size=200) for name in ("focus", "dark", "hair")}
        chosen = tool.choose(measures, rate=0.05)
        counts = {name: int((values > chosen[name]).sum()) for name, values in measures.items()}
        assert len(set(counts.values())) == 1
        assert tool.warned(measures, chosen).mean() <= 0.05
        looser = {name: np.sort(values)[-2 - counts[name]] for name, values in measures.items()}
        assert tool.warned(measures, looser).mean() > 0.05

    def test_measures_that_agree_share_their_images(self) -> None:
        values = np.arange(100) / 100
        chosen = tool.choose({"focus": values, "motion": values}, rate=0.05)
        assert int((values > chosen["focus"]).sum()) == 5

    def test_without_any_rate_nothing_is_warned_of(self) -> None:
        values = np.random.default_rng(1).uniform(size=50)
        chosen = tool.choose({"focus": values}, rate=0.0)
        assert not tool.warned({"focus": values}, chosen).any()


def test_a_roc_curve_goes_from_nothing_to_everything() -> None:
    usual, unusual = np.arange(100) / 100, np.arange(100) / 100 + 0.5
    curve = tool.roc(usual, unusual)
    assert (curve["false"][0], curve["found"][0]) == (0, pytest.approx(0.5, abs=0.02))
    assert (curve["false"][-1], curve["found"][-1]) == (1, 1)
    assert curve["found"] == sorted(curve["found"])


def test_copies_repeat_themselves() -> None:
    pixels = np.stack([image.to_uint8(draw(64, 64, seed)) for seed in range(2)])
    assert np.array_equal(tool.spoilt(pixels, "hair", 3), tool.spoilt(pixels, "hair", 3))
    assert not np.array_equal(tool.spoilt(pixels, "hair", 3), tool.spoilt(pixels, "hair", 4))
