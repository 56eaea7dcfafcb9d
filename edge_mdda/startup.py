"""What a process of this package does before it imports anything heavy."""

from __future__ import annotations

import os
import sys


def spare_libraries() -> None:
    """Keep libraries that no kernel uses from costing time and memory; call it before NumPy is imported."""
    # Numba imports SciPy, where there is one, for linear algebra that no kernel uses: 0.4 s and 30 MB of this process.
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]
    # NumPy's OpenBLAS starts a thread for each core, which spins: 0.3 s of CPU on two cores, and no kernel uses it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
