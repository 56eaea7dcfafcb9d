"""Jobs done here, or by a Dask cluster: the same function, the same outcomes, each exactly once.

Outcomes come back to the process that asked, which alone keeps them; a worker that is killed loses the job it was at,
and Dask gives that to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from distributed import Client

Given = TypeVar("Given")
Made = TypeVar("Made")
#: Jobs sent for each worker: one it is at, and one that waits.
AHEAD = 2


@contextmanager
def connect(workers: int, scheduler: str | None) -> Iterator[Client | None]:
    """A Dask client: of a running scheduler (tcp://…), or of so many processes here; None for one process, this one.

    The workers of a running scheduler must see this package and the models' files under the same paths.
    """
    if scheduler is None and workers == 1:
        yield None
        return
    from distributed import Client, LocalCluster

    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def spread(do: Callable[[Given], Made], jobs: Iterable[Given], client: Client | None) -> Iterator[Made]:
    """The outcome of each job, in the order in which they are done. An error in a job ends the run.

    Args:
        do: a function of a module that the workers can import.
        jobs: taken as workers need them.
    """
    if client is None:
        yield from map(do, jobs)
        return
    from distributed import as_completed

    waiting = iter(jobs)
    ahead = AHEAD * max(1, len(client.ncores()))  # scheduler_info tells of five workers alone
    # Not pure: a job that is asked for twice is done twice, and no outcome is kept on a worker for later.
    sent = [client.submit(do, job, pure=False) for job in islice(waiting, ahead)]
    done: Any = as_completed(sent)
    for future in done:
        made = future.result()
        future.release()
        for job in islice(waiting, 1):
            done.add(client.submit(do, job, pure=False))
        yield made
