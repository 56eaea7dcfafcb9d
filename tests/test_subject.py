"""A bundle, a classifier's file and any other model are told apart, and the drawn picture is a photograph's like."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mdda import image, model
from edge_mdda.device import subject
from edge_mdda.errors import ModelError
from tests.flatbuffers_made import addition

SHIPPED = model.load()


def test_the_shipped_bundle_by_default() -> None:
    found = subject.load(None)
    assert found.bundle is not None
    assert (found.name, found.sha256, found.file.name) == (SHIPPED.name, SHIPPED.sha256, "model.tflite")


def test_a_file_that_classifies_images_becomes_a_bundle_in_name(tmp_path: Path) -> None:
    file = tmp_path / "their <model>.tflite"
    file.write_bytes(SHIPPED.model)
    found = subject.load(file)
    assert found.bundle is not None
    assert (found.name, found.sha256) == ("their _model_", SHIPPED.sha256)
    assert (found.bundle.height, found.bundle.width, len(found.bundle.labels)) == (224, 224, 8)
    assert found.bundle.calibration is None


def test_a_model_of_another_kind_is_taken_without_a_bundle(tmp_path: Path) -> None:
    file = tmp_path / "addition.tflite"
    file.write_bytes(addition())
    found = subject.load(file)
    assert (found.name, found.bundle) == ("addition", None)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "no.tflite"
    file.write_bytes(b"not a model")
    with pytest.raises(ModelError, match="expected a TFLite model"):
        subject.load(file)
    with pytest.raises(ModelError, match=r"expected a model bundle's folder or a \.tflite file, got .*missing\.tflite"):
        subject.load(tmp_path / "missing.tflite")


def test_the_drawn_picture_is_always_the_same_and_not_flat() -> None:
    pixels = image.decode(subject.picture())
    assert pixels.shape == (subject.HEIGHT, subject.WIDTH, 3)
    assert pixels.std() > 10
    assert subject.picture() == subject.picture()
