"""Only signed bundles get onto a device, nothing of another is parsed, and there is always one that works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography", reason="needs the extra edge-mdda[signed]")
from typer.testing import CliRunner

from edge_mdda import bundle_store, model
from edge_mdda.bundle_store import State, Store
from edge_mdda.errors import ModelError
from edge_mdda.signature import read_keys
from tests import hostile
from tests.kills import killed_at
from tests.program import refused, run
from tools import sign

SHIPPED = model.load().folder
FILES = ("model.tflite", "labels.txt", "calibration.json", "card.json")


class Workshop:
    """Keys, a device's store, and bundles to install; a class because every test has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.keys.mkdir()
        self.make_key("lab")
        shutil.copy(folder / "lab.pub", self.keys)
        self.store = Store(folder / "store")

    def make_key(self, name: str, passphrase: str = "") -> None:
        result = CliRunner().invoke(sign.app, ["key", str(self.folder / name), "--passphrase", passphrase])
        assert result.exit_code == 0, result.output

    def bundle(self, name: str, key: str = "lab", passphrase: str = "") -> Path:
        """The shipped bundle under another name, signed."""
        folder = self.folder / "bundles" / name
        folder.mkdir(parents=True)
        for file in FILES:
            shutil.copy(SHIPPED / file, folder)
        card = json.loads((folder / "card.json").read_text())
        (folder / "card.json").write_text(json.dumps({**card, "name": name}))
        self.sign(folder, key, passphrase)
        return folder

    def sign(self, folder: Path, key: str = "lab", passphrase: str = "") -> None:
        arguments = ["bundle", str(folder), str(self.folder / f"{key}.key"), "--passphrase", passphrase]
        result = CliRunner().invoke(sign.app, arguments)
        assert result.exit_code == 0, result.output

    def install(self, folder: Path, trial: Callable[[Path], Any] = lambda copy: None) -> str:
        return self.store.install(folder, read_keys(self.keys), trial).name

    def in_use(self) -> str | None:
        state = self.store.state()
        return None if state.current is None else self.store.load(state.current, read_keys(self.keys)).name


@pytest.fixture
def workshop(memory_folder: Path) -> Workshop:
    return Workshop(memory_folder)


def test_a_signed_bundle_is_installed_and_the_one_before_it_is_kept(workshop: Workshop) -> None:
    assert workshop.store.state() == State()
    for name in ("one", "two", "three"):
        assert workshop.install(workshop.bundle(name)) == name
        assert workshop.in_use() == name
    assert len(list((workshop.folder / "store" / "bundles").iterdir())) == 2
    keys = read_keys(workshop.keys)
    assert workshop.store.rollback(keys).name == "two"
    assert workshop.in_use() == "two"
    assert workshop.store.rollback(keys).name == "three"


def test_installing_the_one_in_use_again_keeps_the_one_before_it(workshop: Workshop) -> None:
    one, two = workshop.bundle("one"), workshop.bundle("two")
    for bundle in (one, two, two):
        workshop.install(bundle)
    assert workshop.store.rollback(read_keys(workshop.keys)).name == "one"


def test_a_damaged_one_in_use_is_mended_by_installing_it_again(workshop: Workshop) -> None:
    one, two = workshop.bundle("one"), workshop.bundle("two")
    workshop.install(one)
    workshop.install(two)
    path = workshop.store.path(workshop.store.state().current) / "labels.txt"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="altered or damaged"):
        workshop.in_use()
    workshop.install(two)
    assert workshop.in_use() == "two"
    path.write_bytes(b"")
    workshop.install(workshop.bundle("three"))
    assert workshop.store.rollback(read_keys(workshop.keys)).name == "one"  # the last good one


def test_without_a_previous_one_there_is_no_way_back(workshop: Workshop) -> None:
    workshop.install(workshop.bundle("one"))
    with pytest.raises(ModelError, match=r"expected a previous bundle in .*, got none"):
        workshop.store.rollback(read_keys(workshop.keys))


