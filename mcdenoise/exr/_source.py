"""A file's parts with their headers, and their pixels once they are asked for."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from mcdenoise.errors import ExrError, NoInputError
from mcdenoise.exr import _chunks, _header, _library, _memory
from mcdenoise.exr._chunks import Key, Level, Place
from mcdenoise.exr._header import BYTES, COMPRESSIONS, DAMAGED, DamageError, Head, Window

# Pixels beyond this must stand in some proportion to the file's size; zlib packs 1032 to 1 at best.
_FREE_BYTES, _MOST_RATIO = 2**30, 1100
# A part of more pixels than this isn't kept unpacked, and is unpacked in bands of about so many bytes.
KEPT_BYTES, BAND_BYTES = 2**29, 2**27
_DEEP = "deep data isn't handled; flatten it first (oiiotool IN --flatten -o OUT)"


@dataclass(frozen=True)
class Source:
    """A file, its version with flags, and what tells whether it is still the same one."""

    path: Path
    flags: int = 2
    stamp: tuple[int, ...] = ()

    @property
    def is_multipart(self) -> bool:
        """Whether its chunks are numbered by part."""
        return bool(self.flags & _header.MULTIPART)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, for reading.

        Raises:
            NoInputError, ExrError: it can't be read, is damaged, or changed since it was looked at.
        """
        try:
            with self.path.open("rb", buffering=0) as stream:
                if self.stamp and self.stamp != stamp(stream):
                    raise ExrError(f"{self.path}: changed while it was at work; run again once it is whole")
                yield stream
        except FileNotFoundError as error:
            raise NoInputError(f"{self.path}: no such file; check the path") from error
        except IsADirectoryError as error:
            raise ExrError(f"{self.path}: is a folder; give the frames in it ({self.path}/*.exr)") from error
        except OSError as error:
            raise ExrError(
                f"{self.path}: can't be read: {error.strerror}; check its rights and its disk"
            ) from error
        except DamageError as error:
            raise ExrError(f"{self.path}: {DAMAGED}" + (f" ({error})" if str(error) else "")) from error
        except MemoryError as error:
            raise ExrError(
                f"{self.path}: too large for this machine's memory; use a smaller frame"
            ) from error


def stamp(stream: BinaryIO) -> tuple[int, ...]:
    """What differs once a file was written anew."""
    told = os.fstat(stream.fileno())
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns


