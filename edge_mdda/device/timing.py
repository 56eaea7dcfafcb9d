"""How a set of times is told: never one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def summary(values: Sequence[float]) -> dict[str, float]:
    """Count, least, quantiles and greatest of some times; quantiles are interpolated (Hyndman and Fan's type 7)."""
    p5, median, p95, p99 = np.percentile(values, (5, 50, 95, 99))
    rounded = {"min": min(values), "p5": p5, "median": median, "p95": p95, "p99": p99, "max": max(values)}
    return {"count": len(values), **{name: round(float(value), 4) for name, value in rounded.items()}}
