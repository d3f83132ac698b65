"""Views packed for training: safetensors files whose pixels a loader reads where they lie, without decoding.

A shard holds up to `VIEWS` views of one scene. Tensors are named `VIEW/RENDER/PLANE`; one JSON value in the
header says what the views are and carries a checksum of each view's pixels.
"""

import contextlib
import hashlib
import json
import math
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from mcdenoise import files
from mcdenoise.errors import TrainingError
from mcdenoise.views import View

VERSION = 1
KEY = "mcdenoise.shard"
SUFFIX = ".shard.safetensors"
# Types of planes, by the names that safetensors has for them.
TYPES = {"F32": "<f4", "F16": "<f2"}
# Views of a shard: some 50 MB of 128x128 pixels with four renders each.
VIEWS = 32


class PageMap:
    """A file in memory as far as it has been touched; other processes are sent its name and map it anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __reduce__(self) -> tuple[type["PageMap"], tuple[Path]]:
        return PageMap, (self._path,)


@dataclass(frozen=True, eq=False)
class StoredPlane:
    """A plane (h w c) where it lies in a shard: pixels are read when they are sliced, or asked for ahead."""

    pages: PageMap
    start: int
    type: str
    shape: tuple[int, ...]

    def __getitem__(self, window: Any, /) -> np.ndarray:
        """The pixels of a window."""
        flat = np.frombuffer(self.pages.bytes, self.type, math.prod(self.shape), self.start)
        return np.asarray(flat.reshape(self.shape)[window])

    def prefetch(self, rows: slice) -> None:
        """Ask the disk for rows without waiting for them; does nothing where a system knows no such request.

        Source: `python -m benchmarks.loading`: touched one by one, pages come one after the other, each with
        up to 8 MB of what lies around it (`read_ahead_kb`): ten times the time, and the bytes, of the rows.
        """
        first, last, _ = rows.indices(self.shape[0])
        row = math.prod(self.shape[1:]) * np.dtype(self.type).itemsize
        begin, end = self.start + first * row, self.start + last * row
        begin -= begin % mmap.PAGESIZE
        if hasattr(mmap, "MADV_WILLNEED"):
            with contextlib.suppress(OSError):  # advice that isn't taken costs time, not pixels
                self.pages.bytes.madvise(mmap.MADV_WILLNEED, begin, end - begin)


def write(path: Path, views: Sequence[View], about: Mapping[str, Any]) -> None:
    """Write views, and what else is to be said of them, whole or not at all; same views, same bytes.

    Raises:
        TrainingError: the file can't be written.
    """
    tensors = dict(tensor for view in views for tensor in _tensors(view))
    said = {"version": VERSION, "views": [_record(view) for view in views], **about}
    try:
        with files.whole(path) as part:
            part.write_bytes(safetensors.numpy.save(tensors, {KEY: json.dumps(said, sort_keys=True)}))
    except OSError as error:
        raise TrainingError(f"{path}: can't be written: {error.strerror}; choose another -o") from error


def read(path: Path) -> list[View]:
    """The views of a shard; their planes are read from the file when they are sliced.

    Raises:
        TrainingError: the file is damaged, of another kind, or newer than this program.
    """
    about, tensors = _open(path)
    return [_view(record, tensors) for record in about["views"]]


def header(path: Path) -> dict[str, Any]:
    """What `write` was told about the shard, and its views' records.

    Raises:
        TrainingError: as `read`.
    """
    return _open(path)[0]


def verify(path: Path) -> None:
    """Compare all pixels with their checksums.

    Raises:
        TrainingError: they differ, or as `read`.
    """
    about, tensors = _open(path)
    for record in about["views"]:
        view = _view(record, tensors)
        if _checksum(view) != record["checksum"]:
            raise TrainingError(f"{path}: {view.name} isn't what was packed; remove the file and pack again")


def _tensors(view: View) -> list[tuple[str, np.ndarray]]:
    return [(f"{view.name}/{number}/{name}", np.ascontiguousarray(plane[:]))
            for number, render in enumerate(view.renders) for name, plane in render.items()]  # fmt: skip


def _record(view: View) -> dict[str, Any]:
    planes = [sorted(render) for render in view.renders]
    return {"name": view.name, "scene": view.scene, "spps": list(view.spps), "filter": view.filter,
            "attributes": dict(view.attributes), "planes": planes,
            "checksum": _checksum(view)}  # fmt: skip


def _checksum(view: View) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for render in view.renders:
        for name in sorted(render):
            digest.update(np.ascontiguousarray(render[name][:]).tobytes())
    return digest.hexdigest()


def _view(record: Mapping[str, Any], tensors: Mapping[str, StoredPlane]) -> View:
    renders = tuple({name: tensors[f"{record['name']}/{number}/{name}"] for name in names}
                    for number, names in enumerate(record["planes"]))  # fmt: skip
    return View(record["scene"], record["name"], renders, tuple(record["spps"]), record["filter"],
                record["attributes"])  # fmt: skip


def _open(path: Path) -> tuple[dict[str, Any], dict[str, StoredPlane]]:
    try:
        with safetensors.safe_open(
            path, framework="numpy"
        ) as file:  # which checks it, and says what is wrong
            about: dict[str, Any] = json.loads((file.metadata() or {})[KEY])
        version = int(about["version"])
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainingError(f"{path}: damaged or cut off ({error}); remove it and pack again") from error
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: a safetensors file, but not a shard of mcdenoise") from error
    if version > VERSION:
        raise TrainingError(
            f"{path}: shard version {version}, this program reads {VERSION}; update mcdenoise"
        )
    return about, _mapped(path)


def _mapped(path: Path) -> dict[str, StoredPlane]:
    """The file's tensors where they lie: pages are read when they are touched.

    safetensors' own slices copy row by row: 0.5 ms each, more than all else that a batch costs.

    Source: the format's layout, a length of 8 bytes, a JSON header, the pixels.
    """
    pages = PageMap(path)
    start = 8 + int.from_bytes(pages.bytes[:8], "little")
    entries = json.loads(pages.bytes[8:start])
    return {
        name: StoredPlane(
            pages, start + entry["data_offsets"][0], TYPES[entry["dtype"]], tuple(entry["shape"])
        )
        for name, entry in entries.items()
        if name != "__metadata__"
    }
