"""Loops over rows, which numba compiles at first use and keeps in its cache; threads of ours share the rows.

numba's own threads (`parallel=True`) make it compile each loop several times (docs/decisions/0019).
"""

import functools
import inspect
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import torch
from numba import njit
from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

log = logging.getLogger(__name__)


class _Teller(event.Listener):
    """Says once that loops are being compiled; those that come out of the cache aren't."""

    told = False

    def on_start(self, event: Any) -> None:
        """A function is about to be compiled."""
        if not self.told and event.data["dispatcher"].py_func.__module__.startswith(__package__):
            self.told = True
            log.info("compiling the filters, once after an installation or an update: up to half a minute")

    def on_end(self, event: Any) -> None:
        """It was."""


event.register("numba:compile", _Teller())


class _Kept(FunctionCache):
    """numba's cache of what it compiled. Its own first imports all that compiling needs, scipy too, whatever
    is in the cache; where something is missing, the compiler does that by itself (docs/decisions/0024).

    It forgets a loop when its own file changes; what loops take from other modules, constants among it, is
    compiled in too, so here it forgets all when any of ours changes."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for these types, or None."""
        try:
            rtsys.initialize(target_context)  # memory for arrays, which is all that our loops call
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)
        except AttributeError:  # another numba has other names
            return super().load_overload(sig, target_context)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), _state_of_sources())


@functools.cache
def _state_of_sources() -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of our modules, here and in the package above."""
    here = Path(__file__).parent
    found = [(path.name, path.stat()) for folder in (here.parent, here) for path in folder.glob("*.py")]
    return tuple(sorted((name, state.st_size, state.st_mtime_ns) for name, state in found))


def of_lines(function: Callable[..., Any]) -> Callable[..., Any]:
    """For use in loops: a part of them."""
    return cast("Callable[..., Any]", njit(inline="always")(_plain(function)))


def of_pixels(function: Callable[..., Any]) -> Callable[..., Any]:
    """For use in the innermost loops: numbers in, a number out."""
    compiled = njit(fastmath=True, error_model="numpy", forceinline=True)(_plain(function))
    return cast("Callable[..., Any]", compiled)


def over_rows(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` goes over the rows of a share (its first, and the one after its last); the loop that comes
    back is called with how many rows there are, and gives each of torch's threads a share of them."""
    run: Any = njit(nogil=True, fastmath=True, error_model="numpy", cache=True)(_plain(function))
    run._cache = _Kept(run.py_func)

    @functools.wraps(run)
    def loop(rows: int, *given: Any) -> None:
        in_shares(rows, lambda share: run(share, *given))

    return loop


def in_shares(rows: int, work: Callable[[tuple[int, int]], None]) -> None:
    """Give each of torch's threads a share of the rows; there torch takes no further threads."""
    count = torch.get_num_threads()
    size = -(-rows // count)
    shares = [(first, min(first + size, rows)) for first in range(0, rows, size)]
    if count == 1:
        work(shares[0])
    else:
        for done in [_threads().submit(work, share) for share in shares]:
            done.result()


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """One for each core. How many threads torch takes is set for each thread, and for those to come: so it is
    set back."""
    size, count = os.cpu_count() or 1, torch.get_num_threads()
    ready = threading.Barrier(size + 1)

    def alone() -> None:
        torch.get_num_threads()  # which sets it, at the first call
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(size, initializer=alone)
    for _ in range(size):
        pool.submit(int)
    ready.wait()
    torch.set_num_threads(count)
    return pool


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The test suite's type checks are nothing that numba can compile."""
    plain: Callable[..., Any] = inspect.unwrap(function)
    return plain
