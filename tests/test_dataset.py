"""Both layouts of a data set are read as they are on disk, and no lesion is cut by a split."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict

import numpy as np
import pytest

from edge_mdda import image
from tools import dataset, drawing

COLUMNS = ("image", *dataset.CLASSES, "UNK")


def write_csv(path, header, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def one_hot(name, label):
    return [name, *(f"{float(column == label):.1f}" for column in COLUMNS[1:])]


@pytest.fixture
def splits_folder(tmp_path):
    """The layout of this project: four images, one a split."""
    rows = [("a", "MEL", "train"), ("b", "NV", "val"), ("c", "SCC", "test"), ("d", "BCC", "external")]
    write_csv(tmp_path / "labels.csv", ("image", "label", "split"), rows)
    (tmp_path / "images").mkdir()
    for seed, (name, _, _) in enumerate(rows):
        (tmp_path / "images" / f"{name}.jpg").write_bytes(image.encode_jpeg(drawing.draw(seed, 48)))
    return tmp_path


def write_isic_2019(folder, rows):
    """The official layout with (image, label, lesion) rows; no image files, which `read` does not open."""
    write_csv(folder / dataset.ISIC_2019["labels"], COLUMNS, [one_hot(name, label) for name, label, _ in rows])
    write_csv(
        folder / dataset.ISIC_2019["metadata"],
        ("image", "age_approx", "anatom_site_general", "lesion_id", "sex"),
        [(name, "50.0", "back", lesion, "female") for name, _, lesion in rows],
    )


def test_reads_labels_and_fixed_splits(splits_folder):
    samples = dataset.read(splits_folder)
    assert [(sample.path.name, sample.label, sample.split) for sample in samples] == [
        ("a.jpg", "MEL", "train"),
        ("b.jpg", "NV", "val"),
        ("c.jpg", "SCC", "test"),
        ("d.jpg", "BCC", "external"),
    ]
    assert [sample.label for sample in dataset.select(samples, "external")] == ["BCC"]


def test_loads_through_the_pixel_gate_at_the_side_asked_for(splits_folder):
    samples = dataset.read(splits_folder)
    pixels, labels = dataset.load(samples, 40)
    assert pixels.shape == (4, 40, 40, 3)
    assert pixels.dtype == np.uint8
    assert [dataset.CLASSES[label] for label in labels] == ["MEL", "NV", "SCC", "BCC"]
    np.testing.assert_array_equal(pixels[2], image.fit(image.decode(samples[2].path.read_bytes()), 40, 40))


def test_reads_the_official_isic_2019_layout_without_its_unknown_class(tmp_path):
    write_isic_2019(tmp_path, [("i1", "MEL", "l1"), ("i2", "UNK", "l2"), ("i3", "VASC", ""), ("i4", "AK", "l4")])
    samples = dataset.read(tmp_path)
    assert [(sample.path, sample.label) for sample in samples] == [
        (tmp_path / "ISIC_2019_Training_Input" / f"{name}.jpg", label)
        for name, label in (("i1", "MEL"), ("i3", "VASC"), ("i4", "AK"))
    ]


def test_no_lesion_is_cut_by_a_split_and_the_shares_are_80_10_10(tmp_path):
    rows = [(f"i{number}", dataset.CLASSES[number % 8], f"lesion-{number // 3}") for number in range(6000)]
    write_isic_2019(tmp_path, rows)
    lesions = {name: lesion for name, _, lesion in rows}
    splits = defaultdict(set)
    samples = dataset.read(tmp_path)
    for sample in samples:
        splits[lesions[sample.path.stem]].add(sample.split)
    assert all(len(found) == 1 for found in splits.values())
    shares = Counter(sample.split for sample in samples)
    assert shares["val"] / 6000 == pytest.approx(0.1, abs=0.03)
    assert shares["test"] / 6000 == pytest.approx(0.1, abs=0.03)
    assert shares.keys() == {"train", "val", "test"}
    assert dataset.read(tmp_path) == samples


def test_a_folder_with_neither_layout_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected labels\.csv or ISIC_2019\S+ in .*, got neither"):
        dataset.read(tmp_path)
    with pytest.raises(FileNotFoundError, match="got neither"):
        dataset.read(tmp_path / "missing")


@pytest.mark.parametrize("row", [("a", "WART", "train"), ("a", "MEL", "holdout"), ("a", "mel", "train")])
def test_an_unknown_label_or_split_is_refused(tmp_path, row):
    write_csv(tmp_path / "labels.csv", ("image", "label", "split"), [row])
    with pytest.raises(ValueError, match=f"expected a known label and split .*got '{row[1]}', '{row[2]}'"):
        dataset.read(tmp_path)


@pytest.mark.parametrize("labels", [(), ("MEL", "NV")])
def test_an_image_of_no_class_or_two_is_refused(tmp_path, labels):
    write_isic_2019(tmp_path, [("i1", "MEL", "l1")])
    row = ["i1", *(f"{float(column in labels):.1f}" for column in COLUMNS[1:])]
    write_csv(tmp_path / dataset.ISIC_2019["labels"], COLUMNS, [row])
    with pytest.raises(ValueError, match="expected one class for i1"):
        dataset.read(tmp_path)


def test_an_unknown_or_empty_split_is_refused(splits_folder):
    samples = dataset.read(splits_folder)
    with pytest.raises(ValueError, match="expected a split out of train, val, test, external, got 'all'"):
        dataset.select(samples, "all")
    with pytest.raises(ValueError, match="expected images in split 'val', got none"):
        dataset.select(samples[:1], "val")


@pytest.mark.data
def test_the_real_splits_have_their_sizes_and_every_class(data_folder):
    samples = dataset.read(data_folder)
    sizes = Counter(sample.split for sample in samples)
    assert sizes == {"train": 8168, "val": 1190, "test": 1161, "external": 1381}
    assert len({sample.path for sample in samples}) == len(samples)
    assert all(sample.path.is_file() for sample in samples)
    for split in ("train", "val", "test"):
        assert {sample.label for sample in dataset.select(samples, split)} == set(dataset.CLASSES)
    assert {sample.label for sample in dataset.select(samples, "external")} == {"MEL", "NV", "BKL"}


@pytest.mark.data
def test_no_lesion_is_cut_by_the_real_splits(data_folder):
    splits = defaultdict(set)
    with (data_folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            splits[row["group"]].add(row["split"])
    assert {group for group, found in splits.items() if len(found) > 1} == set()
