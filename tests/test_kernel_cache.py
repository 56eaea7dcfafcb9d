"""A kernel whose file a power cut damaged is compiled again, in whichever program meets it first."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from edge_mdda import kernel_cache
from tests.program import CHECKOUT

SCRIPT = """
import numpy as np
from edge_mdda import kernel_cache, purify
print(int(purify(np.full((32, 32, 3), 128, np.uint8), seed=1).sum()), kernel_cache.folder())
"""


def purified(cache: Path) -> tuple[str, Path]:
    """What another process makes of an image, and where it keeps its kernels."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", SCRIPT]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    total, folder = result.stdout.split()
    return total, Path(folder)


@pytest.mark.programs
def test_a_damaged_kernel_is_compiled_again(tmp_path: Path) -> None:
    total, folder = purified(tmp_path)
    whole = {path: path.read_bytes() for path in folder.glob("mdda.purify-*.nb[ic]")}
    assert {path.suffix for path in whole} == {".nbi", ".nbc"}
    for path, content in whole.items():
        path.write_bytes(b"" if path.suffix == ".nbi" else content[: len(content) // 2])
        assert purified(tmp_path) == (total, folder)
        assert path.stat().st_size == len(content)


@pytest.mark.parametrize("damaged", [b"", bytes(1000), pickle.dumps(list(range(1000)))[:-100]])
def test_what_a_power_cut_leaves_counts_as_damaged(damaged: bytes) -> None:
    with pytest.raises(kernel_cache.DAMAGED):
        pickle.loads(damaged)