def unsigned(workshop: Workshop, folder: Path) -> None:
    (folder / "card.json.sig").unlink()


def signed_by_another(workshop: Workshop, folder: Path) -> None:
    workshop.make_key("stranger")
    workshop.sign(folder, "stranger")


def card_altered(workshop: Workshop, folder: Path) -> None:
    (folder / "card.json").write_bytes((folder / "card.json").read_bytes() + b" ")


def signature_too_long(workshop: Workshop, folder: Path) -> None:
    (folder / "card.json.sig").write_bytes((folder / "card.json.sig").read_bytes() + b"\n")


def signature_empty(workshop: Workshop, folder: Path) -> None:
    (folder / "card.json.sig").write_bytes(b"")


@pytest.mark.parametrize("harm", [unsigned, signed_by_another, card_altered, signature_too_long, signature_empty])
def test_what_is_not_signed_is_refused_before_anything_parses_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Workshop, Path], None]
) -> None:
    workshop.install(workshop.bundle("good"))
    folder = workshop.bundle("evil")
    harm(workshop, folder)
    real = json.loads

    def parse(content: Any) -> Any:
        assert b"evil" not in bytes(content), "parsed"
        return real(content)

    monkeypatch.setattr(json, "loads", parse)
    with pytest.raises(ModelError, match=r"expected a (signed bundle, got none|card signed with a pinned key \(lab\))"):
        workshop.install(folder, trial=lambda copy: pytest.fail("tried"))
    monkeypatch.undo()
    assert workshop.in_use() == "good"
    assert not (workshop.folder / "store" / "bundles" / "incoming").exists()


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "calibration.json"])
def test_another_file_altered_is_refused_before_it_is_parsed(workshop: Workshop, name: str) -> None:
    folder = workshop.bundle("evil")
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(ModelError, match=f"expected .*{name} with SHA-256 .*: altered or damaged"):
        workshop.install(folder, trial=lambda copy: pytest.fail("tried"))
    assert workshop.store.state() == State()


def test_a_file_too_large_for_a_bundle_is_not_copied(workshop: Workshop) -> None:
    folder = workshop.bundle("evil")
    os.truncate(folder / "model.tflite", model.LIMITS["model.tflite"] + 1)
    with pytest.raises(ModelError, match="with at most 67108864 bytes, got more"):
        workshop.install(folder)


def test_a_bundle_altered_on_the_device_is_refused_when_it_is_loaded(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MDDA_STORE", str(workshop.store.folder))
    monkeypatch.setenv("EDGE_MDDA_KEYS", str(workshop.keys))
    assert bundle_store.in_use().name == model.load().name
    workshop.install(workshop.bundle("one"))
    assert bundle_store.in_use().name == "one"
    card_altered(workshop, workshop.store.path(workshop.store.state().current))
    with pytest.raises(ModelError, match="expected a card signed with a pinned key"):
        bundle_store.in_use()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"current": "../../x", "previous": null}', b'{"current": 1, "previous": null}']
)
def test_a_damaged_state_is_told(workshop: Workshop, content: bytes) -> None:
    workshop.store.folder.mkdir()
    (workshop.store.folder / "state.json").write_bytes(content)
    with pytest.raises(ModelError, match="expected the state of a bundle store"):
        workshop.store.state()


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_key_that_is_none_is_refused(workshop: Workshop, content: bytes) -> None:
    (workshop.keys / "x.pub").write_bytes(content)
    with pytest.raises(ModelError, match=r"expected an Ed25519 public key in PEM in .*x\.pub"):
        read_keys(workshop.keys)


def test_without_keys_nothing_is_trusted(workshop: Workshop) -> None:
    (workshop.keys / "lab.pub").unlink()
    with pytest.raises(ModelError, match=r"expected a pinned key, a file ending in \.pub"):
        read_keys(workshop.keys)


def test_the_library_is_named_where_it_is_missing(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ModelError, match=r"pip install 'edge-mdda\[signed\]'"):
        read_keys(workshop.keys)


