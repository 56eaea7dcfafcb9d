"""Which images represent the data, and what comes of a folder without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_mdda import image
from tests.conftest import draw
from tools import dataset, pictures


def test_representative_images_favour_rare_classes_and_repeat():
    samples = [dataset.Sample(Path(str(i)), "NV" if i else "MEL", "train") for i in range(200)]
    samples += [dataset.Sample(Path(f"mel{i}"), "MEL", "train") for i in range(19)]
    chosen = pictures.choose(samples, 60, 1)
    assert chosen == pictures.choose(samples, 60, 1)
    assert len(set(chosen)) == 60
    assert sum(sample.label == "MEL" for sample in chosen) > 60 * 20 / 219
    assert len(pictures.choose(samples, 1000, 1)) == len(samples)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for position in range(4):
        content = image.encode_png(image.to_uint8(draw(40, 50, position)))
        (tmp_path / "images" / f"{position}.jpg").write_bytes(content)
    return tmp_path


def test_a_plain_folder_has_images_without_labels(folder):
    found = pictures.load(folder / "images", "train", 32, 48)
    assert found.labels is None
    assert found.pixels.shape == (4, 32, 48, 3)
    drawn = pictures.load(folder / "images", "train", 32, 48, 2, seed=3).pixels
    assert len(drawn) == 2
    assert all((found.pixels == picture).all((1, 2, 3)).any() for picture in drawn)
    assert np.array_equal(drawn, pictures.load(folder / "images", "train", 32, 48, 2, seed=3).pixels)


def test_of_a_data_set_one_split_is_taken_with_its_labels(folder):
    (folder / "labels.csv").write_text("image,label,split\n0,MEL,train\n1,NV,val\n2,BCC,val\n3,NV,test\n")
    found = pictures.load(folder, "val", 32, 32)
    assert found.labels == ("NV", "BCC")
    whole = pictures.load(folder / "images", "val", 32, 32)
    np.testing.assert_array_equal(found.pixels, whole.pixels[1:3])


def test_no_folder_and_no_images_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a folder of images"):
        pictures.load(tmp_path / "missing", "val", 32, 32)
    with pytest.raises(ValueError, match="expected a folder with images"):
        pictures.load(tmp_path, "val", 32, 32)
