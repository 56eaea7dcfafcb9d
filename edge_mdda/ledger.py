"""A file of lines of JSON that is only added to, each line on the disk before anything is said about it.

A line that a power cut cut short is taken off when the file is opened. One process at a time has it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from edge_mdda import output
from edge_mdda.errors import OutputError


class Ledger:
    """One such file, in a folder that is locked while it is open; a class because it holds the lock and the file.

    Args:
        path: of the file; its folder is made if it is missing.
        lock: name of the file in that folder that is locked.

    Raises:
        OutputError: another process has it, or it cannot be read or written.
    """

    def __init__(self, path: Path, *, lock: str = "lock") -> None:
        self._path = path
        folder = path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / lock, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                raise OutputError(f"expected one process at a time in {folder}, got another at work") from None
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            self._mend()
            output.sync_folder(folder)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"expected a journal in {folder}, got: {error.strerror}") from None

    def lines(self) -> list[bytes]:
        """The lines, without their ends.

        Raises:
            OutputError: the file cannot be read.
        """
        try:
            with open(self._path, "rb") as file:
                return file.read().splitlines()
        except OSError as error:
            raise OutputError(f"expected to read {self._path}, got: {error.strerror}") from None

    def append(self, line: bytes) -> None:
        """Add a line; it is on the disk when this returns, or the file is as it was.

        Raises:
            OutputError: it cannot be written.
        """
        content = line + b"\n"
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            written = os.write(self._file, content)
            if written < len(content):
                raise OSError(28, "No space left on device")
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, end)
            raise OutputError(f"expected to write {self._path}, got: {error.strerror}") from None

    def take_back(self) -> None:
        """Take the last line off again, where it could be: what it told of did not happen."""
        with suppress(OSError):
            content = self._path.read_bytes()
            os.ftruncate(self._file, content.rfind(b"\n", 0, -1) + 1)

    def replace(self, lines: Iterable[bytes]) -> None:
        """Write the file anew with these lines in place of all.

        Raises:
            OutputError: it cannot be written; it is as it was.
        """
        output.write(self._path, b"".join(line + b"\n" for line in lines))
        replaced = os.open(self._path, os.O_RDWR)
        os.close(self._file)
        self._file = replaced

    def close(self) -> None:
        """Close the file and give the lock back."""
        os.close(self._file)
        os.close(self._lock)

    def _mend(self) -> None:
        with open(self._path, "rb") as file:
            content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
            os.fsync(self._file)
