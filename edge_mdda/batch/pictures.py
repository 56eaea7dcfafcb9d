"""The images of a folder with all its subfolders, or of a data set with labels (`edge_mdda.labelled`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge_mdda import labelled
from edge_mdda.errors import ParameterError
from edge_mdda.sources import SUFFIXES


@dataclass(frozen=True)
class Picture:
    """One image: its path inside the folder, which is its name, its file, its class code and its split, if known."""

    name: str
    path: Path
    label: str = ""
    split: str = ""


def find(source: Path, split: str | None = None) -> tuple[list[Picture], dict[str, str]]:
    """The images, in the order of their names, and the subfolders that could not be read, with the reason.

    Of a data set these are the images that its label file names, missing ones too, and those beside them that it does
    not name; with a split, the images of that one alone.

    Raises:
        ParameterError: nothing is there, no image is, the label file cannot be used, or there is no such split.
    """
    if not source.is_dir():
        raise ParameterError(f"expected a folder with images, got {source}")
    if labelled.is_data_set(source):
        pictures, unreadable = _data_set(source)
    else:
        pictures, unreadable = _folder(source)
    if split is not None:
        splits = sorted({picture.split for picture in pictures} - {""})
        if split not in splits:
            raise ParameterError(f"expected a split out of {', '.join(splits) or 'none'}, got {split!r}")
        pictures = [picture for picture in pictures if picture.split == split]
    if not pictures and not unreadable:
        raise ParameterError(f"expected a folder with images ({', '.join(SUFFIXES)}), got {source}, which has none")
    return sorted(pictures, key=lambda picture: picture.name), unreadable


def _folder(source: Path) -> tuple[list[Picture], dict[str, str]]:
    unreadable: dict[str, str] = {}

    def note(error: OSError) -> None:
        unreadable[os.path.relpath(error.filename, source)] = f"expected a readable folder, got: {error.strerror}"

    pictures = []
    for folder, _, names in os.walk(source, onerror=note):
        for name in names:
            if name.lower().endswith(SUFFIXES):
                path = Path(folder, name)
                pictures.append(Picture(path.relative_to(source).as_posix(), path))
    return pictures, unreadable


def _data_set(source: Path) -> tuple[list[Picture], dict[str, str]]:
    try:
        samples = labelled.read(source)
    except (OSError, ValueError) as error:
        raise ParameterError(f"expected a label file that can be used in {source}, got: {error}") from None
    named = {
        name: Picture(name, sample.path, sample.label, sample.split)
        for sample in samples
        for name in [sample.path.relative_to(source).as_posix()]
    }
    if len(named) < len(samples):
        raise ParameterError(f"expected each image once in the label file of {source}, got some twice")
    pictures, unreadable = _folder(source)
    rest = [picture for picture in pictures if picture.name not in named]
    return [*named.values(), *rest], unreadable
