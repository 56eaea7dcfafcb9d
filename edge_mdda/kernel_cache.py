"""The folder where Numba keeps the compiled kernels, after a power cut too.

Numba renames a file into it without bringing its content to the disk first, so a power cut soon after can leave one
that is empty, cut off or full of zeros. Numba then ends with an error, at every start anew (numba issue 10434).
"""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from pathlib import Path

from edge_mdda.kernels import mdda

#: What Numba raises on a kernel whose file is damaged.
DAMAGED = (EOFError, pickle.UnpicklingError)
_KINDS = ("*.nbi", "*.nbc")


def folder() -> Path:
    """Numba keeps all files of a package in one place: beside them, in NUMBA_CACHE_DIR, or in the user's cache."""
    return Path(str(mdda.purify.stats.cache_path))


def forget() -> None:
    """Remove every kept kernel; they are compiled, and kept, again when they are next called."""
    for path in _files():
        with suppress(OSError):  # another process is at it too, or it may not be removed
            path.unlink()


def settle() -> None:
    """Bring every kept kernel to the disk, so that a power cut leaves it whole."""
    for path in (*_files(), folder()):
        with suppress(OSError):  # removed again, or a file system that knows no such thing
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _files() -> list[Path]:
    return [path for kind in _KINDS for path in folder().glob(kind)]
