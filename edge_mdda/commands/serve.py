"""`edge-mdda serve`: the package as a service over HTTP, for as long as it runs."""

from __future__ import annotations

import ipaddress
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from edge_mdda import terminal
from edge_mdda.assessor import Settings
from edge_mdda.errors import ParameterError
from edge_mdda.server.limits import Limits

# The least a token may have, in characters: 16 of `openssl rand -base64` are 96 bits.
_SHORTEST, _LONGEST = 16, 1000


@dataclass(frozen=True)
class Options:
    """The options of the command, checked."""

    settings: Settings
    limits: Limits
    host: str
    port: int
    token_file: Path | None
    certificate: Path | None
    key: Path | None
    names: tuple[str, ...]
    archive: Path | None
    ready_file: Path | None

    def __post_init__(self) -> None:
        if not 0 <= self.port < 2**16:
            raise ParameterError(f"expected --port in [0, 65535], got {self.port}")
        if self.key is not None and self.certificate is None:
            raise ParameterError("expected --key together with --certificate, got it alone")
        if self.token_file is None and not _is_loopback(self.host):
            raise ParameterError(
                f"expected --token-file for a service beyond this machine, got --host {self.host} without"
            )


def run(options: Options) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit code 0.

    Raises:
        ParameterError: the token, the address or the certificate cannot be used, or the extra is not installed.
        EdgeMddaError: the model or the runtime cannot be used.
    """
    try:
        from edge_mdda.server import serving
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("edge_mdda", ""):
            raise
        raise ParameterError(
            f"expected the libraries of the service, got no {error.name}: pip install 'edge-mdda[serve]'"
        ) from None

    token = None if options.token_file is None else _read_token(options.token_file)
    if options.certificate is None and not _is_loopback(options.host):
        terminal.complain("warning: expected --certificate beyond this machine, got none: images and token go in clear")
    serving.run(
        serving.Plan(
            settings=options.settings,
            limits=options.limits,
            host=options.host,
            port=options.port,
            token=token,
            certificate=options.certificate,
            key=options.key,
            names=options.names,
            archive=options.archive,
            ready_file=options.ready_file,
        )
    )
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_token(path: Path) -> bytes:
    """The token in a file.

    Raises:
        ParameterError: it cannot be read, others may read it, or it is none.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.read(_LONGEST + 2).strip()
    except OSError as error:
        raise ParameterError(f"expected a token in {path}, got: {error.strerror}") from None
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        raise ParameterError(f"expected a token that not everybody may read, got {path}: chmod o= {path}")
    if not _SHORTEST <= len(token) <= _LONGEST or any(not 0x21 <= byte <= 0x7E for byte in token):
        raise ParameterError(
            f"expected a token of {_SHORTEST} to {_LONGEST} ASCII characters in {path}, got something else: "
            f"openssl rand -base64 24 > {path}"
        )
    return token
