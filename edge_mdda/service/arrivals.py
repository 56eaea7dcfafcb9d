"""New images in a folder, each left alone until it is complete.

A file counts as complete when it has not changed for a moment and ends as its format does; one without that end, which
is still being copied or will never be whole, only after it has not changed for much longer. Time is the monotonic
clock's: the files' own times are compared for equality alone, so a clock that jumps changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_mdda.errors import OutputError
from edge_mdda.service.journal import Stamp
from edge_mdda.sources import SUFFIXES

#: Seconds without a change, for a file that ends as its format does.
SETTLE = 0.5
#: The same for one that does not.
PATIENCE = 30.0
#: What the service writes beside the images.
FIGURE_ENDING = ".figure.png"

# The End Of Image marker of JPEG (ITU-T T.81 table B.1), which cameras pad, and PNG's IEND chunk with its checksum.
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG", b"IEND\xae\x42\x60\x82"
_TAIL = 4096


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells a file from its changed self: content, mode or owner changed, or another file put in its place."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True)
class Arrival:
    """A complete file of the folder, and how it was found."""

    name: str
    path: Path
    stamp: Stamp


@dataclass
class _Seen:
    stamp: Stamp
    since: float
    order: int


class Arrivals:
    """What is new in a folder; a class because it remembers since when each file has been as it is.

    Args:
        folder: where images arrive; its subfolders and hidden files are left alone.
        settle: seconds a file must not have changed.
        patience: seconds the same goes for a file that does not end as its format does.
    """

    def __init__(self, folder: Path, *, settle: float = SETTLE, patience: float = PATIENCE) -> None:
        self._folder = folder
        self._settle = settle
        self._patience = patience
        self._seen: dict[str, _Seen] = {}
        self._count = 0

    def names(self) -> dict[str, Stamp]:
        """The images that are there now, complete or not.

        Raises:
            OSError: the folder cannot be read.
        """
        found = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(".") or not name.lower().endswith(SUFFIXES) or name.endswith(FIGURE_ENDING):
                    continue
                try:
                    if entry.is_file():
                        found[name] = stamp_of(entry.stat())
                except OSError:  # it went away meanwhile
                    continue
        return found

    def remove(self, name: str, stamp: Stamp) -> None:
        """Delete an image, unless another one of its name came meanwhile.

        Raises:
            OutputError: it cannot be deleted.
        """
        path = self._folder / name
        try:
            if stamp_of(path.stat()) == stamp:
                path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OutputError(f"expected to delete {path}, got: {error.strerror}") from None

    def complete(self, candidates: dict[str, Stamp]) -> Iterator[Arrival]:
        """Those of the candidates that are complete, in the order in which they came.

        Each file is looked into only when its turn comes: thousands may wait.
        """
        now = time.monotonic()
        self._seen = {name: seen for name, seen in self._seen.items() if name in candidates}
        # Of those that come together, the older first.
        for name, stamp in sorted(candidates.items(), key=lambda item: (item[1][1], item[0])):
            seen = self._seen.get(name)
            if seen is None:
                self._count += 1
                self._seen[name] = _Seen(stamp, now, self._count)
            elif seen.stamp != stamp:
                seen.stamp, seen.since = stamp, now
        for name, seen in sorted(self._seen.items(), key=lambda item: item[1].order):
            path = self._folder / name
            age = now - seen.since
            if age >= self._settle and (age >= self._patience or _ends_as_it_should(path)):
                yield Arrival(name, path, seen.stamp)


def _ends_as_it_should(path: Path) -> bool:
    """Whether a file ends as its format does; an empty one has no format yet, and other formats are refused anyway."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            tail = file.read(_TAIL)
    except OSError:
        return False
    if start.startswith(_JPEG_START):
        # A trailer of zeros could as well be space set aside for what is still to come, but not after the marker.
        return tail.rstrip(b"\0").endswith(_JPEG_END)
    if start.startswith(_PNG_START):
        return tail.endswith(_PNG_END)
    return bool(start.strip(b"\0"))
