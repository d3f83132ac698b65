"""How much memory there is, so that what can't fit is refused before it is asked for."""

import contextlib
import os
import sys
from pathlib import Path

from mcdenoise.errors import ExrError

_CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")
_SYSTEM = Path("/proc/meminfo")


def require(path: Path, size: int) -> None:
    """Refuse what takes more memory than there is.

    Raises:
        ExrError: there isn't enough, by the machine, the control group or the process's limit; its cause is
            a `MemoryError`.
    """
    most = limit()
    if size > most:
        raise ExrError(
            f"{path}: it takes {size / 2**30:.1f} GiB of memory and {most / 2**30:.1f} GiB are free; "
            "close other programs, or use a smaller frame or a larger machine"
        ) from MemoryError(size)


def limit() -> int:
    """Bytes that this process may take at most, of what others leave where the system tells."""
    limits = [sys.maxsize]
    for read in (_machine, _process, _control_group, _left_by_others):
        # Another system, no control group, or "max".
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError, ImportError):
            limits.append(read())
    return min(limits)


def _machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _process() -> int:
    import resource  # not on Windows

    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    return sys.maxsize if allowed == resource.RLIM_INFINITY else allowed


def _control_group() -> int:
    return int(_CONTROL_GROUP.read_text())


def _left_by_others() -> int:
    """Memory that is free or would be made free, and what can be swapped out."""
    told = dict(line.split(":") for line in _SYSTEM.read_text().splitlines())
    return 1024 * sum(int(told[name].split()[0]) for name in ("MemAvailable", "SwapFree"))
