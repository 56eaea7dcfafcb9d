"""A model bundle: one folder with a TFLite model, its labels and its card, verified before anything parses the model.

    model.tflite   the network
    labels.txt     one class code a line, in the order of the outputs
    calibration.json
                   when its answers are to be trusted (`edge_mdda.calibration`); may be missing, and is read only if
                   the card names it
    card.json      what the model is; of it this file reads
                     schema       "edge-mdda/card/1"
                     name         what the model is called
                     sha256       {"model.tflite": …, "labels.txt": …, "calibration.json": …}, 64 hexadecimal digits
                                  each
                     input        {"height", "width": pixels; "range": [low, high] that RGB values 0…255 are mapped to;
                                   "layout": "NHWC"; "colour": "RGB"; …}
                     output       {"kind": "logits", "temperature": what they are divided by before the softmax}

What else the card says, of training and accuracy, is for people.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_mdda import calibration
from edge_mdda.calibration import Calibration
from edge_mdda.errors import ModelError

SCHEMA = "edge-mdda/card/1"
DEFAULT = "mobilenet_v2"

#: The largest files read, in bytes; the shipped model has 2.8 MB.
LIMITS = {"card.json": 2**20, "calibration.json": 2**20, "labels.txt": 2**16, "model.tflite": 2**26}
# Names and codes reach terminals and file names, so nothing but plain characters.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.+-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """A verified model bundle.

    Attributes:
        folder: where it was read from.
        name: what the card calls the model.
        labels: class codes in the order of the model's outputs.
        height: of the images the model takes, in pixels.
        width: of the images the model takes, in pixels.
        low: model input for black.
        high: model input for full red, green or blue.
        temperature: what logits are divided by before the softmax, > 0.
        sha256: of the model, 64 hexadecimal digits.
        model: content of model.tflite, the very bytes whose hash was checked.
        card: the whole card.
        calibration: None where the bundle has none.
    """

    folder: Path
    name: str
    labels: tuple[str, ...]
    height: int
    width: int
    low: float
    high: float
    temperature: float
    sha256: str
    model: bytes = field(repr=False)
    card: dict[str, Any] = field(repr=False)
    calibration: Calibration | None = field(default=None, repr=False)


def load(folder: Path | str | None = None, *, check_card: Callable[[bytes], object] = lambda content: None) -> Bundle:
    """Read and verify a model bundle; the one shipped with this package when no folder is given.

    Args:
        folder: the bundle's.
        check_card: called with the bytes of the card before anything parses them, to check its signature.

    Raises:
        ModelError: a file is missing, unreadable, over its limit or not what the card's hash says, or the card or the
            labels do not have the form described above.
    """
    folder = _default_folder() if folder is None else Path(folder)
    if not folder.is_dir():
        raise ModelError(f"expected a model bundle's folder, got {folder}")
    card = _read_card(folder, check_card)
    contents = {}
    calibrated = "calibration.json" in (card["sha256"] if isinstance(card.get("sha256"), dict) else {})
    for name in ("model.tflite", "labels.txt", *(["calibration.json"] if calibrated else [])):
        expected = _item(card, "sha256", name, lambda value: isinstance(value, str) and bool(_SHA256.fullmatch(value)))
        contents[name] = _read(folder, name)
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != expected:
            raise ModelError(f"expected {folder / name} with SHA-256 {expected}, got {found}: altered or damaged")
    low, high = _item(card, "input", "range", _is_range)
    _item(card, "input", "layout", lambda value: value == "NHWC")
    _item(card, "input", "colour", lambda value: value == "RGB")
    _item(card, "output", "kind", lambda value: value == "logits")
    labels = _read_labels(contents["labels.txt"])
    temperature = float(_item(card, "output", "temperature", lambda value: _is_number(value) and value > 0))
    sha256 = card["sha256"]["model.tflite"]
    known = None
    if calibrated:
        known = calibration.parse(contents["calibration.json"], labels, sha256, temperature)
    return Bundle(
        folder=folder,
        name=_item(card, "name", None, lambda value: isinstance(value, str) and bool(_PLAIN.fullmatch(value))),
        labels=labels,
        height=_item(card, "input", "height", _is_side),
        width=_item(card, "input", "width", _is_side),
        low=float(low),
        high=float(high),
        temperature=temperature,
        sha256=sha256,
        model=contents["model.tflite"],
        card=card,
        calibration=known,
    )


def _default_folder() -> Path:
    package = Path(__file__).resolve().parent
    installed = package / "models" / DEFAULT  # in a wheel
    return installed if installed.is_dir() else package.parent / "models" / DEFAULT  # in a checkout


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if not path.is_file():
            raise ModelError(f"expected a file {path}, got none")
        with path.open("rb") as file:
            content = file.read(LIMITS[name] + 1)
    except OSError as error:
        raise ModelError(f"expected a readable {path}, got: {error.strerror}") from None
    if len(content) > LIMITS[name]:
        raise ModelError(f"expected {path} with at most {LIMITS[name]} bytes, got more")
    return content


def _read_card(folder: Path, check: Callable[[bytes], object]) -> dict[str, Any]:
    content = _read(folder, "card.json")
    check(content)
    try:
        card = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"expected JSON in {folder / 'card.json'}, got: {error}") from None
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        found = card.get("schema") if isinstance(card, dict) else type(card).__name__
        raise ModelError(f"expected a card of schema {SCHEMA}, got {found!r}")
    return card


def _read_labels(content: bytes) -> tuple[str, ...]:
    labels = tuple(content.decode("ascii", "replace").splitlines())
    wrong = next((label for label in labels if not _PLAIN.fullmatch(label)), None)
    if wrong is not None:
        raise ModelError(f"expected plain class codes in labels.txt, got {wrong[:64]!r}")
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise ModelError(f"expected at least two distinct class codes in labels.txt, got {', '.join(labels) or 'none'}")
    return labels


def _item(card: dict[str, Any], key: str, inner: str | None, accepts: Any) -> Any:
    """One value of the card, if `accepts` it."""
    value = card.get(key)
    if inner is not None:
        value = value.get(inner) if isinstance(value, dict) else None
    if not accepts(value):
        place = key if inner is None else f"{key}.{inner}"
        raise ModelError(f"expected a valid {place} in the model's card, got {str(value)[:80]!r}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 32 <= value <= 4096


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] < value[1]
