"""Scenes on several processes or machines: one task a scene, through Dask distributed.

A task can be done again without harm, since pairs appear whole or not at all: so a killed worker loses
nothing but time, and a second run goes on after a dead scheduler.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from mcdenoise.errors import UsageError

# A worker that dies takes its task with it; the scene may be to blame, or only its neighbour.
TRIES = 3

Done = TypeVar("Done")
Task = Callable[..., Done]


def run(
    task: Task[Done], arguments: Sequence[tuple[Any, ...]], *, workers: int, address: str
) -> Iterator[tuple[int, Done | str]]:
    """Do `task(*arguments[i])` for all i, in any order; yields i and what it gave, or why it gave nothing.

    With an `address` on that cluster, else in so many processes of this machine, on the loopback only.

    Raises:
        UsageError: distributed isn't installed, or nothing answers at the address.
    """
    distributed = _distributed()
    with _client(distributed, workers, address) as client:
        waiting = {
            client.submit(task, *given, pure=False, retries=TRIES): number
            for number, given in enumerate(arguments)
        }
        for future in distributed.as_completed(list(waiting)):
            number = waiting.pop(future)
            yield number, _told(future.exception()) if future.status == "error" else future.result()
            future.release()


def _distributed() -> Any:
    try:
        import dask
        import distributed
    except ImportError as error:
        raise UsageError(
            "--workers, --cluster: distributed isn't installed; pip install 'mcdenoise[cluster]'"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what fails comes back, and is told once
    dask.config.set({"distributed.scheduler.allowed-failures": TRIES})
    return distributed


def _client(distributed: Any, workers: int, address: str) -> Any:
    if not address:
        # A thread a worker, no limit of memory: Dask would stop a worker that has a large scene.
        return distributed.Client(
            n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0, dashboard_address=None,
            host="127.0.0.1", silence_logs=logging.CRITICAL,
        )  # fmt: skip
    is_file = address.endswith(".json")
    try:
        return distributed.Client(**{"scheduler_file" if is_file else "address": address}, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"--cluster {address}: no scheduler answers there; start one with: dask scheduler"
        ) from error


def _told(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
