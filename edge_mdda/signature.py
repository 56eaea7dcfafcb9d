"""Ed25519 signatures of model bundles (RFC 8032): who may say what runs on a device.

A bundle is signed by a file beside its card, the 64 bytes of a signature of the card; the card names the hash of every
other file. OpenSSL checks the same: openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in card.json -sigfile
card.json.sig. A device pins public keys by having them in a folder, as KEY.pub in PEM.

The library, `cryptography`, comes with the extra `edge-mdda[signed]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mdda.errors import ModelError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNED = "card.json"
SIGNATURE = "card.json.sig"
_LENGTH = 64
_LARGEST_KEY = 10_000


@dataclass(frozen=True)
class Key:
    """A public key that a device trusts, and the name of its file."""

    name: str
    public: Ed25519PublicKey


def read_keys(folder: Path) -> list[Key]:
    """The pinned keys of a device.

    Raises:
        ModelError: none is pinned, one is no Ed25519 key in PEM, or the library is not installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise ModelError(
            "expected the library for signatures, got none installed: pip install 'edge-mdda[signed]'"
        ) from None
    keys = []
    for path in sorted(folder.glob("*.pub")):
        try:
            with path.open("rb") as file:
                key = load_pem_public_key(file.read(_LARGEST_KEY))
        except OSError as error:
            raise ModelError(f"expected a readable key {path}, got: {error.strerror}") from None
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise ModelError(f"expected an Ed25519 public key in PEM in {path}, got something else")
        keys.append(Key(path.stem, key))
    if not keys:
        raise ModelError(f"expected a pinned key, a file ending in .pub, in {folder}, got none")
    return keys


def check(card: bytes, folder: Path, keys: list[Key]) -> str:
    """Check the signature of a bundle's card, given as bytes that nothing has parsed; returns the name of its key.

    Raises:
        ModelError: the bundle is not signed, or not with one of these keys, or the card was altered.
    """
    from cryptography.exceptions import InvalidSignature

    path = folder / SIGNATURE
    try:
        with path.open("rb") as file:
            signature = file.read(_LENGTH + 1)
    except FileNotFoundError:
        raise ModelError(f"expected a signed bundle, got none: {path} is missing") from None
    except OSError as error:
        raise ModelError(f"expected a readable {path}, got: {error.strerror}") from None
    for key in keys:
        try:
            key.public.verify(signature, card)
        except InvalidSignature:
            continue
        return key.name
    names = ", ".join(key.name for key in keys)
    raise ModelError(f"expected a card signed with a pinned key ({names}), got another signature: {path}")
