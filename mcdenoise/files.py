"""Files appear whole or not at all."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is written there is synced and takes the name `path` at the end.

    If anything goes wrong in between, the part file is removed and a `path` that was there stays as it was.
    Host and process in the name keep two writers on shared storage apart.

    Raises:
        OSError: from the file system, for the caller to explain.
    """
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
