"""Make a key pair for model bundles, and sign bundles with it; on a workstation, where the private key stays.

    python -m tools.sign key keys/lab            makes keys/lab.key (private) and keys/lab.pub (for the devices)
    python -m tools.sign bundle models/mine keys/lab.key

The passphrase of the private key is asked for, or taken from EDGE_MDDA_PASSPHRASE; an empty one leaves the key plain.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edge_mdda import model
from edge_mdda.signature import SIGNATURE, SIGNED
from tools import atomic

app = typer.Typer(help=__doc__, add_completion=False, rich_markup_mode=None)
Passphrase = Annotated[
    str, typer.Option(prompt=True, hide_input=True, prompt_required=True, envvar="EDGE_MDDA_PASSPHRASE")
]


@app.command()
def key(
    name: Annotated[Path, typer.Argument(help="Where to, without the ending.")],
    passphrase: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="EDGE_MDDA_PASSPHRASE")
    ],
) -> None:
    """Make a key pair; existing keys are never overwritten."""
    private_path, public_path = name.with_name(name.name + ".key"), name.with_name(name.name + ".pub")
    for path in (private_path, public_path):
        if path.exists():
            raise typer.BadParameter(f"expected no file {path}, got one")
    private = Ed25519PrivateKey.generate()
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    private_path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(private_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    atomic.write(public_path, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    typer.echo(f"{private_path}: keep it here; {public_path}: onto each device, into /etc/edge-mdda/keys")


@app.command()
def bundle(
    folder: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    private_key: Annotated[Path, typer.Argument(help="The private key, made by the command key.")],
    passphrase: Passphrase,
) -> None:
    """Verify a bundle's files and sign its card, which names their hashes."""
    signed: list[bytes] = []
    loaded = model.load(folder, check_card=signed.append)
    try:
        private = load_pem_private_key(private_key.read_bytes(), passphrase.encode() or None)
    except (ValueError, TypeError, OSError) as error:
        raise typer.BadParameter(f"expected a private key {private_key} and its passphrase, got: {error}") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise typer.BadParameter(f"expected an Ed25519 key in {private_key}, got another kind")
    atomic.write(folder / SIGNATURE, private.sign(signed[0]))
    typer.echo(f"{loaded.name} ({loaded.sha256[:12]}): {folder / SIGNED} signed")


if __name__ == "__main__":
    app()
