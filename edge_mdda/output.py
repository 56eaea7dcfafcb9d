"""Files written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from edge_mdda.errors import OutputError, UnwritableError

# A name that is too long, or taken by something but a file.
_LASTING = (errno.ENAMETOOLONG, errno.EISDIR, errno.EEXIST, errno.EILSEQ)
_LEFTOVER = re.compile(r"\.edge-mdda-[0-9a-f]{16}")


def write(path: Path | str, content: bytes) -> None:
    """Write a file so that a reader, or a power cut, meets either the old content or the new, never a part of it.

    The content goes to a temporary file in the same folder, to the disk, and then takes the file's name, which is on
    the disk too when this returns. A symbolic link is followed, and an existing file keeps its permissions.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
        UnwritableError: `path` is something but a file, or its name too long.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".edge-mdda-{secrets.token_hex(8)}"
    try:
        mode = _mode_of(target)
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
            sync_folder(target.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise refused(f"to write {path}", error) from None


def refused(what: str, error: OSError) -> OutputError:
    """The error to raise where the system refused to do something with a file."""
    kind = UnwritableError if error.errno in _LASTING else OutputError
    return kind(f"expected {what}, got: {error.strerror or error}")


def remove_leftovers(folder: Path) -> None:
    """Remove what writes into a folder left there that were cut off.

    Raises:
        OSError: the folder cannot be read, or a file not removed.
    """
    for name in os.listdir(folder):
        if _LEFTOVER.fullmatch(name):
            (folder / name).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk: what was made, renamed or removed in it outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no such thing, as some network ones do not
            raise
    finally:
        os.close(handle)


def _mode_of(target: Path) -> int | None:
    """Permissions of an existing file, None where there is none; renaming over a device or a pipe would destroy it."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EEXIST, "not a regular file")
    return stat.S_IMODE(status.st_mode)
