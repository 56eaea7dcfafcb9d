"""`edge-mdda warmup`: every kernel compiled and kept on disk."""

from __future__ import annotations

import time

from edge_mdda import terminal


def run() -> int:
    """Compile every kernel, or load it from the cache; say where that is and how long it took. Returns exit code 0."""
    start = time.perf_counter()
    from edge_mdda.kernels import mdda
    from edge_mdda.purifier import warm_up

    warm_up()
    seconds = time.perf_counter() - start
    # Numba keeps all files of a folder in one place: beside them, or in NUMBA_CACHE_DIR, or in the user's cache folder.
    terminal.say(f"kernels ready in {seconds:.1f} s, kept in {mdda.purify.stats.cache_path}")
    return 0
