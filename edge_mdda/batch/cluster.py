"""Jobs done here, or by a Dask cluster: the same function, the same outcomes, each exactly once.

Outcomes come back to the process that asked, which alone keeps them; a worker that is killed loses the job it was at,
and Dask gives that to another.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from edge_mdda.errors import ParameterError

if TYPE_CHECKING:
    from distributed import Client

Given = TypeVar("Given")
Made = TypeVar("Made")
#: Jobs sent for each worker: one it is at, and one that waits.
AHEAD = 2
#: In place of an address: processes of this machine, even if it is one.
LOCAL = "local"
# Seconds for the first worker of a running scheduler to be there.
_PATIENCE = 30
_ANY_PORT = "127.0.0.1:0"


#: Where Dask keeps what it sets in the environment of its processes. It has glibc give back all that is free beyond
#: 64 KiB, so that the arrays of each image are mapped anew, which took a seventh of the time of two processes.
_ENVIRONMENT = "distributed.nanny.pre-spawn-environ"
_KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": 2**27, "MALLOC_MMAP_THRESHOLD_": 2**25}


@contextmanager
def connect(workers: int, scheduler: str | None) -> Iterator[Client | None]:
    """A Dask client: of a running scheduler (tcp://…), or of so many processes here; None for one process, this one.

    The workers of a running scheduler must have this package, and see models' files under the same paths. Dask asks
    nobody who he is: whoever reaches its ports, of processes here any user of this machine, can run code as this one.

    Raises:
        ParameterError: Dask is not installed, or there is no such scheduler, or it has no worker.
    """
    if scheduler is None and workers == 1:
        yield None
        return
    try:
        import dask
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise ParameterError(f"expected Dask (pip install 'edge-mdda[batch]'), got: {error}") from None

    if scheduler is not None and scheduler != LOCAL:
        try:
            client = Client(scheduler)
            client.wait_for_workers(1, timeout=_PATIENCE)
        except (OSError, ValueError, TimeoutError) as error:  # each is what Dask raises for something of an address
            raise ParameterError(f"expected a Dask scheduler with workers at {scheduler}, got: {error}") from None
        with client:
            yield client
        return
    with (
        dask.config.set({_ENVIRONMENT: {**dask.config.get(_ENVIRONMENT), **_KEEP_MEMORY}}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            # Its pages cannot be switched off; so they are for this machine alone, on ports that are free.
            dashboard_address=_ANY_PORT,
            worker_dashboard_address=_ANY_PORT,
            preload=[__name__],
            # A killed worker is nothing to tell of: its job is done by another.
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def dask_setup(worker: object) -> None:
    """Called by Dask in each process that `connect` starts: Ctrl-C goes to the parent too, which ends them quietly."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def spread(
    do: Callable[[Given], Made],
    jobs: Iterable[Given],
    client: Client | None,
    lost: Callable[[Given], Made] | None = None,
) -> Iterator[Made]:
    """The outcome of each job, in the order in which they are done. An error in a job ends the run.

    Args:
        do: a function of a module that the workers can import.
        jobs: taken as workers need them.
        client: of the cluster, None to do them here.
        lost: the outcome of a job that several workers died of; without it that ends the run too.
    """
    if client is None:
        yield from map(do, jobs)
        return
    from distributed import KilledWorker, as_completed

    waiting = iter(jobs)
    ahead = AHEAD * max(1, len(client.ncores()))  # scheduler_info tells of five workers alone
    sent: dict[Any, tuple[Any, Given]] = {}

    def send(job: Given) -> Any:
        # Not pure: a job that is asked for twice is done twice, and no outcome is kept on a worker for later.
        future = client.submit(do, job, pure=False)
        sent[future.key] = future, job
        return future

    done: Any = as_completed([send(job) for job in islice(waiting, ahead)])
    try:
        for future in done:
            _, job = sent.pop(future.key)
            try:
                made = future.result()
            except KilledWorker:
                if lost is None:
                    raise
                made = lost(job)
            future.release()
            for following in islice(waiting, 1):
                done.add(send(following))
            yield made
    finally:
        client.cancel([future for future, _ in sent.values()])
