"""A bundle is used only as it was shipped: altered, incomplete or misdescribed ones are refused before any parsing."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_mdda import model
from edge_mdda.errors import ModelError
from edge_mdda.parameters import EDGE
from tests.calibrations import content

SHIPPED = Path(__file__).resolve().parents[1] / "models" / model.DEFAULT


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the shipped bundle to tamper with."""
    folder = tmp_path / "bundle"
    shutil.copytree(SHIPPED, folder)
    edit(folder, lambda card: card["sha256"].pop("calibration.json"))
    return folder


def calibrate(folder: Path, content: bytes) -> None:
    """Put a calibration and its hash into a bundle."""
    (folder / "calibration.json").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit(folder, lambda card: card["sha256"].update({"calibration.json": digest}))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the card in place."""
    path = folder / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def relabel(folder: Path, labels: str) -> None:
    """Replace the labels and put their new hash into the card."""
    (folder / "labels.txt").write_text(labels)
    digest = hashlib.sha256(labels.encode()).hexdigest()
    edit(folder, lambda card: card["sha256"].update({"labels.txt": digest}))


class TestShipped:
    def test_it_loads_and_names_its_classes(self) -> None:
        loaded = model.load()
        assert loaded.labels == ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
        assert (loaded.height, loaded.width) == (224, 224)
        assert loaded.temperature > 0
        assert loaded.low < loaded.high

    def test_its_hash_is_that_of_the_bytes_kept(self) -> None:
        loaded = model.load()
        assert loaded.sha256 == hashlib.sha256(loaded.model).hexdigest()
        assert loaded.model == (SHIPPED / "model.tflite").read_bytes()

    def test_a_copy_elsewhere_is_the_same(self, bundle: Path) -> None:
        assert model.load(str(bundle)).sha256 == model.load().sha256

    def test_the_content_stays_out_of_the_representation(self) -> None:
        assert len(repr(model.load())) < 1000


class TestAltered:
    @pytest.mark.parametrize("name", ["model.tflite", "labels.txt"])
    @pytest.mark.parametrize("place", [0, 5, -1])
    def test_one_altered_byte_is_found(self, bundle: Path, name: str, place: int) -> None:
        content = bytearray((bundle / name).read_bytes())
        content[place] ^= 1
        (bundle / name).write_bytes(content)
        with pytest.raises(
            ModelError, match=rf"expected .*{name} with SHA-256 [0-9a-f]{{64}}, got .*altered or damaged"
        ):
            model.load(bundle)

    def test_a_truncated_model_is_found(self, bundle: Path) -> None:
        content = (bundle / "model.tflite").read_bytes()
        (bundle / "model.tflite").write_bytes(content[:-1])
        with pytest.raises(ModelError, match="altered or damaged"):
            model.load(bundle)

    @pytest.mark.programs
    def test_the_hash_is_checked_before_a_runtime_is_imported(self, bundle: Path) -> None:
        """Through the real classifier, in a fresh process, which then has no runtime among its modules."""
        (bundle / "model.tflite").write_bytes(b"TFL3 but not the one shipped")
        script = (
            "import sys\n"
            "from edge_mdda import Classifier\n"
            "from edge_mdda.errors import ModelError\n"
            "try:\n"
            "    Classifier(sys.argv[1])\n"
            "except ModelError as error:\n"
            "    print(error)\n"
            "print([name for name in sys.modules if name.startswith(('ai_edge_litert', 'tflite_runtime'))])\n"
        )
        command = [sys.executable, "-c", script, str(bundle)]
        process = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SHIPPED.parents[1])
        message, runtimes = process.stdout.splitlines()
        assert "altered or damaged" in message
        assert runtimes == "[]"


class TestIncomplete:
    @pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "card.json"])
    def test_a_missing_file_is_named(self, bundle: Path, name: str) -> None:
        (bundle / name).unlink()
        with pytest.raises(ModelError, match=rf"expected a file .*{name}, got none"):
            model.load(bundle)

    @pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "card.json"])
    def test_a_folder_in_place_of_a_file_is_refused(self, bundle: Path, name: str) -> None:
        (bundle / name).unlink()
        (bundle / name).mkdir()
        with pytest.raises(ModelError, match=rf"expected a file .*{name}"):
            model.load(bundle)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"expected a model bundle's folder, got .*nowhere"):
            model.load(tmp_path / "nowhere")

    @pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "card.json"])
    def test_an_oversized_file_is_refused_without_reading_on(self, bundle: Path, name: str) -> None:
        with (bundle / name).open("r+b") as file:
            file.truncate(model.LIMITS[name] + 1)
        with pytest.raises(ModelError, match=rf"{name} with at most {model.LIMITS[name]} bytes, got more"):
            model.load(bundle)


class TestCard:
    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b'{"schema": ', b"[" * 100_000])
    def test_what_is_not_json_is_refused(self, bundle: Path, content: bytes) -> None:
        (bundle / "card.json").write_bytes(content)
        with pytest.raises(ModelError, match=r"expected JSON in .*card\.json, got"):
            model.load(bundle)

    @pytest.mark.parametrize("content", ["[]", "null", "3", "{}", '{"schema": "edge-mdda/card/2"}'])
    def test_another_schema_is_refused(self, bundle: Path, content: str) -> None:
        (bundle / "card.json").write_text(content)
        with pytest.raises(ModelError, match="expected a card of schema edge-mdda/card/1, got"):
            model.load(bundle)

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            ("name", "\x1b[31mred"),
            ("name", ""),
            ("name", None),
            ("sha256.model.tflite", "0" * 63),
            ("sha256.model.tflite", 7),
            ("sha256.labels.txt", "G" * 64),
            ("input.height", 0),
            ("input.height", True),
            ("input.width", 10**9),
            ("input.width", "224"),
            ("input.range", [1, 0]),
            ("input.range", [0]),
            ("input.range", [0, float("inf")]),
            ("input.layout", "NCHW"),
            ("input.colour", "BGR"),
            ("output.kind", "probabilities"),
            ("output.temperature", 0),
            ("output.temperature", float("nan")),
            ("output.temperature", "1"),
        ],
    )
    def test_a_value_out_of_its_range_is_named(self, bundle: Path, place: str, value: object) -> None:
        outer, _, inner = place.partition(".")
        edit(bundle, lambda card: card[outer].update({inner: value}) if inner else card.update({outer: value}))
        with pytest.raises(ModelError, match=f"expected a valid {place} in the model's card, got"):
            model.load(bundle)

    @pytest.mark.parametrize("key", ["name", "sha256", "input", "output"])
    def test_a_missing_key_is_named(self, bundle: Path, key: str) -> None:
        edit(bundle, lambda card: card.pop(key))
        with pytest.raises(ModelError, match=f"expected a valid {key}"):
            model.load(bundle)


class TestLabels:
    @pytest.mark.parametrize("labels", ["", "MEL\n", "MEL\nNV\nMEL\n"])
    def test_fewer_than_two_or_doubled_are_refused(self, bundle: Path, labels: str) -> None:
        relabel(bundle, labels)
        with pytest.raises(ModelError, match="expected at least two distinct class codes"):
            model.load(bundle)

    @pytest.mark.parametrize("labels", ["MEL\n\nNV\n", "MEL\n\x1b[2JNV\n", "MEL\nNÄVUS\n", "MEL\n" + "N" * 65])
    def test_what_could_disturb_a_terminal_is_refused(self, bundle: Path, labels: str) -> None:
        relabel(bundle, labels)
        with pytest.raises(ModelError, match="expected plain class codes"):
            model.load(bundle)

    def test_another_number_of_them_than_the_model_has_outputs_is_refused(self, bundle: Path) -> None:
        from edge_mdda import Classifier

        relabel(bundle, "MEL\nNV\nBCC\n")
        with pytest.raises(
            ModelError, match=r"expected an output of shape \(1, 3\) by the card and the labels, got \(1, 8\)"
        ):
            Classifier(bundle)


class TestCalibration:
    def test_the_shipped_one_has_the_default_preset(self) -> None:
        known = model.load().calibration
        assert known is not None
        assert known.of(EDGE) is not None

    def test_one_that_the_card_does_not_name_is_not_read(self, bundle: Path) -> None:
        (bundle / "calibration.json").write_bytes(b"anything")
        assert model.load(bundle).calibration is None

    def test_one_that_the_card_names_is(self, bundle: Path) -> None:
        calibrate(bundle, (SHIPPED / "calibration.json").read_bytes())
        assert model.load(bundle).calibration is not None

    def test_an_altered_or_a_missing_one_is_found(self, bundle: Path) -> None:
        content = (SHIPPED / "calibration.json").read_bytes()
        calibrate(bundle, content)
        (bundle / "calibration.json").write_bytes(content.replace(b"1", b"2", 1))
        with pytest.raises(ModelError, match=r"calibration\.json with SHA-256 .* altered or damaged"):
            model.load(bundle)
        (bundle / "calibration.json").unlink()
        with pytest.raises(ModelError, match=r"expected a file .*calibration\.json, got none"):
            model.load(bundle)

    def test_that_of_another_model_is_refused(self, bundle: Path) -> None:
        loaded = model.load(bundle)
        found = content(loaded.labels, sha256="1" * 64, temperature=loaded.temperature)
        calibrate(bundle, json.dumps(found).encode())
        with pytest.raises(ModelError, match=f"expected a calibration of model {loaded.sha256}, got '1111"):
            model.load(bundle)
