"""What the tests share: the data set's folder, and drawn images where real ones are not needed."""

from __future__ import annotations

import csv
import itertools
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


def pytest_configure() -> None:
    """A shell that runs the tests in the background has them, and whatever they start, ignore an interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = os.environ.get("EDGE_MDDA_DATA")
    if folder and Path(folder).is_dir():
        return
    for item in items:
        if "data" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs the labelled images: set EDGE_MDDA_DATA to their folder"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return Path(os.environ["EDGE_MDDA_DATA"])


def draw(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """A smooth picture with an edge and some grain: float32 (height, width, 3) in [0, 1]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    disc = np.hypot(y - 0.4, x - 0.5) < 0.25
    colours = np.stack([0.8 - 0.3 * x, 0.6 - 0.2 * y, 0.5 + 0.1 * x * y], axis=2) - 0.3 * disc[..., None]
    return np.clip(colours + random.normal(0, 0.02, colours.shape), 0, 1).astype(np.float32)


def draw_data_set(folder: Path, splits: Sequence[str], of_each_class: int) -> Path:
    """Drawn images with labels in a folder, laid out as `tools.dataset.read` wants it."""
    from edge_mdda import image
    from tools.dataset import CLASSES

    (folder / "images").mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "split"])
        kinds = itertools.product(splits, CLASSES, range(of_each_class))
        for seed, (split, label, number) in enumerate(kinds):
            name = f"drawn_{split}_{label}_{number}"
            (folder / "images" / f"{name}.jpg").write_bytes(image.encode_jpeg(image.to_uint8(draw(96, 128, seed))))
            rows.writerow([name, label, split])
    return folder


@pytest.fixture
def memory_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, for tests that write hundreds of times: there, bringing a file to the disk costs nothing."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def lesion(tmp_path: Path) -> Path:
    """The picture of `tests.program` in a file of its own."""
    from edge_mdda import image
    from tests.program import PICTURE

    path = tmp_path / "lesion.png"
    path.write_bytes(image.encode_png(PICTURE))
    return path