def test_a_key_with_a_passphrase_signs_with_it_only(workshop: Workshop) -> None:
    workshop.make_key("safe", passphrase="long enough")
    assert (workshop.folder / "safe.key").stat().st_mode & 0o777 == 0o600
    shutil.copy(workshop.folder / "safe.pub", workshop.keys)
    assert workshop.install(workshop.bundle("one", "safe", "long enough")) == "one"
    arguments = ["bundle", str(workshop.folder / "bundles/one"), str(workshop.folder / "safe.key"), "--passphrase", "x"]
    assert CliRunner().invoke(sign.app, arguments).exit_code == 2
    assert CliRunner().invoke(sign.app, ["key", str(workshop.folder / "safe"), "--passphrase", ""]).exit_code == 2


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_agrees(workshop: Workshop) -> None:
    folder = workshop.bundle("one")
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", workshop.keys / "lab.pub", "-rawin"]
    command += ["-in", folder / "card.json", "-sigfile", folder / "card.json.sig"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    card_altered(workshop, folder)
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_killed_at_every_step_of_an_install_there_is_one_that_works(workshop: Workshop) -> None:
    bundles = [hostile.endless(workshop.folder / name) for name in ("one", "two", "three")]  # small, and never run here
    for folder in bundles:
        workshop.sign(folder)
    workshop.install(bundles[0])
    last = "one"
    switched = False
    for step in range(400):
        new = next(folder for folder in bundles if folder.name != last)
        bundles.sort(key=lambda folder: folder == new)  # it is the last one's turn next time
        killed = killed_at(step, partial(workshop.install, new))
        assert workshop.in_use() in (last, new.name)
        switched |= workshop.in_use() == new.name
        last = str(workshop.in_use())
        if not killed:
            break
    assert not killed
    assert switched
    assert step >= 20
    workshop.install(new)
    assert workshop.store.rollback(read_keys(workshop.keys)).name != last
    assert len(list((workshop.folder / "store" / "bundles").iterdir())) == 2


@pytest.mark.programs
def test_the_commands_install_list_verify_and_go_back(workshop: Workshop) -> None:
    places = ["--store", workshop.store.folder, "--keys", workshop.keys]
    sha256 = model.load().sha256[:12]
    shipped = f"shipped: {model.load().name} ({sha256})"
    assert run("model", "list", *places).stdout.decode().splitlines() == [shipped]
    for name in ("one", "two"):
        process = run("model", "install", workshop.bundle(name), *places)
        assert (process.returncode, process.stdout.decode()) == (0, f"in use: {name} ({sha256})\n"), process.stderr
    process = run("model", "rollback", *places)
    assert process.stdout.decode() == f"in use: one ({sha256})\n"
    lines = [f"in use: one ({sha256}): signed by lab", f"previous: two ({sha256}): signed by lab", shipped]
    assert run("model", "verify", *places).stdout.decode().splitlines() == lines
    process = run("model", "verify", workshop.folder / "bundles" / "two", *places)
    assert process.stdout.decode() == f"two ({sha256}): signed by lab\n"
    assert "expected a signed bundle, got none" in refused(run("model", "verify", SHIPPED, *places), 4)
    environment = {"EDGE_MDDA_STORE": str(workshop.store.folder), "EDGE_MDDA_KEYS": str(workshop.keys)}
    sample = Path(__file__).parent.parent / "models" / "samples" / "lesion.png"
    process = run("classify", "--json", sample, "--no-purify", **environment)
    assert process.returncode == 0, process.stderr.decode()
    assert json.loads(process.stdout)["model"]["name"] == "one"


@pytest.mark.programs
def test_a_signed_bundle_that_crashes_is_not_put_to_use(workshop: Workshop) -> None:
    folder = hostile.bottomless(workshop.folder / "bottomless")
    workshop.sign(folder)
    process = run("model", "install", folder, "--store", workshop.store.folder, "--keys", workshop.keys)
    assert "expected a model that works, got: expected a model that a process can load, got a crash" in refused(
        process, 4
    )
    assert workshop.store.state() == State()
