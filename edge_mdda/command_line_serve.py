"""The command that serves over HTTP: `edge-mdda serve`. As in `command_line`, it only parses and checks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edge_mdda.command_line_options import Coverage, Model, Preset, Purify, Runtime, Samples, Threads, settings_of
from edge_mdda.commands import serve as serving
from edge_mdda.judgement import COVERAGE
from edge_mdda.server.limits import Limits

_EXIT_CODES = """Exit codes:

\b
  0    ended as asked for, by SIGTERM
  2    wrong usage: an option out of its range, an address beyond this machine without a token, a port that is taken,
       a token or certificate that cannot be used, or the extra edge-mdda[serve] not installed
  4    a model bundle that cannot be used
  5    no TFLite runtime, or not the one asked for
  6    the archive or the ready file cannot be written
  130  interrupted"""

_LIMITS = Limits()

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(epilog=_EXIT_CODES)
def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; beyond this machine only with --token-file.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="0 takes a free one and prints it.")] = 8765,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Clients must send its content: Authorization: Bearer ….")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Serve TLS with this certificate and its chain, PEM.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of the certificate, PEM, unless it is in the same file.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="A host name clients may use beside this machine's own; may be repeated."),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep every assessed image, without its metadata; by default none is."),
    ] = None,
    max_body: Annotated[int, typer.Option(metavar="BYTES", help="Of a request; beyond it 413.")] = _LIMITS.body,
    max_pixels: Annotated[int, typer.Option(metavar="N", help="Of an image; beyond it 413.")] = _LIMITS.pixels,
    max_purified_pixels: Annotated[
        int, typer.Option(metavar="N", help="Of an image purified at its own size, 128 bytes each; beyond it 413.")
    ] = _LIMITS.purified_pixels,
    queue: Annotated[
        int, typer.Option(metavar="N", help="Requests that wait while one is worked on; beyond it 503.")
    ] = _LIMITS.queue,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="For the work on one image; beyond it 504.")
    ] = _LIMITS.timeout,
    upload_timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="For a body to arrive; beyond it 408.")
    ] = _LIMITS.upload,
    max_connections: Annotated[int, typer.Option(metavar="N", help="At once; beyond it 503.")] = _LIMITS.connections,
    preset: Preset = "edge",
    purify: Purify = None,
    coverage: Coverage = COVERAGE,
    samples: Samples = 1,
    model: Model = None,
    runtime: Runtime = "auto",
    threads: Threads = None,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the address there once requests are taken.")
    ] = None,
) -> object:
    """Serve over HTTP: images in, reports or purified images out; a page for a browser, metrics and live results.

    Nothing is stored unless --archive says where. The address is printed once requests are taken; /openapi.json
    describes them. What --preset, --purify, --coverage and --samples say holds unless a request asks for another.
    """
    options = serving.Options(
        settings=settings_of(context.params),
        limits=Limits(max_body, max_pixels, max_purified_pixels, queue, timeout, upload_timeout, max_connections),
        host=host,
        port=port,
        token_file=token_file,
        certificate=certificate,
        key=key,
        names=tuple(name or ()),
        archive=archive,
        ready_file=ready_file,
    )
    return partial(serving.run, options)
