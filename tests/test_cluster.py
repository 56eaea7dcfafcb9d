"""Jobs on a Dask cluster: all come back, and one that kills its workers is told of and ends nothing."""

from __future__ import annotations

import os
import signal

import pytest

from edge_mdda.batch import cluster
from edge_mdda.errors import ParameterError
from tests.program import CHECKOUT

dask = pytest.importorskip("dask", reason="needs the extra batch")
pytest.importorskip("distributed", reason="needs the extra batch")


def double(number: int) -> int:
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_one_process_is_this_one() -> None:
    with cluster.connect(1, None) as client:
        assert client is None
        assert list(cluster.spread(double, [1, 2, 3], client)) == [2, 4, 6]


@pytest.mark.programs
def test_a_job_that_kills_its_workers_is_lost_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        cluster.connect(1, cluster.LOCAL) as client,
    ):
        assert list(cluster.spread(double, [-1], client, lambda job: 100 * job)) == [-100]
        assert sorted(cluster.spread(double, range(5), client)) == [0, 2, 4, 6, 8]


def test_without_dask_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    told = r"expected Dask \(pip install 'edge-mdda\[batch\]'\)"
    with pytest.raises(ParameterError, match=told), cluster.connect(2, None):
        pass
