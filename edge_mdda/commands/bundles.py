"""`edge-mdda model`: bundles installed, listed, verified and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_mdda import terminal
from edge_mdda.assessor import Settings
from edge_mdda.errors import EdgeMddaError, ModelError
from edge_mdda.signature import check, read_keys

if TYPE_CHECKING:
    from edge_mdda.model import Bundle


def install(bundle: Path, store: Path, keys: Path, runtime: str) -> int:
    """Install a signed bundle and use it; returns the exit code 0.

    Raises:
        ModelError: it is unsigned, altered, not a bundle, or does not work.
        OutputError: the store cannot be written.
    """

    from edge_mdda.bundle_store import Store

    def trial(folder: Path) -> None:
        _try_out(Settings(model=folder, purify="never", runtime=runtime))

    installed = Store(store).install(bundle, read_keys(keys), trial)
    terminal.say(f"in use: {_name(installed)}")
    return 0


def show(store: Path, keys: Path) -> int:
    """A line for each bundle, the one in use first; returns 0, or the exit code of the first that fails its checks."""
    from edge_mdda import model
    from edge_mdda.bundle_store import Store, load_signed

    opened = Store(store)
    state = opened.state()
    code = 0
    for place, name in (("in use", state.current), ("previous", state.previous)):
        if name is None:
            continue
        try:
            trusted = read_keys(keys)
            bundle, card = load_signed(opened.path(name), trusted)
            terminal.say(f"{place}: {_name(bundle)}: signed by {check(card, opened.path(name), trusted)}")
        except EdgeMddaError as error:
            terminal.complain(f"{place}: {error}")
            code = code or error.exit_code
    terminal.say(f"shipped: {_name(model.load())}")
    return code


def verify(bundle: Path | None, store: Path, keys: Path) -> int:
    """Check one bundle's signature and hashes, or those of all there are; returns the exit code 0.

    Raises:
        ModelError: it does not pass.
    """
    if bundle is None:
        return show(store, keys)
    from edge_mdda.bundle_store import load_signed

    trusted = read_keys(keys)
    verified, card = load_signed(bundle, trusted)
    terminal.say(f"{_name(verified)}: signed by {check(card, bundle, trusted)}")
    return 0


def rollback(store: Path, keys: Path) -> int:
    """Use the previous bundle again; returns the exit code 0.

    Raises:
        ModelError: there is none, or it does not pass its checks.
        OutputError: the store cannot be written.
    """
    from edge_mdda.bundle_store import Store

    terminal.say(f"in use: {_name(Store(store).rollback(read_keys(keys)))}")
    return 0


def _try_out(settings: Settings) -> None:
    """Have a process of its own load the model and answer one picture.

    Raises:
        ModelError: it does not come to an answer.
    """
    import numpy as np

    from edge_mdda.image import encode_png
    from edge_mdda.service.supervisor import Supervisor
    from edge_mdda.service.worker import Reporting

    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    supervisor = Supervisor(Reporting(settings))
    try:
        supervisor.ask(encode_png(picture))
    except EdgeMddaError as error:
        raise ModelError(f"expected a model that works, got: {error}") from None
    finally:
        supervisor.close()


def _name(bundle: Bundle) -> str:
    return f"{bundle.name} ({bundle.sha256[:12]})"
