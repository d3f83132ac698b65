"""Puts a file together again: headers and chunks of parts that stay as they are, others packed anew.

Chunks keep their order in the file, so a part's line order is what it was.
"""

import logging
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from mcdenoise.exr import _chunks, _header, _library
from mcdenoise.exr._chunks import Key, Level
from mcdenoise.exr._header import COMPRESSIONS, Channel, Head, Raw
from mcdenoise.exr._source import Part, Source
from mcdenoise.frame import Attribute

log = logging.getLogger(__name__)

HALF_MAX = 65504.0  # the largest finite half
_LOSSY = {"PXR24", "B44", "B44A", "DWAA", "DWAB"}


@dataclass(frozen=True)
class Edit:
    """What changes in a part: channels exchanged, in their own types, channels of the given types added (both
    h w), attributes set, and the compression, if it isn't kept."""

    replaced: Mapping[str, np.ndarray] = field(default_factory=dict)
    added: Mapping[str, np.ndarray] = field(default_factory=dict)
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    compression: str | None = None


@dataclass(frozen=True)
class _Packed:
    """A part as it will be written: its new chunks' pixels, or none if its old chunks are copied."""

    part: Part
    head: Head
    pixels: Mapping[Key, bytes] | None = None

    @property
    def keys(self) -> Sequence[Key]:
        """In the order of the offset table."""
        if self.pixels is None:
            return list(self.part.places)
        return [key for level in _chunks.levels(self.head) for key in level.keys]

    def placed(self) -> list[tuple[int, Key]]:
        """The chunks with the old places that put them in order."""
        old = {key: place.offset for key, place in self.part.places.items()}
        if old.keys() == set(self.keys):
            return [(old[key], key) for key in self.keys]
        falling = any(raw.name == b"lineOrder" and raw.value == b"\1" for raw in self.head.attributes)
        return [(min(old.values()), key) for key in (reversed(self.keys) if falling else self.keys)]


def write(stream: BinaryIO, source: Source, parts: Sequence[Part], edits: Mapping[int, Edit]) -> None:
    """Write `parts` with `edits` (by number of the part) made.

    Raises:
        ExrError: a part that changes can't be read.
    """
    packed = [_edited(part, edits[part.index]) if part.index in edits else _Packed(part, part.head)
              for part in parts]  # fmt: skip
    stream.write(_start(source, [each.head for each in packed]))
    tables = stream.tell()
    stream.write(bytes(8 * sum(len(each.keys) for each in packed)))
    order = [(place, each, key) for each in packed for place, key in each.placed()]
    order.sort(key=lambda placed: placed[0])
    offsets = {}
    for each, key, chunk in _pieces(source, [(each, key) for _, each, key in order]):
        offsets[each.part.index, key] = stream.tell()
        stream.write(chunk)
    stream.seek(tables)
    for each in packed:
        stream.write(np.array([offsets[each.part.index, key] for key in each.keys], "<u8").tobytes())


def write_new(
    stream: BinaryIO, channels: Mapping[str, np.ndarray], attributes: Mapping[str, Attribute]
) -> None:
    """Write a file of one part, scanlines, ZIP."""
    kinds = {name: _kind(pixels) for name, pixels in channels.items()}
    height, width = next(iter(channels.values())).shape
    listed = tuple(Channel(name, kinds[name]) for name in sorted(channels, key=str.encode))
    head = Head((), listed, (0, 0, width - 1, height - 1), COMPRESSIONS.index("ZIP"), "scanlineimage", None)
    (level,) = _chunks.levels(head)
    chunks = _library.packed(head, level, channels)
    own = [
        Raw(b"type", b"string", head.kind.encode()),
        *(raw(name, value) for name, value in attributes.items()),
    ]
    stream.writelines(_chunks.file(head, level, [chunks[key] for key in level.keys], own))


def _start(source: Source, heads: Sequence[Head]) -> bytes:
    names = [len(raw.name) for head in heads for raw in head.attributes]
    names += [len(channel.name.encode()) for head in heads for channel in head.channels]
    flags = source.flags | (_header.LONG_NAMES if max(names, default=0) > 31 else 0)
    packed = [b"".join(raw.packed for raw in head.attributes) + b"\0" for head in heads]
    return _header.MAGIC + struct.pack("<I", flags) + b"".join(packed) + b"\0" * source.is_multipart


def _pieces(source: Source, order: Iterable[tuple[_Packed, Key]]) -> Iterator[tuple[_Packed, Key, bytes]]:
    """Each chunk with its header, copied or new; apart from writing, so that errors tell the files apart."""
    with source.opened() as old:
        for each, key in order:
            yield (
                each,
                key,
                each.part.chunk(old, key) if each.pixels is None else _new_chunk(each, key, each.pixels),
            )


def _new_chunk(packed: _Packed, key: Key, pixels: Mapping[Key, bytes]) -> bytes:
    number = struct.pack("<i", packed.part.index) if packed.part.source.is_multipart else b""
    return number + _chunks.chunk_header(packed.head, key, len(pixels[key])) + pixels[key]


# ---- parts that change ----


