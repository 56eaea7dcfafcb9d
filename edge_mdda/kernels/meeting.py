"""Where the threads of one image wait for each other between two stages, inside compiled code.

A meeting through a thread pool or a lock costs 50 to 150 µs, mostly of waking a thread that slept; a stage of `EDGE`
takes 200 to 600. Here the thread that comes first asks again and again, and gives its processor away in between, so
that more threads than processors make progress. Numba has no atomics on processors: two intrinsics bring LLVM's.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Counters = NDArray[np.int64]
#: Slots, each on a cache line of its own: how many threads have come to a meeting, how many meetings are over, and how
#: many pieces of work were taken since the last one.
COME, OVER, TAKEN, SIZE = 0, 16, 32, 48
#: In the slot `OVER`: nobody is to wait any more. Far below zero, where it stays if a last meeting is counted after it.
CALLED_OFF = -(2**62)
#: A thread asks so often before it lets another one have its processor.
PATIENCE = 200

_yield_processor = types.ExternalFunction("sched_yield", types.int32())


# Numba's own type hints are narrower than what it does.
_get_item_pointer: Any = cgutils.get_item_pointer


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return _get_item_pointer(context, builder, signature.args[0], array, [arguments[1]], wraparound=False)


def _emit_load(typing_context: Any, counters: Any, slot: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_pointer(context, builder, signature, arguments), "acquire", 8)

    return types.int64(counters, types.intp), generate


def _emit_add(typing_context: Any, counters: Any, slot: Any, amount: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(context, builder, signature, arguments), arguments[2], "seq_cst")

    return types.int64(counters, types.intp, types.int64), generate


#: counters[slot], before anything that is read after it.
_load: Any = intrinsic(_emit_load)
#: counters[slot] += amount as one step for all threads; what it was before.
_add: Any = intrinsic(_emit_add)


@njit(cache=True, nogil=True)
def meet(counters: Counters, threads: int) -> bool:
    """Wait until all threads have come; whether they did, which they did not when the meeting was called off.

    counters: int64 (SIZE,), zeros before the first meeting.
    """
    over = _load(counters, OVER)
    if over < 0:
        return False
    if _add(counters, COME, 1) == threads - 1:
        _add(counters, COME, -threads)
        counters[TAKEN] = 0
        _add(counters, OVER, 1)
        return True
    asked = 0
    while True:
        now = _load(counters, OVER)
        if now != over:
            return bool(now >= 0)
        asked += 1
        if asked % PATIENCE == 0:
            _yield_processor()


@njit(cache=True, nogil=True)
def take(counters: Counters) -> int:
    """The number of the next piece of work, from 0 after each meeting: each is given to one thread."""
    return int(_add(counters, TAKEN, 1))
