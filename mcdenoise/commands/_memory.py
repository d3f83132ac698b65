"""How this process keeps memory: pages given back after one step have to be cleared again for the next."""

import ctypes
import sys

# Of glibc's malloc.h: above what size the top of the heap is given back, and how many arrays lie outside it.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
# A larger frame had better give back what it no longer needs (docs/decisions/0016).
MOST_PIXELS = 2**23


def keep_for(height: int, width: int) -> None:
    """From now on this process keeps what it frees; for frames of up to `MOST_PIXELS`, with glibc."""
    if height * width <= MOST_PIXELS and sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt:
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