class Band(NamedTuple):
    """Some lines of a part: their window, and each channel in its own type, h w."""

    window: Window
    pixels: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Part:
    """One picture of a file: its header, and where its packed pixels lie."""

    source: Source
    index: int
    head: Head
    places: Mapping[Key, Place]

    @property
    def name(self) -> str:
        """The part's name; empty in most files of one part."""
        return self.head.name

    @property
    def window(self) -> Window:
        """The data window."""
        return self.head.window

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the data window."""
        x0, y0, x1, y1 = self.window
        return y1 - y0 + 1, x1 - x0 + 1

    @property
    def types(self) -> Mapping[str, str]:
        """Each channel's `half`, `float` or `uint`."""
        return {channel.name: channel.kind for channel in self.head.channels}

    @property
    def compression(self) -> str:
        """As people write it: ZIP, PIZ, NO ..."""
        return COMPRESSIONS[self.head.compression]

    @property
    def unread(self) -> str:
        """Why its pixels can't be read, or nothing if they can."""
        if self.head.is_deep:
            return _DEEP
        subsampled = [channel.name for channel in self.head.channels if channel.sampling != (1, 1)]
        if {"RY", "BY"} & {name.rpartition(".")[2] for name in subsampled}:
            return "luminance-chroma (Y, RY, BY) isn't handled; convert it to R, G, B first"
        names = ascii(subsampled)[1:-1]
        return f"subsampled channels ({names}) aren't handled; write them whole" if subsampled else ""

    @property
    def levels(self) -> list[Level]:
        """The picture and, in textures, smaller ones of it."""
        return _chunks.levels(self.head)

    @cached_property
    def pixels(self) -> Mapping[str, np.ndarray]:
        """Each channel in its own type, h w; unpacked once, and kept however large.

        Raises:
            ExrError: they are damaged, of a kind that isn't handled, or too many.
        """
        return self.unpack(self.levels[0])

    @property
    def band_lines(self) -> int:
        """Lines in a band: all of them if they aren't many."""
        size, height = pixel_bytes(self.head), self.size[0]
        lines = height if size <= KEPT_BYTES else max(BAND_BYTES * height // size, 1)
        return _chunks.multiple_of_chunks(self.head, lines)

    def bands(self) -> Iterator[Band]:
        """The pixels, some lines at a time: all at once, and kept, if they aren't many, else unpacked anew.

        Raises:
            ExrError: they are damaged, or of a kind that isn't handled.
        """
        bands = _chunks.bands(self.head, self.levels[0], self.band_lines)
        if len(bands) == 1:
            yield Band(self.window, self.pixels)
        else:
            yield from (Band(band.window, self.unpack(band)) for band in bands)

    def channels(self, names: Collection[str]) -> dict[str, np.ndarray]:
        """Some channels whole, each in its own type, h w; raises as `bands`."""
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for band in self.bands():
            for name in names:
                found[name].append(band.pixels[name])
        return {name: np.concatenate(rows) for name, rows in found.items()}

    def unpack(self, level: Level) -> dict[str, np.ndarray]:
        """The channels of one level or band."""
        if self.unread:
            raise ExrError(f"{self.source.path}: {self.unread}")
        if not self.head.channels:
            return {}
        _memory.require(self.source.path, pixel_bytes(replace(self.head, window=level.window)))
        with self.source.opened() as stream:
            chunks = [_payload(stream, self.places[key]) for key in level.keys]
            return _library.unpacked(self.head, level, chunks)

    def chunk(self, stream: BinaryIO, key: Key) -> bytes:
        """A chunk as it lies in the file, its header included."""
        place = self.places[key]
        stream.seek(place.offset)
        return _exactly(stream, place.size)


def read_parts(path: Path) -> tuple[Source, list[Part]]:
    """The headers of a file, and that all its blocks of pixels are there; none is unpacked.

    Raises:
        NoInputError, ExrError: see `Source.opened`.
    """
    with Source(path).opened() as stream:
        seen = stamp(stream)
        size = seen[2]
        flags, heads = _header.heads(path, stream, size)
        source = Source(path, flags, seen)
        if heads[0].is_deep and not source.is_multipart:
            raise ExrError(f"{path}: {_DEEP}")
        _check_size(heads, size)
        tables = _chunks.tables(stream, heads, multipart=source.is_multipart, size=size)
        return source, [
            Part(source, index, head,
                 _chunks.places(stream, index, head, table, multipart=source.is_multipart, size=size))
            for index, (head, table) in enumerate(zip(heads, tables, strict=True))
        ]  # fmt: skip


def pixel_bytes(head: Head) -> int:
    """What the channels of the largest level take in memory."""
    x0, y0, x1, y1 = head.window
    return (x1 - x0 + 1) * (y1 - y0 + 1) * sum(BYTES[channel.kind] for channel in head.channels)


def _check_size(heads: list[Head], size: int) -> None:
    """Refuse windows that would fill the memory with what so small a file can't hold."""
    total = sum(pixel_bytes(head) for head in heads if not head.is_deep)
    if total > max(_FREE_BYTES, _MOST_RATIO * size):
        raise DamageError(f"it declares {total} bytes of pixels and has {size}")


def _payload(stream: BinaryIO, place: Place) -> bytes:
    stream.seek(place.offset + place.header)
    return _exactly(stream, place.size - place.header)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Unbuffered reads may end early."""
    found = stream.read(size)
    while len(found) < size:
        more = stream.read(size - len(found))
        if not more:
            raise DamageError("it ends within its pixels")
        found += more
    return found
