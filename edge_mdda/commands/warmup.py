"""`edge-mdda warmup`: every kernel compiled and kept on disk."""

from __future__ import annotations

import time

from edge_mdda import terminal


def run() -> int:
    """Compile every kernel, or load it from the cache; say where that is and how long it took. Returns exit code 0."""
    start = time.perf_counter()
    from edge_mdda import kernel_cache
    from edge_mdda.purifier import warm_up

    warm_up()
    seconds = time.perf_counter() - start
    terminal.say(f"kernels ready in {seconds:.1f} s, kept in {kernel_cache.folder()}")
    return 0