def _edited(part: Part, edit: Edit) -> _Packed:
    compression = edit.compression or part.compression
    pixels = _packed(part, edit, compression)
    if pixels is None:
        log.warning("%s: part %r packed as ZIP: %s would change the channels that are kept",
                    part.source.path, part.name, compression)  # fmt: skip
        compression = "ZIP"
        pixels = _packed(part, edit, compression)
    return _Packed(part, _head(part, edit, compression), pixels)


def _packed(part: Part, edit: Edit, compression: str) -> dict[Key, bytes] | None:
    """The chunks of every level; None if lossy packing, unless asked for, would change what is kept."""
    head, found = _head(part, edit, compression), {}
    for level, kept, changed in _pieces_of(part, edit, head):
        chunks = _library.packed(head, level, {**kept, **changed})
        if compression in _LOSSY and not edit.compression:
            again = _library.unpacked(head, level, [chunks[key] for key in level.keys])
            if any(again[name].tobytes() != kept[name].tobytes() for name in kept.keys() - changed.keys()):
                return None
        found.update(chunks)
    return found


def _pieces_of(
    part: Part, edit: Edit, head: Head
) -> Iterator[tuple[Level, Mapping[str, np.ndarray], Mapping[str, np.ndarray]]]:
    """The picture in bands and every smaller level: the old channels, and those that take their place."""
    picture, *smaller = _chunks.levels(head)
    bands = _chunks.bands(head, picture, part.band_lines)
    for level, band in zip(bands, part.bands(), strict=True):
        rows = slice(level.window[1] - part.window[1], level.window[3] - part.window[1] + 1)
        yield level, band.pixels, _changed(part, edit, rows)
    changed = _changed(part, edit, slice(None)) if smaller else {}
    for level, old in zip(smaller, part.levels[1:], strict=True):
        yield level, part.unpack(old), {name: _reduced(plane, level) for name, plane in changed.items()}


def _changed(part: Part, edit: Edit, rows: slice) -> dict[str, np.ndarray]:
    replaced = {name: stored(plane[rows], part.types[name]) for name, plane in edit.replaced.items()}
    return {**replaced, **{name: plane[rows] for name, plane in edit.added.items()}}


def stored(pixels: np.ndarray, kind: str) -> np.ndarray:
    """One channel as `kind`; half is rounded to nearest, and clipped rather than turned to Inf."""
    if kind == "half":
        pixels = np.where(np.isfinite(pixels), np.clip(pixels, -HALF_MAX, HALF_MAX), pixels)
    return np.ascontiguousarray(pixels, dtype=_library.KINDS[kind])


def _reduced(plane: np.ndarray, level: Level) -> np.ndarray:
    """The means of a plane's pixels, two by two, until it has the size of `level`."""
    x0, y0, x1, y1 = level.window
    means = plane.astype(np.float32)
    for axis, size in ((0, y1 - y0 + 1), (1, x1 - x0 + 1)):
        for step in range(level.level[1 - axis], 0, -1):
            means = _halved(means, axis, up=size > means.shape[axis] >> step)
    return means.astype(plane.dtype)


def _halved(plane: np.ndarray, axis: int, *, up: bool) -> np.ndarray:
    plane = np.moveaxis(plane, axis, 0)
    if len(plane) == 1:
        return np.moveaxis(plane, 0, axis)
    if len(plane) % 2:
        plane = np.concatenate([plane, plane[-1:]]) if up else plane[:-1]
    return np.moveaxis((plane[0::2] + plane[1::2]) / 2, 0, axis)


# ---- headers that change ----


def _head(part: Part, edit: Edit, compression: str) -> Head:
    added = [Channel(name, _kind(pixels)) for name, pixels in edit.added.items()]
    channels = tuple(sorted((*part.head.channels, *added), key=lambda channel: channel.name.encode()))
    number = COMPRESSIONS.index(compression)
    head = replace(part.head, channels=channels, compression=number)
    count = sum(len(level.keys) for level in _chunks.levels(head))
    new = {b"compression": bytes([number]), b"chunkCount": struct.pack("<i", count)}
    if added:
        new[b"channels"] = _header.packed_channels(channels)
    attributes = [replace(raw, value=new.get(raw.name, raw.value)) for raw in head.attributes]
    return replace(head, attributes=tuple(_with(attributes, edit.attributes)))


def _kind(pixels: np.ndarray) -> str:
    return next(name for name, kind in _library.KINDS.items() if pixels.dtype == kind)


def _with(attributes: Sequence[Raw], added: Mapping[str, Attribute]) -> Iterator[Raw]:
    """The attributes, those of equal names exchanged, the others added at the end."""
    mine = {name.encode(): raw(name, value) for name, value in added.items()}
    yield from (mine.pop(old.name, old) for old in attributes)
    yield from mine.values()


def raw(name: str, value: Attribute) -> Raw:
    """A text or number as it lies in a file."""
    if isinstance(value, int) and -(2**31) <= value < 2**31:
        return Raw(name.encode(), b"int", struct.pack("<i", value))
    if isinstance(value, float):
        return Raw(name.encode(), b"float", struct.pack("<f", value))
    return Raw(name.encode(), b"string", str(value).encode())
