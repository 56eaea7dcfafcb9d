"""The card tool on a drawn data set: a card the device accepts, and a README that says what the card says."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_mdda import image, model
from tests.conftest import draw
from tools import card, card_page, dataset

CHECKOUT = Path(__file__).parent.parent
SHIPPED = CHECKOUT / "models" / model.DEFAULT
pytest.importorskip("ai_edge_litert", reason="needs the LiteRT runtime")


def run(bundle: Path, data: Path) -> subprocess.CompletedProcess[str]:
    """The card tool as a person runs it; the int8 model stands in for the float32 one, so the two must agree."""
    arguments = [str(bundle), "--data", str(data), "--float", str(bundle / "model.tflite"), "--seeds", "2"]
    return subprocess.run(
        [sys.executable, "-m", "tools.card", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four drawn images: one of each class in val, test and external."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "split"])
        for number, split in enumerate(card.MEASURED_SPLITS):
            for index, label in enumerate(dataset.CLASSES):
                name = f"drawn_{split}_{label}"
                pixels = image.to_uint8(draw(96, 128, seed=10 * number + index))
                (folder / "images" / f"{name}.jpg").write_bytes(image.encode_jpeg(pixels))
                rows.writerow([name, label, split])
    return folder


@pytest.fixture(scope="module")
def bundle(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose card the tool has just written."""
    folder = tmp_path_factory.mktemp("bundles") / "drawn"
    folder.mkdir()
    for name in ("model.tflite", "labels.txt"):
        shutil.copy(SHIPPED / name, folder)
    result = run(folder, data)
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
    measured = model.load(bundle).card["measured"]
    for split in card.MEASURED_SPLITS:
        found = measured["int8"][split]
        assert found["images"] == 8
        assert sum(map(sum, found["confusion"])) == 8
        right = sum(row[index] for index, row in enumerate(found["confusion"]))
        assert found["accuracy"] == found["balanced_accuracy"] == right / 8
        low, high = found["accuracy_95"]
        assert 0 <= low <= found["accuracy"] <= high <= 1
        assert measured["int8_against_float32"][split]["agreement"] == 1
        assert measured["int8"][split] == measured["float32"][split]
    for preset in ("edge", "paper-large", "paper-small"):
        for split in card.PURIFIED_SPLITS:
            assert measured["purified"][preset][split]["seeds"] == 2


def test_the_readme_repeats_the_card(bundle: Path):
    written = model.load(bundle).card
    readme = (bundle / "README.md").read_text()
    assert readme == card_page.write(written)
    for split in card.MEASURED_SPLITS:
        found = written["measured"]["int8"][split]
        low, high = (100 * bound for bound in found["accuracy_95"])
        assert f"| {split} | 8 | int8 | {100 * found['accuracy']:.1f} % ({low:.1f}–{high:.1f}) |" in readme
    assert written["sha256"]["model.tflite"] in readme
    assert written["command"] in readme
    for words in ("CC BY-NC 4.0", "not a medical device", "5:180161", "lighter skin"):
        assert words in readme


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
