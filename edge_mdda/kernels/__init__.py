"""Numba kernels: loops only. A kernel takes arrays and numbers, writes into the array passed in, and checks nothing.

No kernel file imports another of ours, but `mdda` `meeting`: Numba's disk cache does not see an edit across files, so
whoever edits that one clears the cache. Nothing here uses fast-math: every operation is an IEEE float32 one in a fixed
order, so `edge_mdda.reference` gives the same bits.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "NUMBA_CACHE_DIR" not in os.environ:
    # With no writable place at all Numba refuses to import a cached kernel. Its own order of places: beside the source,
    # then the user's cache folder; a private folder of this process is the last resort, without a cache but alive.
    beside, user = Path(__file__).parent, Path("~/.cache").expanduser()
    if not (os.access(beside, os.W_OK) or os.access(user if user.is_dir() else user.parent, os.W_OK)):
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="edge-mdda-")
        atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
