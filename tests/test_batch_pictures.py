"""What a batch finds in a folder: every image, named by its place, with its label where there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edge_mdda.batch.pictures import Picture, find
from edge_mdda.errors import ParameterError

ISIC = "ISIC_2019_Training"


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_a_folder_is_searched_to_the_bottom_in_the_order_of_names(tmp_path: Path) -> None:
    fill(tmp_path, "b.JPG", "a/z.png", "a/b/c.jpeg", "notes.txt", "a/d.tiff")
    pictures, unreadable = find(tmp_path)
    assert [picture.name for picture in pictures] == ["a/b/c.jpeg", "a/z.png", "b.JPG"]
    assert [picture.path for picture in pictures] == [tmp_path / picture.name for picture in pictures]
    assert {(picture.label, picture.split) for picture in pictures} == {("", "")}
    assert unreadable == {}


def test_a_folder_that_cannot_be_read_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.png", "secret/b.png")
    real = os.scandir

    def scandir(folder: Any) -> Any:
        if str(folder).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    pictures, unreadable = find(tmp_path)
    assert [picture.name for picture in pictures] == ["a.png"]
    assert unreadable == {"secret": "expected a readable folder, got: Permission denied"}


def test_labels_and_splits_are_taken_from_labels_csv(tmp_path: Path) -> None:
    fill(tmp_path, "images/a.jpg", "images/extra.png")
    (tmp_path / "labels.csv").write_text("image,label,split\nb,NV,test\na,MEL,val\n")
    pictures, _ = find(tmp_path)
    assert pictures == [
        Picture("images/a.jpg", tmp_path / "images" / "a.jpg", "MEL", "val"),
        Picture("images/b.jpg", tmp_path / "images" / "b.jpg", "NV", "test"),  # missing, and not forgotten
        Picture("images/extra.png", tmp_path / "images" / "extra.png"),
    ]
    assert [picture.name for picture in find(tmp_path, "val")[0]] == ["images/a.jpg"]


def test_labels_are_taken_from_the_official_isic_layout(tmp_path: Path) -> None:
    fill(tmp_path, f"{ISIC}_Input/i1.jpg", f"{ISIC}_Input/i2.jpg")
    (tmp_path / f"{ISIC}_GroundTruth.csv").write_text("image,MEL,NV,UNK\ni1,0.0,1.0,0.0\ni2,0.0,0.0,1.0\n")
    (tmp_path / f"{ISIC}_Metadata.csv").write_text("image,lesion_id\ni1,l1\ni2,l2\n")
    pictures, _ = find(tmp_path)
    assert [(picture.name, picture.label) for picture in pictures] == [
        (f"{ISIC}_Input/i1.jpg", "NV"),
        (f"{ISIC}_Input/i2.jpg", "UNK"),
    ]
    assert all(picture.split in ("train", "val", "test") for picture in pictures)


@pytest.mark.parametrize(
    ("labels", "split", "message"),
    [
        (None, None, "which has none"),
        (None, "test", "expected a split out of none, got 'test'"),
        ("image,label,split\na,NV,test\n", "val", "expected a split out of test, got 'val'"),
        ("name,label\na,NV\n", None, "expected columns image, label in labels.csv, got name, label"),
        ("image,label\na,NV\na,MEL\n", None, "expected each image once"),
        (b"image,label\n\xff,NV\n", None, "expected a label file that can be used"),
    ],
)
def test_what_cannot_be_used_is_refused(labels: str | bytes | None, split: str, message: str, tmp_path: Path) -> None:
    if labels is not None:
        (tmp_path / "labels.csv").write_bytes(labels if isinstance(labels, bytes) else labels.encode())
    with pytest.raises(ParameterError, match=message):
        find(tmp_path, split)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="expected a folder with images, got"):
        find(tmp_path / "missing")
