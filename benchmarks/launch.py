"""Runs a command for `turns.process`: launch.py FILE COMMAND ...

FILE gets its seconds, peak in KiB, seconds of the processor, and exit code.
From a process as small as this one: Linux counts the most that a parent ever held as its child's peak.
"""

import os
import sys
import time

start = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
seconds = time.perf_counter() - start
with open(sys.argv[1], "w") as file:  # noqa: PTH123 - pathlib would make it larger
    print(
        seconds, used.ru_maxrss, used.ru_utime + used.ru_stime, os.waitstatus_to_exitcode(status), file=file
    )
