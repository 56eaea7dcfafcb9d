"""The commands about signed model bundles: `edge-mdda model …`. As in `command_line`, they only parse and check."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edge_mdda import interpreter, places
from edge_mdda.commands import bundles

_EXIT_CODES = """Exit codes:

\b
  0    done
  2    wrong usage
  4    a model bundle that cannot be used
  5    no TFLite runtime, or not the one asked for
  6    what could not be written
  130  interrupted"""

Job = Callable[[], int]

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="Install signed model bundles, and go back.")

StoreFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", envvar=places.STORE_VARIABLE, help="Where bundles are installed.")
]
Keys = Annotated[
    Path,
    typer.Option(metavar="FOLDER", envvar=places.KEYS_VARIABLE, help="Trusted public keys: NAME.pub, PEM."),
]
Runtime = Annotated[
    str, typer.Option(metavar="NAME", help=f"auto (the first installed), {' or '.join(interpreter.RUNTIMES)}.")
]


@app.command("install", epilog=_EXIT_CODES)
def model_install(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A model bundle's folder, signed.")],
    store: StoreFolder = places.STORE,
    keys: Keys = places.KEYS,
    runtime: Runtime = "auto",
) -> Job:
    """Check a bundle's signature and files, try it on a picture, and use it from now on.

    What fails leaves the bundle in use as it is, and so does a power cut. Services use it once they are restarted.
    """
    interpreter.check_options(runtime, None)
    return partial(bundles.install, bundle, store, keys, runtime)


@app.command("list", epilog=_EXIT_CODES)
def model_list(store: StoreFolder = places.STORE, keys: Keys = places.KEYS) -> Job:
    """Show the bundles there are: in use, before it, and shipped."""
    return partial(bundles.show, store, keys)


@app.command("verify", epilog=_EXIT_CODES)
def model_verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A signed bundle; by default all there are."),
    ] = None,
    store: StoreFolder = places.STORE,
    keys: Keys = places.KEYS,
) -> Job:
    """Check signatures and hashes; the shipped bundle has no signature but the package's own."""
    return partial(bundles.verify, bundle, store, keys)


@app.command("rollback", epilog=_EXIT_CODES)
def model_rollback(store: StoreFolder = places.STORE, keys: Keys = places.KEYS) -> Job:
    """Use the bundle before the one in use again."""
    return partial(bundles.rollback, store, keys)
