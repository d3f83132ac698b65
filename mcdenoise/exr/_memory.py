"""How much memory there is, so that what can't fit is refused before it is asked for."""

import os
import sys
from pathlib import Path

from mcdenoise.errors import ExrError

_CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")


def refuse_beyond(path: Path, size: int) -> None:
    """Refuse pixels of which there is more than memory.

    Raises:
        ExrError: there isn't enough, by the machine, the control group or the process's limit.
    """
    most = limit()
    if size > most:
        raise ExrError(
            f"{path}: its pixels take {size / 2**30:.1f} GiB and {most / 2**30:.1f} GiB of memory are there; "
            "use a smaller frame or a larger machine"
        )


def limit() -> int:
    """Bytes that this process may use at most."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    if sys.platform != "win32":
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
        limits += [allowed] if allowed != resource.RLIM_INFINITY else []
    try:
        limits.append(int(_CONTROL_GROUP.read_text()))
    except (OSError, ValueError):  # no control group, or "max"
        return min(limits)
    return min(limits)
