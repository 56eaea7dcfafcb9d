"""The hot loops are vector loops: NEON on 64-bit ARM, SSE or AVX on x86-64, seen in the assembly Numba generates."""

from __future__ import annotations

import platform
import re

import numba
import numpy as np
import pytest
from numba import types

from edge_mdda.kernels import mdda

ROW, ONE, COUNT, YES = types.Array(types.float32, 1, "C"), types.float32, types.int64, types.boolean
KEY = types.uint32
RING = types.Array(types.float32, 2, "C")

# Loops and what each must do in vectors of at least four float32.
LOOPS = {
    "diffuse": (mdda._diffuse_row, (COUNT, COUNT, KEY, KEY, ONE, ROW, ONE, ROW), "sqrt"),
    "first ascend": (mdda._first_ascend, (*[RING] * 3, COUNT, COUNT, ONE, YES, COUNT), "shift"),
    "ascend": (mdda._ascend, (*[RING] * 3, COUNT, COUNT, ONE, YES, COUNT), "shift"),
    "descend": (mdda._descend, (*[RING] * 5, COUNT, COUNT, ONE, ONE, ONE, ONE, YES, COUNT), "add"),
    "finish": (mdda._finish, (*[RING] * 4, COUNT, COUNT, ONE, ONE, ONE, YES, COUNT, ROW), "add"),
    "bicubic rows": (mdda._mix_rows, (ROW, ROW, ROW, ROW, ROW, COUNT, ROW), "add"),
    "bicubic columns, doubled": (mdda._bicubic_double, (ROW, ROW, ROW, COUNT, ROW), "add"),
    "bicubic columns, quadrupled": (mdda._bicubic_quadruple, (ROW, RING, COUNT, ROW), "add"),
}
PATTERNS = {
    "aarch64": {"sqrt": r"\bfsqrt\s+v\d+\.4s", "add": r"\bf(add|mla)\s+v\d+\.4s", "shift": r"\bsshr\s+v\d+\.4s"},
    "x86_64": {"sqrt": r"\bv?sqrtps\s", "add": r"\bv?addps\s", "shift": r"\bv?psrad\s"},
}


@pytest.mark.skipif(platform.machine() not in PATTERNS, reason=f"knows {', '.join(PATTERNS)}")
@pytest.mark.parametrize("loop", LOOPS)
def test_the_loop_is_vectorised(loop):
    kernel, signature, operation = LOOPS[loop]
    # Compiled anew: what comes from the cache has no assembly to look at.
    assembly = assembly_of(kernel.py_func, signature)
    assert re.search(PATTERNS[platform.machine()][operation], assembly)


@pytest.mark.skipif(platform.machine() not in PATTERNS, reason=f"knows {', '.join(PATTERNS)}")
def test_a_loop_that_cannot_be_vectorised_is_noticed():
    def running_root(row, count):
        for j in range(1, count):
            row[j] = np.sqrt(row[j - 1] + row[j])

    assembly = assembly_of(running_root, (ROW, COUNT))
    assert not re.search(PATTERNS[platform.machine()]["sqrt"], assembly)


def assembly_of(function, signature):
    (assembly,) = numba.njit([types.void(*signature)], nogil=True)(function).inspect_asm().values()
    return assembly
