"""From what a person types – files, folders, globs, "-" – to the bytes of images."""

from __future__ import annotations

import glob
import os
import stat
import sys
from pathlib import Path

from edge_mdda.errors import ImageError

STANDARD_INPUT = "-"
#: Looked for in a folder; a file named outright is judged by its content alone.
SUFFIXES = (".jpg", ".jpeg", ".png")


def find(argument: str) -> list[str]:
    """The images an argument stands for: itself, those directly in a folder, or those a glob matches, in sorted order.

    Quoted globs reach us as they are (`**` goes into subfolders); unquoted ones were expanded by the shell.

    Raises:
        ImageError: nothing is there, or a folder or glob without images.
    """
    if argument == STANDARD_INPUT:
        return [argument]
    path = Path(argument)
    if path.is_dir():
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            raise ImageError(f"expected a readable folder, got: {error.strerror}") from None
        images = [str(path / name) for name in names if name.lower().endswith(SUFFIXES) and (path / name).is_file()]
        if not images:
            raise ImageError(f"expected a folder with images ({', '.join(SUFFIXES)}), got one without")
        return images
    if not os.path.lexists(path) and glob.has_magic(argument):
        images = sorted(name for name in glob.glob(argument, recursive=True) if os.path.isfile(name))
        if not images:
            raise ImageError("expected a pattern that matches files, got no match")
        return images
    if not path.exists():
        raise ImageError("expected an image file or a folder, got nothing of that name")
    return [argument]


def read(source: str, limit: int) -> bytes:
    """The bytes of one image, of standard input for "-".

    Raises:
        ImageError: unreadable, a folder, more than `limit` bytes, or a terminal as standard input.
    """
    try:
        if source == STANDARD_INPUT:
            if sys.stdin is None or sys.stdin.isatty():
                raise ImageError("expected an image on standard input, got a terminal or nothing")
            content = sys.stdin.buffer.read(limit + 1)
        else:
            with open(source, "rb") as file:
                status = os.fstat(file.fileno())
                if stat.S_ISREG(status.st_mode) and status.st_size > limit:
                    raise ImageError(f"expected at most {limit} bytes, got {status.st_size}")
                content = file.read(limit + 1)
    except OSError as error:
        raise ImageError(f"expected a readable image file, got: {error.strerror}") from None
    if len(content) > limit:
        raise ImageError(f"expected at most {limit} bytes, got more")
    return content


def stem(source: str) -> str:
    """What files made from an image are named after."""
    return "stdin" if source == STANDARD_INPUT else Path(source).stem
