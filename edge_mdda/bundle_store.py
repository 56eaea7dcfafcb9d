"""The bundles installed on a device: signed ones only, the one in use and the one before it.

    STORE/state.json       {"current": name of a folder in bundles, "previous": the same or null}
    STORE/bundles/NAME/    the bundle's files and its signature; NAME is the beginning of the card's SHA-256

state.json is replaced at once and last, so that a power cut during an install leaves the old bundle in use, or the new
one. The signature is checked again whenever a bundle is loaded from here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edge_mdda import model, output, places, signature
from edge_mdda.errors import ModelError, OutputError
from edge_mdda.model import Bundle
from edge_mdda.signature import SIGNATURE, Key

_NAME = re.compile(r"[0-9a-f]{16}")
_LARGEST_STATE = 4096


@dataclass(frozen=True)
class State:
    """Which bundles are in use, by the names of their folders."""

    current: str | None = None
    previous: str | None = None


class Store:
    """The folder of installed bundles; a class because everything about it starts from that folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def state(self) -> State:
        """Which bundles are in use; none before the first install.

        Raises:
            ModelError: state.json is damaged or unreadable.
        """
        path = self.folder / "state.json"
        try:
            with path.open("rb") as file:
                content = json.loads(file.read(_LARGEST_STATE))
            current, previous = content["current"], content["previous"]
            if not _NAME.fullmatch(current) or not (previous is None or _NAME.fullmatch(previous)):
                raise ValueError(current)
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise ModelError(f"expected the state of a bundle store in {path}, got something else") from None
        return State(current, previous)

    def path(self, name: str) -> Path:
        """The folder of an installed bundle."""
        return self.folder / "bundles" / name

    def load(self, name: str, keys: list[Key]) -> Bundle:
        """An installed bundle, its signature checked anew.

        Raises:
            ModelError: it is altered, or signed with a key that is no longer pinned.
        """
        return load_signed(self.path(name), keys)[0]

    def install(self, source: Path, keys: list[Key], trial: Callable[[Path], None]) -> Bundle:
        """Copy a bundle here, check the copy, try it, and only then use it; the one in use becomes the previous one.

        Args:
            source: the bundle's folder.
            keys: that the device trusts.
            trial: called with the folder of the copy once it is verified; raises an EdgeMddaError if it does not work.

        Raises:
            ModelError: unsigned, altered, or not a bundle; what is in use stays.
            OutputError: it could not be written.
        """
        state = self.state()
        bundles = self.folder / "bundles"
        incoming = bundles / "incoming"
        try:
            bundles.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(incoming, ignore_errors=True)  # of an install that was cut off
            incoming.mkdir()
            try:
                _copy(source, incoming)
                bundle, card = load_signed(incoming, keys)
                trial(incoming)
                name = hashlib.sha256(card).hexdigest()[:16]
                if not self._is_good(name, keys):  # or else it is here already, perhaps in use
                    shutil.rmtree(self.path(name), ignore_errors=True)
                    os.replace(incoming, self.path(name))
            finally:
                shutil.rmtree(incoming, ignore_errors=True)
            output.sync_folder(bundles)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"expected to write {bundles}, got: {error.strerror or error}") from None
        last = [old for old in (state.current, state.previous) if old not in (None, name) and self._is_good(old, keys)]
        self._use(State(name, last[0] if last else None))
        return replace(bundle, folder=self.path(name))

    def rollback(self, keys: list[Key]) -> Bundle:
        """Use the previous bundle again, and keep the one in use as the previous one.

        Raises:
            ModelError: there is none, or it does not pass its checks.
            OutputError: it could not be written.
        """
        state = self.state()
        if state.previous is None:
            raise ModelError(f"expected a previous bundle in {self.folder}, got none")
        bundle = self.load(state.previous, keys)
        self._use(State(state.previous, state.current))
        return bundle

    def _is_good(self, name: str | None, keys: list[Key]) -> bool:
        try:
            return name is not None and bool(self.load(name, keys))
        except ModelError:
            return False

    def _use(self, state: State) -> None:
        """Write the state, then delete what is no longer in use."""
        content = json.dumps({"current": state.current, "previous": state.previous})
        output.write(self.folder / "state.json", content.encode() + b"\n")
        for path in (self.folder / "bundles").iterdir():
            if path.name not in (state.current, state.previous):
                shutil.rmtree(path, ignore_errors=True)


def in_use() -> Bundle:
    """The bundle to use where none is named: that of the store in EDGE_MDDA_STORE, or the shipped one.

    Raises:
        ModelError: the bundle does not pass its checks, or its signature is not one of a key in EDGE_MDDA_KEYS.
    """
    folder = os.environ.get(places.STORE_VARIABLE)
    if folder:
        store = Store(Path(folder))
        name = store.state().current
        if name is not None:
            return store.load(name, signature.read_keys(Path(os.environ.get(places.KEYS_VARIABLE) or places.KEYS)))
    return model.load()


def load_signed(folder: Path, keys: list[Key]) -> tuple[Bundle, bytes]:
    """A bundle whose card is signed with one of these keys, and its card; nothing is parsed before that is known.

    Raises:
        ModelError: unsigned, altered, or not a bundle.
    """
    seen: list[bytes] = []

    def check(card: bytes) -> None:
        signature.check(card, folder, keys)
        seen.append(card)

    return model.load(folder, check_card=check), seen[0]


def _copy(source: Path, target: Path) -> None:
    """Copy the files of a bundle, those a bundle may have and no others, each within its limit, to the disk."""
    for name, limit in {**model.LIMITS, SIGNATURE: 2**10}.items():
        try:
            with (source / name).open("rb") as file:
                content = file.read(limit + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ModelError(f"expected a readable {source / name}, got: {error.strerror}") from None
        if len(content) > limit:
            raise ModelError(f"expected {source / name} with at most {limit} bytes, got more")
        output.write(target / name, content)
