"""Files appear whole or not at all."""

import contextlib
import functools
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

PART = ".part"


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is written there is synced and takes the name `path` at the end.

    If anything goes wrong in between, the part file is removed and a `path` that was there stays as it was.
    One that is replaced hands its rights on. Host and process in the name keep two writers on shared storage
    apart; what a writer left that was killed here is removed.

    Raises:
        OSError: from the file system, for the caller to explain.
    """
    before, after = f".{path.name}.{socket.gethostname()}.", PART
    for name in _parts_found(path.parent.absolute()):
        if name.startswith(before):
            _remove_abandoned(path.with_name(name), name.removeprefix(before).removesuffix(after))
    part = path.with_name(f"{before}{os.getpid()}{after}")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        if path.exists():
            part.chmod(path.stat().st_mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@functools.lru_cache(maxsize=64)
def _parts_found(folder: Path) -> list[str]:
    """The part files in a folder when this process first writes there: listing ten thousand results for each
    of them would be a hundred million names."""
    try:
        return [path.name for path in folder.iterdir() if path.suffix == PART]
    except OSError:  # no such folder, or no right to list it
        return []


def _remove_abandoned(part: Path, process: str) -> None:
    """Remove what a writer left that is no more; an hour old, since containers may share a host's name."""
    with contextlib.suppress(OSError):
        if time.time() - part.stat().st_mtime > 3600 and not _is_running(process):
            part.unlink()


def _is_running(process: str) -> bool:
    """Whether a process of this host is there; what is no number is left alone."""
    if os.name == "nt" or not process.isdecimal():  # there, signal 0 would end it
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    return True
