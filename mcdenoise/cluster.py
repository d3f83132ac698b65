"""Tasks on several processes or machines, through Dask distributed.

A task has to be one that can be done again without harm: then a killed worker loses nothing but time, and a
second run goes on after a dead scheduler.
"""

import functools
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mcdenoise.errors import McdenoiseError, UsageError

# A worker that dies takes its task with it; the task may be to blame, or only its neighbour.
TRIES = 3
# Workers come and go, so that they are counted again.
COUNTED_EVERY_SECONDS = 60

Done = TypeVar("Done")
Task = Callable[..., Done]


def run(
    task: Task[Done], arguments: Sequence[tuple[Any, ...]], *, workers: int, address: str
) -> Iterator[tuple[int, Done | str]]:
    """Do `task(*arguments[i])` for all i, in any order; yields i and what it gave, or why it gave nothing.

    With an `address` on that cluster, else in so many processes of this machine, on the loopback only.

    Raises:
        UsageError: distributed isn't installed, or nothing answers at the address.
        McdenoiseError: the scheduler died.
    """
    distributed = _distributed()
    with _client(distributed, workers, address) as client:
        if not address:
            client.run(_ignore_interrupts)
        waiting = {
            client.submit(task, *given, pure=False, retries=TRIES): number
            for number, given in enumerate(arguments)
        }
        for future in distributed.as_completed(list(waiting)):
            number = waiting.pop(future)
            try:
                yield number, _outcome(future)
            except CancelledError as error:
                asked = f"--cluster {address}" if address else f"--workers {workers}"
                raise McdenoiseError(f"{asked}: the scheduler is gone; run it again to go on") from error
            future.release()


def _outcome(future: Any) -> Any:
    """What came of a task. One whose worker died with the result is done again, and waited for.

    Raises:
        CancelledError: the scheduler died.
    """
    error = future.exception()
    if isinstance(error, CancelledError):
        raise error
    if error is not None:
        return _told(error)
    try:
        return future.result()
    except OSError as lost:  # the scheduler died while it handed the result over
        raise CancelledError from lost


def threads() -> int:
    """Within a task: this machine's cores, shared by the workers on it; 1 at least."""
    return _share(int(time.monotonic() // COUNTED_EVERY_SECONDS))


@functools.lru_cache(maxsize=1)
def _share(_: int) -> int:
    import dask.system
    import distributed

    here = urlsplit(distributed.get_worker().address).hostname
    beside = [urlsplit(address).hostname for address in distributed.get_client().nthreads()]
    return max(1, int(dask.system.CPU_COUNT) // max(1, beside.count(here)))


def _distributed() -> Any:
    try:
        import dask
        import distributed
    except ImportError as error:
        raise UsageError(
            "--workers, --cluster: distributed isn't installed; pip install 'mcdenoise[cluster]'"
        ) from error
    for name in ("distributed", *logging.root.manager.loggerDict):  # Dask gave its own loggers each a level
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails comes back, and is told once
    dask.config.set({"distributed.scheduler.allowed-failures": TRIES})
    return distributed


def _client(distributed: Any, workers: int, address: str) -> Any:
    try:
        if address:
            kind = "scheduler_file" if address.endswith(".json") else "address"
            return distributed.Client(**{kind: address}, timeout=10)
        # A thread a worker, no limit of memory: Dask would stop a worker that has a large scene.
        return distributed.Client(
            n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
        )  # fmt: skip
    except (OSError, RuntimeError, TimeoutError, TypeError, ValueError) as error:
        why = f"--workers {workers}: can't be started: {_told(error.__cause__ or error)}; leave it out"
        if address:
            why = f"--cluster {address}: no scheduler answers there; start one with: dask scheduler"
        if address.startswith("tls:"):
            why += ", and give its certificates in Dask's settings distributed.comm.tls"
        raise UsageError(why) from error


def _ignore_interrupts() -> None:
    """In a worker: Ctrl-C reaches it too, but is for the process that started it, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _told(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
