"""First calls are made in new processes, with an empty kernel cache and with the one that it left."""

from __future__ import annotations

import pytest

from edge_mdda.device import first_call, subject
from edge_mdda.errors import EdgeMddaError

TASK = {"model": None, "preset": "edge", "threads": 1, "runtime": "auto"}


@pytest.mark.programs
def test_an_empty_cache_costs_the_compilation_of_the_kernels() -> None:
    empty, filled = first_call.measure(TASK, subject.picture())
    assert (empty["cache"], filled["cache"]) == ("empty", "filled")
    for found in (empty, filled):
        assert tuple(found["steps_ms"]) == first_call.STEPS
        assert sum(found["steps_ms"].values()) == pytest.approx(found["wall_ms"], abs=1)
        assert min(found["steps_ms"].values()) > 0
        assert 50 < found["peak_mib"] < 600
    assert empty["steps_ms"]["kernels"] > 2 * filled["steps_ms"]["kernels"]


@pytest.mark.programs
def test_a_child_that_fails_says_why() -> None:
    with pytest.raises(EdgeMddaError, match=r"in a new process, got: expected a model .* got no-such-folder"):
        first_call.measure({**TASK, "model": "no-such-folder"}, subject.picture())
