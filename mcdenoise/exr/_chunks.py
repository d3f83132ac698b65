"""Where the packed blocks of pixels lie in a file, so that what doesn't change is copied as it is.

A *chunk* is some scanlines or a tile of a part, packed; an offset table per part says where each begins.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from mcdenoise.exr import _header
from mcdenoise.exr._header import DamageError, Head, Raw, Readable, Window

# Scanlines in a chunk, by the number of the compression; measured for those newer than the specification.
_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32, 256, 1)


class Key(NamedTuple):
    """Which chunk: the first scanline as `y`, or the tile's column and row, and its level in x and y."""

    x: int
    y: int
    level: tuple[int, int]


class Place(NamedTuple):
    """Where a chunk lies in the file, its own header included, and how long that is."""

    offset: int
    header: int
    size: int


@dataclass(frozen=True)
class Level:
    """One of a part's pictures: (0, 0) is the picture, the others are smaller."""

    level: tuple[int, int]
    window: Window
    keys: tuple[Key, ...]


def levels(head: Head) -> list[Level]:
    """The levels of a part with their chunks, in the order of the offset table.

    Raises:
        DamageError: the compression isn't known.
    """
    x0, y0, _, y1 = head.window
    if head.tiles is None:
        lines = range(y0, y1 + 1, lines_of(head.compression))
        return [Level((0, 0), head.window, tuple(Key(0, y, (0, 0)) for y in lines))]
    found = []
    for level, (width, height) in _sizes(head):
        columns, rows = range(-(-width // head.tiles.width)), range(-(-height // head.tiles.height))
        keys = tuple(Key(x, y, level) for y in rows for x in columns)
        found.append(Level(level, (x0, y0, x0 + width - 1, y0 + height - 1), keys))
    return found


def bands(head: Head, level: Level, lines: int) -> list[Level]:
    """The level cut into pieces of so many lines, a multiple of any chunk's."""
    x0, y0, x1, y1 = level.window

    def number(key: Key) -> int:
        return (key.y * head.tiles.height if head.tiles else key.y - y0) // lines

    tops = {band: y0 + band * lines for band in range(-(-(y1 - y0 + 1) // lines))}
    return [Level(level.level, (x0, tops[band], x1, min(tops[band] + lines - 1, y1)), tuple(keys))
            for band, keys in groupby(level.keys, number)]  # fmt: skip


def multiple_of_chunks(head: Head, lines: int) -> int:
    """So many lines or somewhat more, a multiple of those in a chunk of the part in any compression."""
    most = head.tiles.height if head.tiles else max(_LINES)
    return -(-lines // most) * most


def lines_of(compression: int) -> int:
    """Scanlines in a chunk.

    Raises:
        DamageError: the compression isn't known.
    """
    if compression >= len(_LINES):
        raise DamageError(f"its compression, number {compression}, isn't known")
    return _LINES[compression]


def tables(stream: Readable, heads: Sequence[Head], *, multipart: bool, size: int) -> list[np.ndarray]:
    """Each part's offset table; the stream stands at the first one.

    Raises:
        DamageError: the tables are cut off, or blocks are missing or lie outside the file.
    """
    found = []
    for head in heads:
        count = _count(head, multipart=multipart)
        if count * 8 > size - stream.tell():
            raise DamageError("it ends before its pixels")
        offsets = np.frombuffer(stream.read(count * 8), "<u8")
        if missing := int((offsets == 0).sum()):
            raise DamageError(f"{missing} of {count} blocks of pixels are missing")
        if len(offsets) < count or (offsets >= size).any():
            raise DamageError("it ends within its pixels")
        found.append(offsets.astype(np.int64))
    return found


def places(
    stream: Readable, part: int, head: Head, offsets: np.ndarray, *, multipart: bool, size: int
) -> dict[Key, Place]:
    """The chunks of a part, in the order of its table; `size` is the file's.

    Raises:
        DamageError: what lies at an offset isn't a chunk that belongs there.
    """
    form = _Form.of(head, multipart=multipart)
    found = dict(_chunk(stream, form, part, offset) for offset in offsets.tolist())
    if any(place.offset + place.size > size for place in found.values()):
        raise DamageError("it ends within its pixels")
    expected = len(offsets) if head.is_deep else {key for level in levels(head) for key in level.keys}
    if len(found) < len(offsets) or (not head.is_deep and found.keys() != expected):
        raise DamageError("blocks of pixels are missing")
    return found


class _Form(NamedTuple):
    """How chunks of a part begin: with the part's number, what they cover, and their sizes."""

    numbered: bool
    tiled: bool
    deep: bool

    @classmethod
    def of(cls, head: Head, *, multipart: bool) -> "_Form":
        return cls(multipart, head.tiles is not None, head.is_deep)

    @property
    def packing(self) -> struct.Struct:
        return struct.Struct(
            "<" + "i" * self.numbered + ("4i" if self.tiled else "i") + ("3Q" if self.deep else "i")
        )


def _chunk(stream: Readable, form: _Form, part: int, offset: int) -> tuple[Key, Place]:
    stream.seek(offset)
    raw = stream.read(form.packing.size)
    if len(raw) < form.packing.size:
        raise DamageError("it ends within its pixels")
    numbers = form.packing.unpack(raw)
    if form.numbered and numbers[0] != part:
        raise DamageError("a block of pixels is of another part")
    covered = numbers[form.numbered :]
    key = Key(covered[0], covered[1], covered[2:4]) if form.tiled else Key(0, covered[0], (0, 0))
    packed = sum(numbers[-3:-1]) if form.deep else numbers[-1]
    if packed < 0:
        raise DamageError("a block of pixels has no size")
    return key, Place(offset, len(raw), len(raw) + packed)


def chunk_header(head: Head, key: Key, size: int) -> bytes:
    """What stands before the packed pixels of a flat part's chunk, but for the part's number."""
    return (
        struct.pack("<5i", key.x, key.y, *key.level, size) if head.tiles else struct.pack("<2i", key.y, size)
    )


def file(
    head: Head, level: Level, chunks: Sequence[bytes], attributes: Sequence[Raw] = ()
) -> Iterator[bytes]:
    """A file of one part and one level, or band, with these packed pixels under a plain header, in pieces."""
    tiled = (
        (Raw(b"tiles", b"tiledesc", struct.pack("<IIB", head.tiles.width, head.tiles.height, 0)),)
        if head.tiles
        else ()
    )
    listed = [*_header.plain(head, level.window), *tiled, *attributes]
    flags = 2 | _header.LONG_NAMES | (_header.TILED if head.tiles else 0)
    start = _header.MAGIC + struct.pack("<I", flags) + b"".join(raw.packed for raw in listed) + b"\0"
    sizes = [len(chunk) for chunk in chunks]
    above = level.keys[0].y if head.tiles else 0
    headers = [
        chunk_header(head, key._replace(y=key.y - above, level=(0, 0)), size)
        for key, size in zip(level.keys, sizes, strict=True)
    ]
    begins = len(start) + 8 * len(chunks) + np.cumsum([0, *(len(headers[0]) + size for size in sizes[:-1])])
    yield start
    yield begins.astype("<u8").tobytes()
    for before, chunk in zip(headers, chunks, strict=True):
        yield before
        yield chunk


def _count(head: Head, *, multipart: bool) -> int:
    """How many chunks a part has: a deep one as it declares itself.

    Raises:
        DamageError: it declares another number than its window makes.
    """
    declared = head.values.get("chunkCount", 0)
    if head.is_deep:
        count = declared
    elif head.tiles:
        sides = head.tiles.width, head.tiles.height
        count = sum(-(-w // sides[0]) * -(-h // sides[1]) for _, (w, h) in _sizes(head))
    else:
        count = math.ceil((head.window[3] - head.window[1] + 1) / lines_of(head.compression))
    if multipart and declared != count:
        raise DamageError("it declares a wrong number of blocks of pixels")
    if not isinstance(count, int) or count < 1:
        raise DamageError("it declares no sensible number of blocks of pixels")
    return count


def _sizes(head: Head) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The number of each level in x and y, and its size in pixels."""
    tiles, (x0, y0, x1, y1) = head.tiles, head.window
    assert tiles
    width, height = x1 - x0 + 1, y1 - y0 + 1
    across, down = (_level_count(n, up=tiles.rounds_up) for n in (width, height))
    numbers = {0: [(0, 0)], 1: [(n, n) for n in range(max(across, down))],
               2: [(x, y) for y in range(down) for x in range(across)]}  # fmt: skip
    for x, y in numbers[tiles.mode]:
        yield (x, y), (_shrunk(width, x, up=tiles.rounds_up), _shrunk(height, y, up=tiles.rounds_up))


def _level_count(extent: int, *, up: bool) -> int:
    return (extent - 1).bit_length() + 1 if up else extent.bit_length()


def _shrunk(extent: int, level: int, *, up: bool) -> int:
    return max(1, -(-extent >> level) if up else extent >> level)
