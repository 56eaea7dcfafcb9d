"""The card tool on a drawn data set: a card the device accepts, and a README that says what the card says."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from edge_mdda import model
from tests.conftest import draw_data_set

pytest.importorskip("ai_edge_litert", reason="needs the LiteRT runtime")
pytest.importorskip("matplotlib", reason="needs the workstation extra")
from tools import card, card_page

CHECKOUT = Path(__file__).parent.parent
SHIPPED = CHECKOUT / "models" / model.DEFAULT


def run(bundle: Path, data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The card tool as a person runs it; the int8 model stands in for the float32 one, so the two must agree."""
    arguments = [str(bundle), "--data", str(data), "--float", str(bundle / "model.tflite"), "--seeds", "2", *more]
    return subprocess.run(
        [sys.executable, "-m", "tools.card", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four drawn images: one of each class in val, test and external."""
    return draw_data_set(tmp_path_factory.mktemp("data"), card.MEASURED_SPLITS, of_each_class=1)


@pytest.fixture(scope="module")
def plain(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of the plain model, for which the shipped one stands in: nothing is lost against it."""
    record = tmp_path_factory.mktemp("plain") / "plain.json"
    arguments = [str(SHIPPED), "--data", str(data), "--split", "test", "--out", str(record)]
    subprocess.run([sys.executable, "-m", "tools.evaluate", *arguments], cwd=CHECKOUT, check=True)
    return record


@pytest.fixture(scope="module")
def bundle(data: Path, plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose card the tool has just written."""
    folder = tmp_path_factory.mktemp("bundles") / "drawn"
    folder.mkdir()
    for name in ("model.tflite", "labels.txt"):
        shutil.copy(SHIPPED / name, folder)
    result = run(folder, data, "--plain", str(plain), "--training-minutes", "7")
    assert result.returncode == 0, result.stderr
    assert card_page.headline(json.loads((folder / "card.json").read_text())) in result.stdout
    return folder


def test_the_device_accepts_the_card(bundle: Path):
    loaded = model.load(bundle)
    assert loaded.name == "drawn"
    assert loaded.sha256 == hashlib.sha256((bundle / "model.tflite").read_bytes()).hexdigest()
    assert (loaded.low, loaded.high) == (0, 1)
    assert loaded.temperature == loaded.card["output"]["temperature"] > 0


def test_the_card_holds_what_was_measured(bundle: Path):
    written = model.load(bundle).card
    measured = written["measured"]
    assert list(measured["raw"]) == list(card.MEASURED_SPLITS)
    for views in measured["raw"].values():
        found = views["int8"]
        assert found["images"] == 8
        assert sum(map(sum, found["confusion"])) == 8
        right = sum(row[index] for index, row in enumerate(found["confusion"]))
        assert found["accuracy"] == found["balanced_accuracy"] == right / 8
        low, high = found["accuracy_95"]
        assert 0 <= low <= found["accuracy"] <= high <= 1
        assert views["int8_against_float32"]["agreement"] == 1
        assert found == views["float32"]
    assert list(measured["purified"]) == ["paper-small", "paper-large", "edge"]
    raw = measured["raw"]["test"]["int8"]["accuracy"]
    for views in measured["purified"].values():
        assert views["int8"]["seeds"] == 2
        assert views["int8_against_float32"]["agreement"] == 1
        lost = views["int8"]["accuracy"] - raw
        assert views["against_plain"]["accuracy_difference"] == pytest.approx(lost, abs=1e-6)
    assert measured["raw"]["test"]["against_plain"]["accuracy_difference"] == 0
    assert written["bytes"] == (SHIPPED / "model.tflite").stat().st_size


def test_the_readme_repeats_the_card(bundle: Path):
    written = model.load(bundle).card
    readme = (bundle / "README.md").read_text()
    assert readme == card_page.write(written)
    for split in card.MEASURED_SPLITS:
        found = written["measured"]["raw"][split]["int8"]
        low, high = (100 * bound for bound in found["accuracy_95"])
        assert f"| {split} | 8 | int8 | {100 * found['accuracy']:.1f} % ({low:.1f}–{high:.1f}) |" in readme
    assert written["sha256"]["model.tflite"] in readme
    assert written["command"] in readme
    assert "The training took 7 minutes." in readme
    assert f"({card.FIGURE})" in readme
    assert (bundle / card.FIGURE).read_bytes().startswith(b"\x89PNG")
    for words in ("CC BY-NC 4.0", "not a medical device", "5:180161", "lighter skin"):
        assert words in readme


def test_the_overview_has_a_row_for_each_bundle(bundle: Path):
    written = model.load(bundle).card
    rows = card_page.overview([written, written | {"name": "other"}]).splitlines()
    assert len(rows) == 4
    test = written["measured"]["raw"]["test"]["int8"]
    both = f"{100 * test['accuracy']:.1f} % / {100 * test['balanced_accuracy']:.1f} %"
    assert rows[2].startswith(f"| [`drawn`](drawn/README.md) | {written['bytes'] / 1e6:.2f} | 224 | ")
    assert f"| {both} |" in rows[2]
    assert len({row.count("|") for row in rows}) == 1


def test_the_script_that_rebuilds_a_bundle_is_recorded():
    known = card.describe_rebuilding(SHIPPED)
    assert known is not None
    assert (CHECKOUT / known["command"].removeprefix("sh ")).read_text() == known["script"]
    assert card.describe_rebuilding(Path("nothing_of_that_name")) is None


@pytest.mark.parametrize("script", sorted(card.SCRIPTS.glob("*.sh")), ids=lambda script: script.stem)
def test_scripts_run_tools_and_recipes_that_exist(script: Path):
    subprocess.run(["sh", "-n", script], check=True)
    text = script.read_text()
    modules = re.findall(r"python -m (\S+)", text)
    assert {"tools.train", "tools.convert", "tools.card"} <= set(modules)
    for file in [*(f"{module.replace('.', '/')}.py" for module in modules), *re.findall(r"tools/recipes/\S+", text)]:
        assert (CHECKOUT / file).is_file(), file
    assert f"models/{script.stem}" in text


def test_a_plain_record_of_something_else_is_refused(plain: Path, tmp_path: Path):
    labels = np.arange(8)
    assert card.read_plain(plain, labels, None)[1].shape == (8,)
    with pytest.raises(typer.BadParameter, match="expected predictions for 7 images"):
        card.read_plain(plain, labels[:7], None)
    with pytest.raises(typer.BadParameter, match="got those of others"):
        card.read_plain(plain, np.zeros(8, int), None)
    other = tmp_path / "val.json"
    other.write_text(json.dumps(json.loads(plain.read_text()) | {"split": "val"}))
    with pytest.raises(typer.BadParameter, match=r"expected a record of tools[.]evaluate --split test"):
        card.read_plain(other, labels, None)


def test_nothing_of_this_machine_is_written(bundle: Path, data: Path):
    for name in ("card.json", "README.md"):
        content = (bundle / name).read_text()
        assert str(bundle.parent) not in content
        assert str(data) not in content
        assert not re.search(r"(?<![\w.:/])/(tmp|home|work|root|usr)/", content)


def test_missing_data_is_refused_and_nothing_written(tmp_path: Path):
    for name in ("model.tflite", "labels.txt"):
        shutil.copy(SHIPPED / name, tmp_path)
    result = run(tmp_path, tmp_path / "absent")
    assert result.returncode != 0
    assert "expected labels.csv" in result.stderr
    assert not (tmp_path / "card.json").exists()


def test_a_missing_split_is_refused(data: Path, tmp_path: Path):
    text = (data / "labels.csv").read_text()
    (tmp_path / "labels.csv").write_text("".join(line for line in text.splitlines(True) if "external" not in line))
    shutil.copytree(data / "images", tmp_path / "images")
    for name in ("model.tflite", "labels.txt"):
        shutil.copy(SHIPPED / name, tmp_path)
    result = run(tmp_path, tmp_path)
    assert result.returncode != 0
    assert "expected images in split 'external', got none" in result.stderr


def test_rounding_keeps_everything_but_digits():
    assert card.rounded({"a": (1.23456789, None), "b": ["x", 3]}) == {"a": [1.234568, None], "b": ["x", 3]}
