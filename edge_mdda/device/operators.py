"""What a model is made of, and which operators its work is in.

The runtimes' Python has no profiler of operators, so the share is not one of time: it is that of multiply-adds, which
come from the shapes, and beside it that of the bytes that operators read and write, which bounds the cheap ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from edge_mdda.interpreter import Operator

#: How many single operators are listed.
LARGEST = 10


def describe(operators: Sequence[Operator]) -> dict[str, Any] | None:
    """Shares by kind and of the largest single ones; None for an empty list, where the runtime does not tell."""
    if not operators:
        return None
    work = [multiply_adds(operator) for operator in operators]
    total, moved = sum(work), sum(operator.bytes for operator in operators)
    kinds = []
    for kind in dict.fromkeys(operator.name for operator in operators):
        chosen = [i for i, operator in enumerate(operators) if operator.name == kind]
        kinds.append(
            {
                "operator": kind,
                "count": len(chosen),
                **_share(sum(work[i] for i in chosen), total, sum(operators[i].bytes for i in chosen), moved),
            }
        )
    largest = sorted(range(len(operators)), key=lambda i: work[i], reverse=True)[:LARGEST]
    return {
        "share_of": "multiply-adds",
        "count": len(operators),
        "multiply_adds": total,
        "bytes": moved,
        "kinds": sorted(kinds, key=lambda kind: kind["multiply_adds"], reverse=True),
        "largest": [
            {
                "index": i,
                "operator": operators[i].name,
                "output": list(operators[i].outputs[0]) if operators[i].outputs else [],
                **_share(work[i], total, operators[i].bytes, moved),
            }
            for i in largest
            if work[i]
        ],
    }


def multiply_adds(operator: Operator) -> int:
    """Multiply-adds of one operator, from its shapes; 0 for those that have none, and for kinds not known here.

    Weights are laid out as in TFLite: (out, height, width, in), depthwise (1, height, width, channels), fully connected
    (out, in); TRANSPOSE_CONV reads the shape of its output first, then weights, then its input.
    """
    if not operator.outputs or len(operator.inputs) < 2:
        return 0
    out, weights = math.prod(operator.outputs[0]), operator.inputs[1]
    if operator.name == "CONV_2D" and len(weights) == 4:
        return out * math.prod(weights[1:])
    if operator.name == "DEPTHWISE_CONV_2D" and len(weights) == 4:
        return out * weights[1] * weights[2]
    if operator.name == "FULLY_CONNECTED" and len(weights) == 2:
        return out * weights[1]
    if operator.name == "TRANSPOSE_CONV" and len(operator.inputs) > 2 and len(weights) == 4:
        return math.prod(operator.inputs[2]) * math.prod(weights[:3])
    if operator.name == "BATCH_MATMUL":
        return out * operator.inputs[0][-1]
    return 0


def _share(work: int, total: int, moved: int, all_moved: int) -> dict[str, Any]:
    return {
        "multiply_adds": work,
        "share": round(work / total, 4) if total else 0.0,
        "bytes": moved,
        "bytes_share": round(moved / all_moved, 4) if all_moved else 0.0,
    }
